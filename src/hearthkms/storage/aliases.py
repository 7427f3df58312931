"""The rows of aliases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from hearthkms.kms.model.alias import Alias
from hearthkms.storage.part import Part, insert_unless_there
from hearthkms.storage.tables import aliases

_c = aliases.c
_OF_ACCOUNT = (_c.region == bindparam("at_region"), _c.account_id == bindparam("at_account_id"))
_THIS = (*_OF_ACCOUNT, _c.name == bindparam("at_name"))
_TARGET = _c.target_key_id == bindparam("at_key_id")

_COLUMNS = (_c.region, _c.account_id, _c.name, _c.target_key_id, _c.creation_date, _c.last_updated_date)
_ONE = sa.select(*_COLUMNS).where(*_THIS)
_INSERT = insert_unless_there(aliases)
_UPDATE = sa.update(aliases).where(*_THIS)
_DELETE = sa.delete(aliases).where(*_THIS)
_LIST = (
    sa.select(*_COLUMNS)
    .where(*_OF_ACCOUNT, _c.name > bindparam("after"))
    .order_by(_c.name)
    .limit(bindparam("most", type_=sa.Integer))
)
_LIST_OF_KEY = _LIST.where(_TARGET)
_COUNT = sa.select(sa.func.count()).select_from(aliases).where(_c.region == bindparam("at_region"), _TARGET)


class AliasRows(Part):
    """Aliases, inside one transaction."""

    async def alias(self, region: str, account_id: str, name: str) -> Alias | None:
        """The alias `name` (`alias/...`) of this account and Region; None where there is none."""
        row = self._row(_ONE, _at(region, account_id, name))
        return None if row is None else Alias(*row)

    async def insert_alias(self, alias: Alias) -> None:
        """Keep a new alias. Raises AlreadyStoredError where its name is taken.

        Where another transaction is just making the same alias, this waits for what becomes of it.
        """
        self._insert(_INSERT, _columns(alias), f"The alias {alias.arn}")
        self._note_alias(alias.region, alias.account_id, alias.name)

    async def update_alias(self, alias: Alias) -> None:
        """Replace the alias of the same name. Raises NotStoredError where there is none."""
        parameters = _columns(alias) | _at(alias.region, alias.account_id, alias.name)
        self._change(_UPDATE, parameters, f"The alias {alias.arn}")
        self._note_alias(alias.region, alias.account_id, alias.name)

    async def delete_alias(self, region: str, account_id: str, name: str) -> None:
        """Remove an alias. Raises NotStoredError where there is none."""
        self._change(_DELETE, _at(region, account_id, name), f"The alias {name}")
        self._note_alias(region, account_id, name)

    async def list_aliases(
        self, region: str, account_id: str, target_key_id: str | None, after: str, limit: int
    ) -> Sequence[Alias]:
        """Aliases by name; only those of one key where `target_key_id` is given."""
        where = {"at_region": region, "at_account_id": account_id, "after": after, "most": limit}
        if target_key_id is None:
            rows = self._rows(_LIST, where)
        else:
            rows = self._rows(_LIST_OF_KEY, where | {"at_key_id": target_key_id})
        return [Alias(*row) for row in rows]

    async def count_aliases(self, region: str, key_id: str) -> int:
        """Aliases of one key."""
        count: int = self._rows(_COUNT, {"at_region": region, "at_key_id": key_id})[0][0]
        return count

    def _note_alias(self, region: str, account_id: str, name: str) -> None:
        self._note("alias", region, account_id, name)


def _at(region: str, account_id: str, name: str) -> dict[str, Any]:
    return {"at_region": region, "at_account_id": account_id, "at_name": name}


def _columns(alias: Alias) -> dict[str, Any]:
    return {
        "region": alias.region,
        "account_id": alias.account_id,
        "name": alias.name,
        "target_key_id": alias.target_key_id,
        "creation_date": alias.creation_date,
        "last_updated_date": alias.last_updated_date,
    }
