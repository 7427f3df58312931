"""The rows of access keys, their secrets sealed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from hearthkms.iam.ports import AccessKey
from hearthkms.storage.part import Part, insert_unless_there
from hearthkms.storage.tables import access_keys

_c = access_keys.c
_COLUMNS = (
    _c.access_key_id,
    _c.account_id,
    _c.principal_arn,
    _c.sealed_secret,
    _c.domain_version,
    _c.active,
    _c.creation_date,
)
_THIS = _c.access_key_id == bindparam("at_id")

_ONE = sa.select(*_COLUMNS).where(_THIS)
_INSERT = insert_unless_there(access_keys)
_UPDATE = sa.update(access_keys).where(_THIS)
_DELETE = sa.delete(access_keys).where(_THIS)
_LIST = sa.select(*_COLUMNS).where(_c.account_id == bindparam("at_account_id")).order_by(_c.access_key_id)


class AccessKeyRows(Part):
    """Access keys, inside one transaction."""

    async def access_key(self, access_key_id: str) -> AccessKey | None:
        """The access key with this id, active or not; None where there is none."""
        row = self._row(_ONE, {"at_id": access_key_id})
        return None if row is None else AccessKey(*row)

    async def insert_access_key(self, access_key: AccessKey) -> None:
        """Keep a new access key. Raises AlreadyStoredError where its id is taken."""
        self._insert(_INSERT, _columns(access_key), f"The access key {access_key.access_key_id}")
        self._note("access_key", access_key.access_key_id)

    async def update_access_key(self, access_key: AccessKey) -> None:
        """Replace the access key that has the same id. Raises NotStoredError where there is none."""
        access_key_id = access_key.access_key_id
        parameters = _columns(access_key) | {"at_id": access_key_id}
        self._change(_UPDATE, parameters, f"The access key {access_key_id}")
        self._note("access_key", access_key_id)

    async def delete_access_key(self, access_key_id: str) -> None:
        """Remove an access key. Raises NotStoredError where there is none."""
        self._change(_DELETE, {"at_id": access_key_id}, f"The access key {access_key_id}")
        self._note("access_key", access_key_id)

    async def list_access_keys(self, account_id: str) -> Sequence[AccessKey]:
        """Every access key of an account, by id."""
        return [AccessKey(*row) for row in self._rows(_LIST, {"at_account_id": account_id})]


def _columns(access_key: AccessKey) -> dict[str, Any]:
    return {column.name: getattr(access_key, column.name) for column in _COLUMNS}
