"""What each of the eight key states permits, as one table that is read against the code's.

Source: AWS KMS developer guide, "Key states of AWS KMS keys" (the table), and observed error texts.
"""

from __future__ import annotations

import pytest

from hearthkms.core.errors import ServiceError
from hearthkms.kms.model.key import Key, KeyState
from hearthkms.kms.model.state import REFUSED_STATES, check_state

ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

OK = None
E1 = ("DisabledException", f"{ARN} is disabled.")
E3 = ("KMSInvalidStateException", f"{ARN} is pending deletion.")
E4 = ("KMSInvalidStateException", f"{ARN} is not pending deletion.")
E5 = ("KMSInvalidStateException", f"{ARN} is pending import.")
E6 = ("UnsupportedOperationException", f"{ARN} origin is EXTERNAL which is not valid for this operation.")
E11 = ("KMSInvalidStateException", f"{ARN} is unavailable.")
E14 = ("KMSInvalidStateException", f"{ARN} is creating.")
E15 = ("KMSInvalidStateException", f"{ARN} is updating.")

STATES = ("Enabled", "Disabled", "PendingDeletion", "PendingImport", "Unavailable", "Creating", "Updating")
USE = (OK, E1, E3, E5, E11, E14, OK)
ALWAYS = (OK, OK, OK, OK, OK, OK, OK)
UNTIL_DELETION = (OK, OK, E3, OK, OK, OK, OK)
TOGGLE = (OK, OK, E3, E5, OK, E14, E15)
# Keys that are Unavailable are in custom key stores, where rotation is refused for their origin.
ROTATION = (OK, E1, E3, E6, OK, E14, OK)

TABLE = {
    "CancelKeyDeletion": (E4, E4, OK, E4, E4, E4, E4),
    "CreateAlias": UNTIL_DELETION,
    "Decrypt": USE,
    "DeleteAlias": ALWAYS,
    "DescribeKey": ALWAYS,
    "DisableKey": TOGGLE,
    "DisableKeyRotation": ROTATION,
    "EnableKey": TOGGLE,
    "EnableKeyRotation": ROTATION,
    "Encrypt": USE,
    "GenerateDataKey": USE,
    "GenerateDataKeyWithoutPlaintext": USE,
    "GetKeyLastUsage": ALWAYS,
    "GetKeyPolicy": ALWAYS,
    "GetKeyRotationStatus": (OK, OK, OK, E6, OK, OK, OK),
    "ListKeyPolicies": ALWAYS,
    "ListKeyRotations": ALWAYS,
    "ListResourceTags": ALWAYS,
    "PutKeyPolicy": ALWAYS,
    "ReEncrypt": USE,
    "RotateKeyOnDemand": (OK, E1, E3, E5, OK, E14, E15),
    "ScheduleKeyDeletion": (OK, OK, E3, OK, OK, OK, E15),
    "TagResource": UNTIL_DELETION,
    "UntagResource": UNTIL_DELETION,
    "UpdateAlias": UNTIL_DELETION,
    "UpdateKeyDescription": UNTIL_DELETION,
}
CELLS = [
    (operation, state, expected)
    for operation, row in TABLE.items()
    for state, expected in zip(STATES, row, strict=True)
]


def answer(operation: str, state: KeyState) -> tuple[str, str | None] | None:
    """What the operation says to a key in this state; None where it is permitted."""
    origin = "EXTERNAL" if state is KeyState.PENDING_IMPORT else "AWS_KMS"
    key = Key("eu-central-1", "111122223333", "unused", ARN, 0.0, state, "{}", origin=origin)
    try:
        check_state(operation, key)
    except ServiceError as error:
        return error.name, error.message
    return None


def test_both_tables_have_the_same_operations() -> None:
    assert set(TABLE) == set(REFUSED_STATES)


@pytest.mark.parametrize(("operation", "state", "expected"), CELLS)
def test_cell(operation: str, state: str, expected: tuple[str, str] | None) -> None:
    assert answer(operation, KeyState(state)) == expected


@pytest.mark.parametrize("operation", TABLE)
def test_waiting_for_replicas_is_like_waiting_for_deletion(operation: str) -> None:
    waiting = answer(operation, KeyState.PENDING_DELETION)
    if waiting is not None and waiting[1] is not None:
        waiting = (waiting[0], waiting[1].replace("is pending deletion", "is pending replica deletion"))
    assert answer(operation, KeyState.PENDING_REPLICA_DELETION) == waiting
