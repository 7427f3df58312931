"""What a key's state permits: one table of operation and state.

Source: AWS KMS developer guide, "Key states of AWS KMS keys", and observed error texts.
"""

from __future__ import annotations

from hearthkms.core.errors import ServiceError
from hearthkms.kms import errors
from hearthkms.kms.model.key import Key, KeyState

_PENDING_DELETION = (KeyState.PENDING_DELETION, KeyState.PENDING_REPLICA_DELETION)
_IMPORT = KeyState.PENDING_IMPORT

# States that refuse, by group of operations; a state that is not listed permits.
_USE = frozenset({KeyState.DISABLED, *_PENDING_DELETION, _IMPORT, KeyState.UNAVAILABLE, KeyState.CREATING})
_TOGGLE = frozenset({*_PENDING_DELETION, _IMPORT, KeyState.CREATING, KeyState.UPDATING})
_ROTATION = frozenset({KeyState.DISABLED, *_PENDING_DELETION, _IMPORT, KeyState.CREATING})
_ROTATE_NOW = _ROTATION | {KeyState.UPDATING}
_DESCRIBE = frozenset(_PENDING_DELETION)

REFUSED_STATES: dict[str, frozenset[KeyState]] = {
    "CancelKeyDeletion": frozenset(KeyState) - frozenset(_PENDING_DELETION),
    "CreateAlias": _DESCRIBE,
    "UpdateAlias": _DESCRIBE,
    "DeleteAlias": frozenset(),
    "Decrypt": _USE,
    "DescribeKey": frozenset(),
    "DisableKey": _TOGGLE,
    "DisableKeyRotation": _ROTATION,
    "EnableKey": _TOGGLE,
    "EnableKeyRotation": _ROTATION,
    "Encrypt": _USE,
    "GenerateDataKey": _USE,
    "GenerateDataKeyWithoutPlaintext": _USE,
    "GetKeyLastUsage": frozenset(),
    "GetKeyPolicy": frozenset(),
    "GetKeyRotationStatus": frozenset({_IMPORT}),
    "ListKeyPolicies": frozenset(),
    "ListKeyRotations": frozenset(),
    "ListResourceTags": frozenset(),
    "PutKeyPolicy": frozenset(),
    "ReEncrypt": _USE,
    "RotateKeyOnDemand": _ROTATE_NOW,
    "ScheduleKeyDeletion": frozenset({*_PENDING_DELETION, KeyState.UPDATING}),
    "TagResource": _DESCRIBE,
    "UntagResource": _DESCRIBE,
    "UpdateKeyDescription": _DESCRIBE,
}
"""The states in which each operation refuses a key."""

_WORDS = {
    KeyState.PENDING_DELETION: "is pending deletion.",
    KeyState.PENDING_REPLICA_DELETION: "is pending replica deletion.",
    KeyState.PENDING_IMPORT: "is pending import.",
    KeyState.UNAVAILABLE: "is unavailable.",
    KeyState.CREATING: "is creating.",
    KeyState.UPDATING: "is updating.",
}


def check_state(operation: str, key: Key) -> None:
    """Raise AWS's error where `key`'s state refuses `operation`."""
    if key.state in REFUSED_STATES[operation]:
        raise _refusal(operation, key)


def _refusal(operation: str, key: Key) -> ServiceError:
    if operation == "CancelKeyDeletion":
        return errors.invalid_state(f"{key.arn} is not pending deletion.")
    if key.state is KeyState.DISABLED:
        return errors.disabled(key.arn)
    if key.state is KeyState.PENDING_IMPORT and "Rotation" in operation:
        return errors.origin_not_valid(key.arn, key.origin)
    return errors.invalid_state(f"{key.arn} {_WORDS[key.state]}")
