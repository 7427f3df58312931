"""DryRun: the real refusal where there is one, and DryRunOperationException where there is none."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.answers import (
    DRY_RUN,
    INCORRECT_KEY,
    INVALID_CIPHERTEXT,
    constraint,
    refusal,
)
from tests.conformance.calls import Sample, method, perform

OPERATIONS = ["Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncrypt"]
IGNORE = {"DryRun": True, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]}


@pytest.mark.parametrize("operation", OPERATIONS)
class TestEach:
    """What holds of every operation that takes DryRun."""

    def test_success(self, kms: Any, shared: Sample, operation: str) -> None:
        for given in (shared.key_id, shared.arn, shared.alias, shared.alias_arn):
            answer = refusal(lambda given=given: perform(kms, operation, shared, given, DryRun=True))
            assert answer == DRY_RUN

    def test_false_is_no_dry_run(self, kms: Any, shared: Sample, operation: str) -> None:
        assert perform(kms, operation, shared, DryRun=False)["KeyId"] == shared.arn

    def test_state_comes_first(self, kms: Any, sample: Sample, operation: str) -> None:
        kms.disable_key(KeyId=sample.key_id)
        answer = refusal(lambda: perform(kms, operation, sample, DryRun=True))
        assert answer == ("DisabledException", f"{sample.arn} is disabled.")

    def test_a_missing_key_comes_first(self, kms: Any, shared: Sample, operation: str) -> None:
        answer = refusal(lambda: perform(kms, operation, shared, "no-such-key", DryRun=True))
        assert answer == ("NotFoundException", "Invalid keyId 'no-such-key'")

    def test_a_context_that_is_too_long_comes_first(self, kms: Any, shared: Sample, operation: str) -> None:
        member = "SourceEncryptionContext" if operation == "ReEncrypt" else "EncryptionContext"
        over = {member: {"n": "v" * 8192}}
        assert (
            refusal(lambda: perform(kms, operation, shared, DryRun=True, **over))[0] == "ValidationException"
        )


def test_sizes_come_first(kms: Any, loose: Any, shared: Sample) -> None:
    answer = refusal(loose.encrypt, KeyId=shared.key_id, Plaintext=b"x" * 4097, DryRun=True)
    assert answer == constraint("plaintext", "Member must have length less than or equal to 4096")
    assert refusal(kms.generate_data_key, KeyId=shared.key_id, DryRun=True) == (
        "ValidationException",
        "Please specify either number of bytes or key spec.",
    )


def test_the_ciphertext_is_verified(kms: Any, shared: Sample, sample: Sample) -> None:
    damaged = shared.ciphertext[:-1] + bytes((shared.ciphertext[-1] ^ 1,))
    wrong = {"EncryptionContext": {"a": "b"}}
    assert refusal(kms.decrypt, CiphertextBlob=damaged, DryRun=True) == INVALID_CIPHERTEXT
    assert refusal(kms.decrypt, CiphertextBlob=shared.ciphertext, DryRun=True, **wrong) == INVALID_CIPHERTEXT
    answer = refusal(kms.decrypt, CiphertextBlob=shared.ciphertext, KeyId=sample.key_id, DryRun=True)
    assert answer == INCORRECT_KEY
    answer = refusal(kms.re_encrypt, CiphertextBlob=damaged, DestinationKeyId=sample.key_id, DryRun=True)
    assert answer == INVALID_CIPHERTEXT


class TestIgnoringTheCiphertext:
    """With IGNORE_CIPHERTEXT only permission is asked; the key must then be named."""

    @pytest.mark.parametrize("form", ["key_id", "arn", "alias", "alias_arn"])
    def test_no_ciphertext_is_needed(self, kms: Any, shared: Sample, form: str) -> None:
        named = getattr(shared, form)
        assert refusal(kms.decrypt, KeyId=named, **IGNORE) == DRY_RUN
        answer = refusal(kms.re_encrypt, SourceKeyId=named, DestinationKeyId=shared.key_id, **IGNORE)
        assert answer == DRY_RUN

    def test_one_that_is_given_is_not_looked_at(self, kms: Any, shared: Sample, sample: Sample) -> None:
        for blob in (b"junk", sample.ciphertext):
            assert refusal(kms.decrypt, CiphertextBlob=blob, KeyId=shared.key_id, **IGNORE) == DRY_RUN

    def test_the_key_is_required(self, kms: Any, shared: Sample) -> None:
        expected = constraint("keyId", "Member must not be null", "null")
        assert refusal(kms.decrypt, **IGNORE) == expected
        assert refusal(kms.decrypt, CiphertextBlob=shared.ciphertext, **IGNORE) == expected
        answer = refusal(kms.re_encrypt, DestinationKeyId=shared.key_id, **IGNORE)
        assert answer == constraint("sourceKeyId", "Member must not be null", "null")

    @pytest.mark.parametrize("dry_run", [{}, {"DryRun": False}])
    def test_only_in_a_dry_run(self, kms: Any, shared: Sample, dry_run: dict[str, bool]) -> None:
        for name in ("Decrypt", "ReEncrypt"):
            answer = refusal(
                lambda name=name: perform(kms, name, shared, DryRunModifiers=["IGNORE_CIPHERTEXT"], **dry_run)
            )
            assert answer[0] == "ValidationException"

    def test_refusals_come_first(self, kms: Any, sample: Sample) -> None:
        nobody = ("NotFoundException", "Invalid keyId 'no-such-key'")
        assert refusal(kms.decrypt, KeyId="no-such-key", **IGNORE) == nobody
        kms.disable_key(KeyId=sample.key_id)
        expected = ("DisabledException", f"{sample.arn} is disabled.")
        assert refusal(kms.decrypt, KeyId=sample.key_id, **IGNORE) == expected

    def test_no_modifier(self, kms: Any, shared: Sample) -> None:
        answer = refusal(
            method(kms, "Decrypt"), CiphertextBlob=shared.ciphertext, DryRun=True, DryRunModifiers=[]
        )
        assert answer == DRY_RUN
