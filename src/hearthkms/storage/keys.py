"""The rows of keys."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from hearthkms.kms.model.key import Key, KeyState, Rotation
from hearthkms.storage.part import Part, Row, insert_unless_there
from hearthkms.storage.tables import aliases, keys, materials, tags, usages

_NO_ROTATION = Rotation()

_c = keys.c
_THIS = (_c.region == bindparam("at_region"), _c.key_id == bindparam("at_key_id"))
_OF_ACCOUNT = (_c.region == bindparam("at_region"), _c.account_id == bindparam("at_account_id"))

_ONE = sa.select(keys).where(*_THIS)
_LOCK = _ONE.with_for_update()
_INSERT = insert_unless_there(keys)
_UPDATE = sa.update(keys).where(*_THIS)
_DELETE = sa.delete(keys).where(*_THIS)
_LIST = (
    sa.select(keys)
    .where(*_OF_ACCOUNT, _c.key_id > bindparam("after"))
    .order_by(_c.key_id)
    .limit(bindparam("most", type_=sa.Integer))
)
_COUNT = sa.select(sa.func.count()).select_from(keys).where(*_OF_ACCOUNT, _c.manager == "CUSTOMER")
_DUE = (
    sa.select(keys)
    .where(_c.due_date <= bindparam("now"))
    .order_by(_c.due_date, _c.region, _c.key_id)
    .limit(bindparam("most", type_=sa.Integer))
)
_ALIASES = sa.select(aliases.c.account_id, aliases.c.name).where(
    aliases.c.region == bindparam("at_region"), aliases.c.target_key_id == bindparam("at_key_id")
)
_DELETE_ALIASES = sa.delete(aliases).where(
    aliases.c.region == bindparam("at_region"), aliases.c.target_key_id == bindparam("at_key_id")
)
_DELETE_BELONGINGS = tuple(
    sa.delete(table).where(table.c.region == bindparam("at_region"), table.c.key_id == bindparam("at_key_id"))
    for table in (materials, tags, usages)
)


class KeyRows(Part):
    """Keys, inside one transaction."""

    async def key(self, region: str, key_id: str) -> Key | None:
        """The key with this id in this Region, of any account; None where there is none.

        A transaction that writes locks it too: what was decided by this key's state and policy must still
        hold when the change commits.
        """
        return _key_or_none(self._row(_LOCK if self._writes else _ONE, _at(region, key_id)))

    async def lock_key(self, region: str, key_id: str) -> Key | None:
        """The key as last committed, locked against other transactions until this one ends.

        SQLite has one writing transaction at a time, so there the lock is held already.
        """
        return _key_or_none(self._row(_LOCK, _at(region, key_id)))

    async def insert_key(self, key: Key) -> None:
        """Keep a new key. Raises AlreadyStoredError where its id is taken in its Region."""
        self._insert(_INSERT, _columns(key), f"The key {key.key_id}")
        self._note("key", key.region, key.key_id)

    async def update_key(self, key: Key) -> None:
        """Replace the key that has the same Region and id. Raises NotStoredError where there is none."""
        parameters = _columns(key) | _at(key.region, key.key_id)
        self._change(_UPDATE, parameters, f"The key {key.key_id}")
        self._note("key", key.region, key.key_id)

    async def delete_key(self, region: str, key_id: str) -> None:
        """Remove the key and everything that hangs on it; raises NotStoredError where there is none."""
        here = _at(region, key_id)
        for account_id, name in self._rows(_ALIASES, here):
            self._note("alias", region, account_id, name)
        self._affect(_DELETE_ALIASES, here)
        for statement in _DELETE_BELONGINGS:
            self._affect(statement, here)
        self._change(_DELETE, here, f"The key {key_id}")
        self._note("key", region, key_id)

    async def list_keys(self, region: str, account_id: str, after: str, limit: int) -> Sequence[Key]:
        """Keys by id, in any state."""
        where = {"at_region": region, "at_account_id": account_id, "after": after, "most": limit}
        return [_key(row) for row in self._rows(_LIST, where)]

    async def count_keys(self, region: str, account_id: str) -> int:
        """Customer managed keys of this account and Region, in any state."""
        count: int = self._rows(_COUNT, {"at_region": region, "at_account_id": account_id})[0][0]
        return count

    async def keys_due(self, now: float, limit: int) -> Sequence[Key]:
        """Keys of any account and Region whose deletion or rotation date has come, the longest due first.

        A key that waits for its deletion, or is disabled, does not rotate.
        """
        return [_key(row) for row in self._rows(_DUE, {"now": now, "most": limit})]


def _at(region: str, key_id: str) -> dict[str, Any]:
    return {"at_region": region, "at_key_id": key_id}


def _due(key: Key) -> float | None:
    if key.state is KeyState.PENDING_DELETION:
        return key.deletion_date
    if key.state is KeyState.ENABLED and key.rotation.enabled:
        return key.rotation.next_date or 0.0
    return None


def _columns(key: Key) -> dict[str, Any]:
    return {
        "region": key.region,
        "key_id": key.key_id,
        "account_id": key.account_id,
        "creation_date": key.creation_date,
        "state": str(key.state),
        "policy": key.policy,
        "description": key.description,
        "spec": key.spec,
        "usage": key.usage,
        "origin": key.origin,
        "manager": key.manager,
        "multi_region": key.multi_region,
        "current_material_id": key.current_material_id,
        "deletion_date": key.deletion_date,
        "pending_window_days": key.pending_window_days,
        "rotation_enabled": key.rotation.enabled,
        "rotation_period_days": key.rotation.period_days,
        "rotation_next_date": key.rotation.next_date,
        "due_date": _due(key),
    }


def _key_or_none(row: Row | None) -> Key | None:
    return None if row is None else _key(row)


def _key(row: Row) -> Key:
    # A worker holds thousands of keys that share these texts, policies above all.
    intern = sys.intern
    region, account_id, key_id = intern(row.region), intern(row.account_id), row.key_id
    rotation = Rotation(row.rotation_enabled, row.rotation_period_days, row.rotation_next_date)
    return Key(
        region=region,
        account_id=account_id,
        key_id=key_id,
        arn=Key.arn_of(region, account_id, key_id),
        creation_date=row.creation_date,
        state=KeyState(row.state),
        policy=intern(row.policy),
        description=intern(row.description),
        spec=intern(row.spec),
        usage=intern(row.usage),
        origin=intern(row.origin),
        manager=intern(row.manager),
        multi_region=row.multi_region,
        current_material_id=row.current_material_id,
        deletion_date=row.deletion_date,
        pending_window_days=row.pending_window_days,
        rotation=_NO_ROTATION if rotation == _NO_ROTATION else rotation,
    )
