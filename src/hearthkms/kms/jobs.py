"""What happens by itself when its time has come: deletion, rotation, and domain-key housekeeping.

Each job takes one key in one transaction, so that it can be cut off anywhere and taken up again, by any
process, without doing anything twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hearthkms.kms.creation import rotate_key
from hearthkms.kms.model.key import Key, KeyState
from hearthkms.kms.ports import KeyStore, Repository

BATCH = 100


@dataclass(frozen=True, slots=True)
class Done:
    """What a job did to a key. `event` is the service event's name: `DeleteKey` or `RotateKey`."""

    event: str
    key: Key
    previous_material_id: str | None = None
    current_material_id: str | None = None


async def due(repository: Repository, now: float) -> Sequence[Key]:
    """Keys that wait for a job."""
    return await repository.keys_due(now, BATCH)


async def perform(
    repository: Repository, store: KeyStore, region: str, key_id: str, now: float
) -> Done | None:
    """Do what is due for one key, if it still is. Deletion takes material, aliases and tags with it."""
    key = await repository.lock_key(region, key_id)
    if key is None:
        return None
    if key.state is KeyState.PENDING_DELETION and key.deletion_date is not None and key.deletion_date <= now:
        await repository.delete_key(region, key_id)
        return Done("DeleteKey", key)
    rotation = key.rotation
    if key.state is KeyState.ENABLED and rotation.enabled and (rotation.next_date or now) <= now:
        rotated = await rotate_key(repository, store, key, now=now, rotation_type="AUTOMATIC")
        return Done("RotateKey", rotated, key.current_material_id, rotated.current_material_id)
    return None
