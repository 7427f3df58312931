"""What each state of a key permits: every operation in every state that can be reached, and the ways between.

Source of the table: AWS KMS developer guide, "Key states of AWS KMS keys".
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.conformance.answers import describe, refusal
from tests.conformance.calls import CALLS, WITHOUT_KEY, Sample, new_sample, perform

from hearthkms.kms.operations import OPERATIONS

OK = None
DISABLED = ("DisabledException", "{arn} is disabled.")
PENDING = ("KMSInvalidStateException", "{arn} is pending deletion.")
NOT_PENDING = ("KMSInvalidStateException", "{arn} is not pending deletion.")

STATES = ("Enabled", "Disabled", "PendingDeletion")
USE = (OK, DISABLED, PENDING)
CHANGE = (OK, OK, PENDING)
ALWAYS = (OK, OK, OK)

TABLE = {
    "CancelKeyDeletion": (NOT_PENDING, NOT_PENDING, OK),
    "CreateAlias": CHANGE,
    "Decrypt": USE,
    "DeleteAlias": ALWAYS,
    "DescribeKey": ALWAYS,
    "DisableKey": CHANGE,
    "DisableKeyRotation": USE,
    "EnableKey": CHANGE,
    "EnableKeyRotation": USE,
    "Encrypt": USE,
    "GenerateDataKey": USE,
    "GenerateDataKeyWithoutPlaintext": USE,
    "GetKeyLastUsage": ALWAYS,
    "GetKeyPolicy": ALWAYS,
    "GetKeyRotationStatus": ALWAYS,
    "ListAliases": ALWAYS,
    "ListKeyPolicies": ALWAYS,
    "ListKeyRotations": ALWAYS,
    "ListResourceTags": ALWAYS,
    "PutKeyPolicy": ALWAYS,
    "ReEncrypt": USE,
    "RotateKeyOnDemand": USE,
    "ScheduleKeyDeletion": CHANGE,
    "TagResource": CHANGE,
    "UntagResource": CHANGE,
    "UpdateAlias": CHANGE,
    "UpdateKeyDescription": CHANGE,
}
CELLS = [
    (operation, state, expected)
    for operation, row in TABLE.items()
    for state, expected in zip(STATES, row, strict=True)
]


def bring(kms: Any, sample: Sample, state: str) -> None:
    """Bring an enabled key into a state."""
    if state == "Disabled":
        kms.disable_key(KeyId=sample.key_id)
    elif state == "PendingDeletion":
        kms.schedule_key_deletion(KeyId=sample.key_id, PendingWindowInDays=7)


def test_the_table_has_every_operation_on_a_key() -> None:
    assert set(TABLE) == set(CALLS) == set(OPERATIONS) - WITHOUT_KEY


@pytest.mark.parametrize(("operation", "state", "expected"), CELLS)
def test_operation_in_state(
    kms: Any, sample: Sample, operation: str, state: str, expected: tuple[str, str] | None
) -> None:
    bring(kms, sample, state)
    if expected is None:
        perform(kms, operation, sample)
    else:
        code, text = expected
        answer = refusal(lambda: perform(kms, operation, sample))
        assert answer == (code, text.format(arn=sample.arn))
        assert describe(kms, sample.key_id)["KeyState"] == state, "a refused call changed the key"


@pytest.mark.parametrize("refused", ["source", "destination"])
@pytest.mark.parametrize(("state", "expected"), [("Disabled", DISABLED), ("PendingDeletion", PENDING)])
def test_re_encrypt_needs_both_keys(
    kms: Any, sample: Sample, shared: Sample, refused: str, state: str, expected: tuple[str, str]
) -> None:
    bring(kms, sample, state)
    source, destination = (sample, shared) if refused == "source" else (shared, sample)
    answer = refusal(kms.re_encrypt, CiphertextBlob=source.ciphertext, DestinationKeyId=destination.key_id)
    assert answer == (expected[0], expected[1].format(arn=sample.arn))


def test_an_alias_may_leave_a_key_that_is_pending_deletion(kms: Any, sample: Sample, shared: Sample) -> None:
    bring(kms, sample, "PendingDeletion")
    kms.update_alias(AliasName=sample.alias, TargetKeyId=shared.key_id)
    assert describe(kms, sample.alias)["KeyId"] == shared.key_id


def test_enable_and_disable(kms: Any, sample: Sample) -> None:
    for turn in range(2):
        kms.disable_key(KeyId=sample.key_id)
        shown = describe(kms, sample.key_id)
        assert (shown["KeyState"], shown["Enabled"]) == ("Disabled", False), turn
    for turn in range(2):
        kms.enable_key(KeyId=sample.key_id)
        shown = describe(kms, sample.key_id)
        assert (shown["KeyState"], shown["Enabled"]) == ("Enabled", True), turn
    assert kms.decrypt(CiphertextBlob=sample.ciphertext)["Plaintext"] == b"sample"


@pytest.mark.parametrize("days", [7, 30, None])
def test_schedule_key_deletion(kms: Any, sample: Sample, days: int | None) -> None:
    given = {} if days is None else {"PendingWindowInDays": days}
    before = time.time()
    answer = kms.schedule_key_deletion(KeyId=sample.key_id, **given)
    assert answer["KeyId"] == sample.arn
    assert answer["KeyState"] == "PendingDeletion"
    assert answer["PendingWindowInDays"] == (days or 30)
    assert abs(answer["DeletionDate"].timestamp() - before - (days or 30) * 86_400) < 5
    shown = describe(kms, sample.key_id)
    assert shown["DeletionDate"] == answer["DeletionDate"]
    assert (shown["KeyState"], shown["Enabled"]) == ("PendingDeletion", False)
    assert "PendingDeletionWindowInDays" not in shown


@pytest.mark.parametrize("days", [1, 6, 31, 365])
def test_the_window_is_seven_to_thirty_days(kms: Any, shared: Sample, days: int) -> None:
    expected = ("ValidationException", "PendingWindowInDays must be between 7 and 30")
    for key_id in (shared.key_id, "no-such-key"):
        assert refusal(kms.schedule_key_deletion, KeyId=key_id, PendingWindowInDays=days) == expected
    assert describe(kms, shared.key_id)["KeyState"] == "Enabled"


def test_cancelling_leaves_the_key_disabled(kms: Any) -> None:
    for state in ("Enabled", "Disabled"):
        sample = new_sample(kms)
        bring(kms, sample, state)
        bring(kms, sample, "PendingDeletion")
        assert kms.cancel_key_deletion(KeyId=sample.key_id)["KeyId"] == sample.arn
        shown = describe(kms, sample.key_id)
        assert (shown["KeyState"], shown["Enabled"]) == ("Disabled", False)
        assert "DeletionDate" not in shown
        kms.enable_key(KeyId=sample.key_id)
        assert kms.decrypt(CiphertextBlob=sample.ciphertext)["Plaintext"] == b"sample"


def test_everything_is_there_again_after_cancelling(kms: Any, sample: Sample) -> None:
    kms.tag_resource(KeyId=sample.key_id, Tags=[{"TagKey": "a", "TagValue": "b"}])
    bring(kms, sample, "PendingDeletion")
    assert kms.list_aliases(KeyId=sample.key_id)["Aliases"][0]["AliasName"] == sample.alias
    kms.cancel_key_deletion(KeyId=sample.key_id)
    assert describe(kms, sample.alias)["KeyId"] == sample.key_id
    assert kms.list_resource_tags(KeyId=sample.key_id)["Tags"] == [{"TagKey": "a", "TagValue": "b"}]
