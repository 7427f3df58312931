"""The rows of last uses."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects import postgresql, sqlite

from hearthkms.kms.model.key import LastUsage
from hearthkms.storage.part import Part, Upsert
from hearthkms.storage.tables import keys, usages

_NAMES = ("operation", "timestamp", "event_id", "request_id")

_ONE = sa.select(*(usages.c[name] for name in _NAMES)).where(
    usages.c.region == bindparam("at_region"), usages.c.key_id == bindparam("at_key_id")
)


def _put() -> Upsert:
    # Selecting from the keys keeps nothing for a key that is gone by now, and holds one that is not.
    used = (
        sa.select(
            keys.c.region,
            keys.c.key_id,
            *(sa.cast(bindparam(name), usages.c[name].type).label(name) for name in _NAMES),
        )
        .where(keys.c.region == bindparam("at_region"), keys.c.key_id == bindparam("at_key_id"))
        .with_for_update(read=True, key_share=True)
    )
    statements: dict[str, sa.Executable] = {}
    for dialect in (sqlite, postgresql):
        insert = dialect.insert(usages).from_select(["region", "key_id", *_NAMES], used)
        statements[dialect.__name__.rpartition(".")[2]] = insert.on_conflict_do_update(
            index_elements=[usages.c.region, usages.c.key_id],
            set_={name: insert.excluded[name] for name in _NAMES},
            where=usages.c.timestamp < insert.excluded.timestamp,
        )
    return statements


_PUT = _put()


class UsageRows(Part):
    """When and how each key was last used, inside one transaction. No worker holds any of it in memory."""

    async def put_usage(self, region: str, key_id: str, usage: LastUsage) -> None:
        """Keep `usage` unless a later one is kept already, or the key is gone.

        A transaction that puts several goes by Region and key id, so that two of them cannot wait for each
        other.
        """
        self._affect(
            _PUT,
            {
                "at_region": region,
                "at_key_id": key_id,
                "operation": usage.operation,
                "timestamp": usage.timestamp,
                "event_id": usage.event_id,
                "request_id": usage.request_id,
            },
        )

    async def usage(self, region: str, key_id: str) -> LastUsage | None:
        """The last use of a key; None where none is known."""
        row = self._row(_ONE, {"at_region": region, "at_key_id": key_id})
        return None if row is None else LastUsage(*row)
