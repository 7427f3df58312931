"""A repository in memory, for tests of what stands above one; it checks nothing that a database would."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from hearthkms.kms.model.alias import Alias
from hearthkms.kms.model.key import Key, KeyState, LastUsage, Material
from hearthkms.kms.ports import DomainKey

T = TypeVar("T")


class MemoryRepository:
    """Implements hearthkms.kms.ports.Repository. Transactions are copies: see `begin` and `commit`."""

    def __init__(self) -> None:
        self.keys: dict[tuple[str, str], Key] = {}
        self.materials: dict[tuple[str, str, str], Material] = {}
        self.aliases: dict[tuple[str, str, str], Alias] = {}
        self.tags: dict[tuple[str, str], dict[str, str]] = {}
        self.usages: dict[tuple[str, str], LastUsage] = {}
        self.domain_keys: dict[tuple[str, int], DomainKey] = {}
        self.principals: set[str] = set()

    def begin(self) -> MemoryRepository:
        """A transaction: a copy to work on. Drop it to roll back."""
        return copy.deepcopy(self)

    def commit(self, transaction: MemoryRepository) -> None:
        """Make what `transaction` holds the truth."""
        self.__dict__.update(transaction.__dict__)

    @property
    def memo(self) -> dict[Any, Any]:
        return {}

    # keys

    async def key(self, region: str, key_id: str) -> Key | None:
        return self.keys.get((region, key_id))

    async def insert_key(self, key: Key) -> None:
        self.keys[key.region, key.key_id] = key

    async def update_key(self, key: Key) -> None:
        self.keys[key.region, key.key_id] = key

    async def delete_key(self, region: str, key_id: str) -> None:
        del self.keys[region, key_id]
        self.materials = {k: m for k, m in self.materials.items() if k[:2] != (region, key_id)}
        self.aliases = {
            k: a for k, a in self.aliases.items() if (a.region, a.target_key_id) != (region, key_id)
        }
        self.tags.pop((region, key_id), None)
        self.usages.pop((region, key_id), None)

    async def list_keys(self, region: str, account_id: str, after: str, limit: int) -> Sequence[Key]:
        mine = (k for k in self.keys.values() if (k.region, k.account_id) == (region, account_id))
        return _page(((k.key_id, k) for k in mine), after, limit)

    async def count_keys(self, region: str, account_id: str) -> int:
        return sum(
            (k.region, k.account_id, k.manager) == (region, account_id, "CUSTOMER")
            for k in self.keys.values()
        )

    async def lock_key(self, region: str, key_id: str) -> Key | None:
        return self.keys.get((region, key_id))

    async def keys_due(self, now: float, limit: int) -> Sequence[Key]:
        due = [k for k in self.keys.values() if _due(k, now)]
        return sorted(due, key=lambda k: (k.region, k.key_id))[:limit]

    # material

    async def material(self, region: str, key_id: str, material_id: str) -> Material | None:
        return self.materials.get((region, key_id, material_id))

    async def insert_material(self, material: Material) -> None:
        self.materials[material.region, material.key_id, material.material_id] = material

    async def update_material(self, material: Material) -> None:
        self.materials[material.region, material.key_id, material.material_id] = material

    async def list_materials(
        self, region: str, key_id: str, after_sequence: int, limit: int
    ) -> Sequence[Material]:
        mine = (m for k, m in self.materials.items() if k[:2] == (region, key_id))
        return sorted((m for m in mine if m.sequence > after_sequence), key=lambda m: m.sequence)[:limit]

    async def materials_not_under(self, region: str, domain_version: int, limit: int) -> Sequence[Material]:
        stale = (
            m for m in self.materials.values() if m.region == region and m.domain_version != domain_version
        )
        return sorted(stale, key=lambda m: (m.key_id, m.sequence))[:limit]

    # aliases

    async def alias(self, region: str, account_id: str, name: str) -> Alias | None:
        return self.aliases.get((region, account_id, name))

    async def insert_alias(self, alias: Alias) -> None:
        self.aliases[alias.region, alias.account_id, alias.name] = alias

    async def update_alias(self, alias: Alias) -> None:
        self.aliases[alias.region, alias.account_id, alias.name] = alias

    async def delete_alias(self, region: str, account_id: str, name: str) -> None:
        del self.aliases[region, account_id, name]

    async def list_aliases(
        self, region: str, account_id: str, target_key_id: str | None, after: str, limit: int
    ) -> Sequence[Alias]:
        mine = (
            a
            for a in self.aliases.values()
            if (a.region, a.account_id) == (region, account_id) and target_key_id in (None, a.target_key_id)
        )
        return _page(((a.name, a) for a in mine), after, limit)

    async def count_aliases(self, region: str, key_id: str) -> int:
        return sum((a.region, a.target_key_id) == (region, key_id) for a in self.aliases.values())

    # tags

    async def put_tags(self, region: str, key_id: str, tags: Mapping[str, str]) -> None:
        self.tags.setdefault((region, key_id), {}).update(tags)

    async def delete_tags(self, region: str, key_id: str, tag_keys: Sequence[str]) -> None:
        kept = self.tags.get((region, key_id), {})
        for tag_key in tag_keys:
            kept.pop(tag_key, None)

    async def list_tags(self, region: str, key_id: str, after: str, limit: int) -> Sequence[tuple[str, str]]:
        kept = self.tags.get((region, key_id), {})
        return _page(((name, (name, value)) for name, value in kept.items()), after, limit)

    # usage

    async def put_usage(self, region: str, key_id: str, usage: LastUsage) -> None:
        kept = self.usages.get((region, key_id))
        if kept is None or kept.timestamp < usage.timestamp:
            self.usages[region, key_id] = usage

    async def usage(self, region: str, key_id: str) -> LastUsage | None:
        return self.usages.get((region, key_id))

    # principals

    async def principal_exists(self, arn: str) -> bool:
        return arn in self.principals

    # domain keys

    async def domain_key(self, region: str, version: int | None) -> DomainKey | None:
        if version is not None:
            return self.domain_keys.get((region, version))
        versions = [row for row in self.domain_keys.values() if row.region == region]
        return max(versions, key=lambda row: row.version, default=None)

    async def list_domain_keys(self) -> Sequence[DomainKey]:
        return sorted(self.domain_keys.values(), key=lambda row: (row.region, row.version))

    async def put_domain_key(self, domain_key: DomainKey) -> None:
        # The first of two transactions stands; replacing its key would lose what it has sealed.
        self.domain_keys.setdefault((domain_key.region, domain_key.version), domain_key)

    async def delete_domain_key(self, region: str, version: int) -> None:
        del self.domain_keys[region, version]


def _page(items: Iterable[tuple[str, T]], after: str, limit: int) -> Sequence[T]:
    ordered = sorted(((name, item) for name, item in items if name > after), key=lambda pair: pair[0])
    return [item for _, item in ordered[:limit]]


def _due(key: Key, now: float) -> bool:
    if key.state is KeyState.PENDING_DELETION:
        return key.deletion_date is not None and key.deletion_date <= now
    rotation = key.rotation
    return rotation.enabled and rotation.next_date is not None and rotation.next_date <= now
