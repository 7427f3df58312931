"""A KMS key and its key material, as kept."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hearthkms.core.ids import key_arn


class KeyState(StrEnum):
    """The states of a KMS key. Source: KMS API reference, KeyMetadata."""

    CREATING = "Creating"
    ENABLED = "Enabled"
    DISABLED = "Disabled"
    PENDING_DELETION = "PendingDeletion"
    PENDING_IMPORT = "PendingImport"
    PENDING_REPLICA_DELETION = "PendingReplicaDeletion"
    UNAVAILABLE = "Unavailable"
    UPDATING = "Updating"


@dataclass(frozen=True, slots=True)
class Rotation:
    """The automatic rotation of a key. Dates are epoch seconds, the period is in days (90 to 2560)."""

    enabled: bool = False
    period_days: int = 365
    next_date: float | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A KMS key: its metadata, policy and rotation. Dates are epoch seconds with milliseconds.

    `arn` is derived once, when the value is made. `policy` is the JSON text as the caller gave it.
    """

    region: str
    account_id: str
    key_id: str
    arn: str
    creation_date: float
    state: KeyState
    policy: str
    description: str = ""
    spec: str = "SYMMETRIC_DEFAULT"
    usage: str = "ENCRYPT_DECRYPT"
    origin: str = "AWS_KMS"
    manager: str = "CUSTOMER"
    multi_region: bool = False
    current_material_id: str | None = None
    deletion_date: float | None = None
    pending_window_days: int | None = None
    rotation: Rotation = Rotation()

    @staticmethod
    def arn_of(region: str, account_id: str, key_id: str) -> str:
        """The ARN of the key with these three coordinates."""
        return key_arn(region, account_id, key_id)


@dataclass(frozen=True, slots=True)
class Material:
    """One version of a key's material (a backing key), sealed.

    `sequence` counts from 1 within its key. `sealed` is opaque to all but the key store. `domain_version`
    names the domain key of the Region that seals it. `rotation_date` and `rotation_type` (`AUTOMATIC` or
    `ON_DEMAND`) are None for the first material.
    """

    region: str
    key_id: str
    material_id: str
    sequence: int
    sealed: bytes
    domain_version: int
    creation_date: float
    rotation_date: float | None = None
    rotation_type: str | None = None


@dataclass(frozen=True, slots=True)
class LastUsage:
    """The last cryptographic use of a key, as GetKeyLastUsage tells it."""

    operation: str
    timestamp: float
    event_id: str
    request_id: str
