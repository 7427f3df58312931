"""Upkeep of domain keys: which are due, sealing anew under newer ones, and re-wrapping under another root."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hearthkms.core.clock import DAY, Clock
from hearthkms.crypto.aead import AuthenticityError
from hearthkms.keystores.default.domainkey import SERVICE_DOMAIN, unwrap, wrap
from hearthkms.keystores.default.keyring import BACKING_KEY, Keyring
from hearthkms.keystores.default.root import RootOfTrust
from hearthkms.keystores.default.store import backing_key_identity
from hearthkms.kms.model.key import Material
from hearthkms.kms.ports import Repository

RETIREMENT = DAY
"""Seconds that a domain key stays after its successor came: far longer than a transaction that may still be
sealing under it."""


async def regions_due(repository: Repository, clock: Clock, period: float) -> list[str]:
    """Regions whose newest domain key is at least `period` seconds old; never the service domain."""
    newest = {row.region: row for row in await repository.list_domain_keys() if row.region != SERVICE_DOMAIN}
    latest = clock() - period
    return [region for region, row in newest.items() if row.creation_date <= latest]


async def reseal(keyring: Keyring, repository: Repository, clock: Clock, region: str, limit: int) -> int:
    """Seal up to `limit` backing keys under the newest domain key instead of older ones; returns how many.

    A call that finds none left drops the older domain keys, once their successor is `RETIREMENT` old. The
    service domain keeps all its versions: what it seals is not kept as backing keys.
    """
    newest = await repository.domain_key(region, None)
    if newest is None or region == SERVICE_DOMAIN:
        return 0
    found = await repository.materials_not_under(region, newest.version, limit)
    if not found:
        await _drop_retired(keyring, repository, clock, region)
    changed = 0
    for material in found:
        changed += await _reseal_one(keyring, repository, material)
    return changed


async def rewrap(keyring: Keyring, repository: Repository, new_root: RootOfTrust) -> int:
    """Seal every domain key under `new_root` instead of the keyring's root; returns how many.

    Each is opened again before it counts, so that nothing is lost to a root that does not work. Keys that
    `new_root` seals already are checked and left, so that a second run picks up what a service that was still
    running added. The keyring keeps its root: `unlock` it with the new one after the commit.
    """
    changed = 0
    for row in await repository.list_domain_keys():
        if row.root_id == new_root.id:
            unwrap(new_root, row)
            continue
        secret = unwrap(keyring.root, row)
        wrapped = wrap(new_root, row.region, row.version, row.creation_date, secret)
        if unwrap(new_root, wrapped) != secret:
            raise AuthenticityError(f"the new root does not give back the domain key of {row.region}")
        # A put never takes the place of what is there.
        await repository.delete_domain_key(row.region, row.version)
        await repository.put_domain_key(wrapped)
        changed += 1
    return changed


async def _reseal_one(keyring: Keyring, repository: Repository, stale: Material) -> int:
    if await repository.lock_key(stale.region, stale.key_id) is None:
        return 0
    # Read again under the lock: another transaction may have changed or removed it.
    material = await repository.material(stale.region, stale.key_id, stale.material_id)
    if material is None:
        return 0
    identity = backing_key_identity(material.key_id, material.material_id)
    secret = await keyring.open(
        repository.domain_key,
        material.region,
        BACKING_KEY,
        identity,
        material.sealed,
        material.domain_version,
    )
    sealed, version = await keyring.seal(repository, material.region, BACKING_KEY, identity, secret)
    await repository.update_material(replace(material, sealed=sealed, domain_version=version))
    return 1


async def _drop_retired(keyring: Keyring, repository: Repository, clock: Clock, region: str) -> None:
    versions = [row for row in await repository.list_domain_keys() if row.region == region]
    latest = clock() - RETIREMENT
    for row, successor in pairwise(versions):
        if successor.creation_date <= latest:
            await repository.delete_domain_key(region, row.version)
            keyring.forget(region, row.version)
