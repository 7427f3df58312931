"""The rows of accounts, and of what the deployment knows about itself."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import bindparam

from hearthkms.core.ids import Arn, root_arn
from hearthkms.storage.part import Part, insert_or_replace, insert_unless_there
from hearthkms.storage.tables import accounts, meta

_LIST = sa.select(accounts.c.account_id).order_by(accounts.c.account_id)
_ONE = sa.select(accounts.c.account_id).where(accounts.c.account_id == bindparam("at_account_id"))
_INSERT = insert_unless_there(accounts)
_META = sa.select(meta.c.value).where(meta.c.name == bindparam("at_name"))
_PUT_META = insert_or_replace(meta)
_DELETE_META = sa.delete(meta).where(meta.c.name == bindparam("at_name"))
# Any number will do that nothing else in the database locks.
_LOCK_META = sa.text("SELECT pg_advisory_xact_lock(1212501067, 1)")


class AccountRows(Part):
    """Accounts and the deployment's own facts (`meta`), inside one transaction."""

    async def accounts(self) -> Sequence[str]:
        """The ids of all accounts, in order."""
        return [row.account_id for row in self._rows(_LIST)]

    async def insert_account(self, account_id: str, creation_date: float) -> None:
        """Keep a new account, made at `creation_date`. Raises AlreadyStoredError where it is known."""
        values = {"account_id": account_id, "creation_date": creation_date}
        self._insert(_INSERT, values, f"The account {account_id}")
        self._note("account", account_id)

    async def principal_exists(self, arn: str) -> bool:
        """Whether the account root that a policy names exists. No users or roles are kept, so none does."""
        parsed = Arn.parse(arn)
        if parsed is None or arn != root_arn(parsed.account_id):
            return False
        return self._row(_ONE, {"at_account_id": parsed.account_id}) is not None

    async def meta(self, name: str) -> str | None:
        """The value kept under `name`; None where there is none.

        A transaction that writes is perhaps about to settle the value, so on PostgreSQL others that ask wait
        until it has ended: two must not settle it differently.
        """
        if self._writes and self._dialect == "postgresql":
            self._rows(_LOCK_META)
        row = self._row(_META, {"at_name": name})
        return None if row is None else str(row.value)

    async def put_meta(self, name: str, value: str) -> None:
        """Keep `value` under `name`, in place of what was there."""
        self._affect(_PUT_META, {"name": name, "value": value})
        self._note("meta", name)

    async def delete_meta(self, name: str) -> None:
        """Keep nothing under `name` any more."""
        self._affect(_DELETE_META, {"at_name": name})
        self._note("meta", name)
