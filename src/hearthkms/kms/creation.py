"""Making keys: customer managed ones on request, AWS managed ones on first use, new material on rotation."""

from __future__ import annotations

from dataclasses import replace

from hearthkms.core.clock import millis
from hearthkms.core.ids import new_key_id
from hearthkms.kms.model import managed
from hearthkms.kms.model.alias import Alias
from hearthkms.kms.model.key import Key, KeyState, Material, Rotation
from hearthkms.kms.ports import KeyStore, Repository


async def create_key(
    repository: Repository,
    store: KeyStore,
    *,
    region: str,
    account_id: str,
    now: float,
    policy: str,
    description: str = "",
    manager: str = "CUSTOMER",
    rotation: Rotation | None = None,
) -> Key:
    """Create an enabled symmetric encryption key with its first material."""
    key_id = new_key_id()
    key = Key(
        region=region,
        account_id=account_id,
        key_id=key_id,
        arn=Key.arn_of(region, account_id, key_id),
        creation_date=millis(now),
        state=KeyState.ENABLED,
        policy=policy,
        description=description,
        manager=manager,
        rotation=rotation or Rotation(),
    )
    fresh = await store.new_material(repository, key)
    key = replace(key, current_material_id=fresh.material_id)
    await repository.insert_key(key)
    await repository.insert_material(
        Material(
            region=region,
            key_id=key_id,
            material_id=fresh.material_id,
            sequence=1,
            sealed=fresh.sealed,
            domain_version=fresh.domain_version,
            creation_date=key.creation_date,
        )
    )
    return key


async def create_managed(
    repository: Repository, store: KeyStore, *, region: str, account_id: str, name: str, now: float
) -> tuple[Alias, Key | None]:
    """The alias `name` (`alias/aws/...`), and its AWS managed key if it had to be made."""
    existing = await repository.alias(region, account_id, name)
    if existing is not None:
        return existing, None
    key = await create_key(
        repository,
        store,
        region=region,
        account_id=account_id,
        now=now,
        policy=managed.policy(name, region, account_id),
        description=managed.description(name),
        manager="AWS",
        # AWS managed keys rotate every year, and nobody can change that.
        rotation=Rotation(True, 365, millis(now) + 365 * 86_400),
    )
    alias = Alias(region, account_id, name, key.key_id, key.creation_date, key.creation_date)
    await repository.insert_alias(alias)
    return alias, key


async def rotate_key(
    repository: Repository, store: KeyStore, key: Key, *, now: float, rotation_type: str
) -> Key:
    """Give `key` new current material; what older material encrypted stays readable.

    `rotation_type` is `AUTOMATIC`, which also sets the next date, or `ON_DEMAND`, which leaves the schedule.
    """
    materials = await repository.list_materials(key.region, key.key_id, 0, 10_000)
    fresh = await store.new_material(repository, key)
    rotation = key.rotation
    if rotation_type == "AUTOMATIC":
        rotation = replace(rotation, next_date=millis(now) + rotation.period_days * 86_400)
    await repository.insert_material(
        Material(
            region=key.region,
            key_id=key.key_id,
            material_id=fresh.material_id,
            sequence=materials[-1].sequence + 1,
            sealed=fresh.sealed,
            domain_version=fresh.domain_version,
            creation_date=millis(now),
            rotation_date=millis(now),
            rotation_type=rotation_type,
        )
    )
    rotated = replace(key, current_material_id=fresh.material_id, rotation=rotation)
    await repository.update_key(rotated)
    return rotated
