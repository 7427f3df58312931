"""Encrypt and Decrypt through boto3 against the live server."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError


def test_round_trip(kms: Any, key: dict[str, Any]) -> None:
    context = {"purpose": "test", "tenant": "a"}
    sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"attack at dawn", EncryptionContext=context)
    assert sealed["KeyId"] == key["Arn"]
    assert sealed["EncryptionAlgorithm"] == "SYMMETRIC_DEFAULT"
    assert b"attack" not in sealed["CiphertextBlob"]
    opened = kms.decrypt(
        CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=dict(reversed(context.items()))
    )
    assert opened["Plaintext"] == b"attack at dawn"
    assert opened["KeyId"] == key["Arn"]
    assert opened["KeyMaterialId"] == key["CurrentKeyMaterialId"]


def test_another_context_does_not_decrypt(kms: Any, key: dict[str, Any]) -> None:
    sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x", EncryptionContext={"a": "bc"})
    with pytest.raises(ClientError) as caught:
        kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext={"ab": "c"})
    assert caught.value.response["Error"] == {"Code": "InvalidCiphertextException", "Message": ""}
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
