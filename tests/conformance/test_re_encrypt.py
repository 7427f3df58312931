"""ReEncrypt: from one key, context or material to another, without the plaintext leaving."""

from __future__ import annotations

from typing import Any

from tests.conformance.answers import INVALID_CIPHERTEXT, constraint, describe, refusal
from tests.conformance.calls import Sample


def test_from_one_key_to_another(kms: Any, shared: Sample, sample: Sample) -> None:
    answer = kms.re_encrypt(CiphertextBlob=shared.ciphertext, DestinationKeyId=sample.alias)
    answer.pop("ResponseMetadata")
    blob = answer.pop("CiphertextBlob")
    assert answer == {
        "SourceKeyId": shared.arn,
        "KeyId": sample.arn,
        "SourceEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "DestinationEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "SourceKeyMaterialId": describe(kms, shared.key_id)["CurrentKeyMaterialId"],
        "DestinationKeyMaterialId": describe(kms, sample.key_id)["CurrentKeyMaterialId"],
    }
    opened = kms.decrypt(CiphertextBlob=blob)
    assert (opened["KeyId"], opened["Plaintext"]) == (sample.arn, b"sample")


def test_contexts(kms: Any, shared: Sample) -> None:
    old, new = {"from": "here"}, {"to": "there", "and": "back"}
    key = shared.key_id
    blob = kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=old)["CiphertextBlob"]
    moved = kms.re_encrypt(
        CiphertextBlob=blob,
        SourceEncryptionContext=old,
        DestinationKeyId=key,
        DestinationEncryptionContext=new,
    )["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=moved, EncryptionContext=new)["Plaintext"] == b"x"
    assert refusal(kms.decrypt, CiphertextBlob=moved, EncryptionContext=old) == INVALID_CIPHERTEXT
    for wrong in ({}, {"SourceEncryptionContext": new}, {"DestinationEncryptionContext": old}):
        answer = refusal(kms.re_encrypt, CiphertextBlob=blob, DestinationKeyId=key, **wrong)
        assert answer == INVALID_CIPHERTEXT
    bare = kms.re_encrypt(CiphertextBlob=blob, SourceEncryptionContext=old, DestinationKeyId=key)
    assert kms.decrypt(CiphertextBlob=bare["CiphertextBlob"])["Plaintext"] == b"x"


def test_the_largest_plaintext(kms: Any, shared: Sample, sample: Sample) -> None:
    blob = kms.encrypt(KeyId=shared.key_id, Plaintext=b"x" * 4096)["CiphertextBlob"]
    moved = kms.re_encrypt(CiphertextBlob=blob, DestinationKeyId=sample.key_id)["CiphertextBlob"]
    assert len(moved) == len(blob)
    assert kms.decrypt(CiphertextBlob=moved)["Plaintext"] == b"x" * 4096


def test_to_the_newest_material(kms: Any, sample: Sample) -> None:
    first = describe(kms, sample.key_id)["CurrentKeyMaterialId"]
    kms.rotate_key_on_demand(KeyId=sample.key_id)
    second = describe(kms, sample.key_id)["CurrentKeyMaterialId"]
    answer = kms.re_encrypt(CiphertextBlob=sample.ciphertext, DestinationKeyId=sample.key_id)
    assert (answer["SourceKeyMaterialId"], answer["DestinationKeyMaterialId"]) == (first, second)
    assert kms.decrypt(CiphertextBlob=answer["CiphertextBlob"])["KeyMaterialId"] == second
    assert kms.decrypt(CiphertextBlob=sample.ciphertext)["KeyMaterialId"] == first


def test_what_is_required(loose: Any, shared: Sample) -> None:
    key = shared.key_id
    answer = refusal(loose.re_encrypt, DestinationKeyId=key)
    assert answer == constraint("ciphertextBlob", "Member must not be null", "null")
    answer = refusal(loose.re_encrypt, CiphertextBlob=shared.ciphertext)
    assert answer == constraint("destinationKeyId", "Member must not be null", "null")
