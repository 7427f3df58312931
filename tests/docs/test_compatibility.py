"""What docs/compatibility.md says of refusals is what the service does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from tools.compatibility import REFUSED, Refused

from hearthkms.kms.operations import OPERATIONS
from hearthkms.wire.model import load

_STORE = {"CustomKeyStoreId": "cks-1234567890abcdef0"}
_RECIPIENT = {
    "Recipient": {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": b"document"}
}
_TOKENS = {"GrantTokens": ["token"]}

REFUSED_PARAMETERS: dict[tuple[str, str], dict[str, Any]] = {
    ("CreateKey", "KeySpec"): {"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"},
    ("CreateKey", "CustomerMasterKeySpec"): {
        "CustomerMasterKeySpec": "ECC_NIST_P256",
        "KeyUsage": "SIGN_VERIFY",
    },
    ("CreateKey", "Origin"): {"Origin": "EXTERNAL"},
    ("CreateKey", "MultiRegion"): {"MultiRegion": True},
    ("CreateKey", "CustomKeyStoreId"): {"Origin": "AWS_CLOUDHSM", **_STORE},
    ("GenerateRandom", "CustomKeyStoreId"): _STORE,
    **{
        (entry.operation, entry.member): _RECIPIENT if entry.member == "Recipient" else _TOKENS
        for entry in REFUSED
        if entry.member in ("Recipient", "GrantTokens")
    },
}


@pytest.fixture(scope="module")
def requests(kms: Any) -> Callable[[str], dict[str, Any]]:
    """A request for an operation that is answered when nothing is added to it."""
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]

    def request(operation: str) -> dict[str, Any]:
        return {
            "CreateKey": {},
            "Decrypt": {"CiphertextBlob": blob},
            "Encrypt": {"KeyId": key, "Plaintext": b"x"},
            "GenerateDataKey": {"KeyId": key, "KeySpec": "AES_256"},
            "GenerateDataKeyWithoutPlaintext": {"KeyId": key, "KeySpec": "AES_256"},
            "GenerateRandom": {"NumberOfBytes": 16},
            "ReEncrypt": {"CiphertextBlob": blob, "DestinationKeyId": key},
        }[operation]

    return request


@pytest.mark.parametrize("entry", REFUSED, ids=lambda entry: f"{entry.operation}-{entry.member}")
def test_refused_parameters_are_refused(
    kms: Any, requests: Callable[[str], dict[str, Any]], entry: Refused
) -> None:
    call = getattr(kms, xform_name(entry.operation))
    call(**requests(entry.operation))
    with pytest.raises(ClientError) as caught:
        call(**requests(entry.operation), **REFUSED_PARAMETERS[entry.operation, entry.member])
    assert caught.value.response["Error"]["Code"] == entry.error


def test_refused_parameters_are_the_models() -> None:
    model = load("kms")
    for entry in REFUSED:
        assert entry.operation in OPERATIONS
        assert entry.member in model.input_shape(entry.operation).members
