"""Decrypt: what it tells, and what it does not tell."""

from __future__ import annotations

import uuid
from typing import Any

from tests.conformance.answers import STRANGE_CIPHERTEXT, constraint, describe, refusal
from tests.conformance.calls import Sample
from tests.support.server import Server


def with_key(blob: bytes, key_id: str) -> bytes:
    """The same blob, naming another key."""
    return blob[:2] + uuid.UUID(key_id).bytes + blob[18:]


def test_answer(kms: Any, shared: Sample) -> None:
    answer = kms.decrypt(CiphertextBlob=shared.ciphertext)
    answer.pop("ResponseMetadata")
    assert answer == {
        "KeyId": shared.arn,
        "Plaintext": b"sample",
        "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "KeyMaterialId": describe(kms, shared.key_id)["CurrentKeyMaterialId"],
    }


def test_the_ciphertext_is_required(kms: Any, shared: Sample) -> None:
    expected = constraint("ciphertextBlob", "Member must not be null", "null")
    assert refusal(kms.decrypt) == expected
    assert refusal(kms.decrypt, KeyId=shared.key_id) == expected
    assert refusal(kms.decrypt, KeyId="no-such-key") == expected


def test_whether_a_key_exists_elsewhere_is_not_told(kms: Any, server: Server, shared: Sample) -> None:
    """A key that never was, one of another Region, a blob made up: one answer, never NotFoundException."""
    elsewhere = server.client(region="us-west-1")
    theirs = elsewhere.create_key()["KeyMetadata"]["KeyId"]
    foreign = elsewhere.encrypt(KeyId=theirs, Plaintext=b"x")["CiphertextBlob"]
    nobody = with_key(shared.ciphertext, str(uuid.uuid4()))
    for blob in (foreign, nobody, with_key(shared.ciphertext, theirs)):
        assert refusal(kms.decrypt, CiphertextBlob=blob) == STRANGE_CIPHERTEXT
        assert refusal(kms.decrypt, CiphertextBlob=blob, KeyId=shared.key_id) == STRANGE_CIPHERTEXT
        assert refusal(kms.decrypt, CiphertextBlob=blob, DryRun=True) == STRANGE_CIPHERTEXT
        answer = refusal(kms.re_encrypt, CiphertextBlob=blob, DestinationKeyId=shared.key_id)
        assert answer == STRANGE_CIPHERTEXT
    assert elsewhere.decrypt(CiphertextBlob=foreign)["Plaintext"] == b"x"


def test_a_named_key_must_exist(kms: Any, shared: Sample) -> None:
    blob = shared.ciphertext
    assert refusal(kms.decrypt, CiphertextBlob=blob, KeyId="no-such-key") == (
        "NotFoundException",
        "Invalid keyId 'no-such-key'",
    )
    nobody = str(uuid.uuid4())
    arn = shared.arn.replace(shared.key_id, nobody)
    expected = ("NotFoundException", f"Key '{arn}' does not exist")
    assert refusal(kms.decrypt, CiphertextBlob=blob, KeyId=nobody) == expected
    assert refusal(kms.decrypt, CiphertextBlob=blob, KeyId=arn) == expected


def test_another_account_is_never_told_of(kms: Any, shared: Sample) -> None:
    for resource in (f"key/{shared.key_id}", f"key/{uuid.uuid4()}", "alias/x"):
        named = f"arn:aws:kms:{kms.meta.region_name}:999988887777:{resource}"
        code, _ = refusal(kms.decrypt, CiphertextBlob=shared.ciphertext, KeyId=named)
        assert code == "IncorrectKeyException"
