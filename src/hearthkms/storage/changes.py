"""The rows that say what changed in which revision: how workers learn what to drop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import bindparam

from hearthkms.storage.part import Part
from hearthkms.storage.tables import changes, revision

CHANNEL = "hearthkms_revision"
"""PostgreSQL's notification channel; the payload is the new revision in decimal."""
KEPT = 100_000
"""Revisions whose changes are kept. Who is further behind drops all it holds."""
_PRUNE_EVERY = 256

_VALUE = sa.select(revision.c.value)
_RAISE = sa.update(revision).values(value=revision.c.value + 1).returning(revision.c.value)
_INSERT = sa.insert(changes)
_PRUNE = sa.delete(changes).where(changes.c.revision <= bindparam("last"))
_OLDEST = sa.select(sa.func.min(changes.c.revision))
_SINCE = (
    sa.select(changes.c.kind, changes.c.scope)
    .where(changes.c.revision > bindparam("seen"), changes.c.revision <= bindparam("now"))
    .distinct()
    .limit(bindparam("most", type_=sa.Integer))
)
_NOTIFY = sa.text(f"SELECT pg_notify('{CHANNEL}', :payload)")


class Changes(NamedTuple):
    """What happened up to `revision`: (kind, scope) of each thing changed; None where that is not known."""

    revision: int
    changed: Sequence[tuple[str, str]] | None


class ChangeRows(Part):
    """The revision and its changes, inside one transaction."""

    async def revision(self) -> int:
        """The revision of the last committed change; 0 where there has been none."""
        value: int = self._rows(_VALUE)[0][0]
        return value

    async def changes_since(self, seen: int, limit: int) -> Changes:
        """What changed after revision `seen`.

        It is not known where the rows were pruned, where there are more than `limit`, or where the database
        is behind `seen` because it was restored from a copy.
        """
        now = await self.revision()
        if now == seen:
            return Changes(now, ())
        oldest = self._rows(_OLDEST)[0][0]
        if now < seen or oldest is None or oldest > seen + 1:
            return Changes(now, None)
        rows = self._rows(_SINCE, {"seen": seen, "now": now, "most": limit + 1})
        return Changes(now, None if len(rows) > limit else [(kind, scope) for kind, scope in rows])

    def _raise_revision(self) -> int | None:
        """Give what was noted the next revision; None where nothing was.

        The row of the revision stays locked until this transaction has committed and is visible, so whoever
        reads revision n reads everything up to n. It is the last lock taken, and held for the shortest time.
        """
        if not self._noted:
            return None
        value: int = self._rows(_RAISE)[0][0]
        self._affect(
            _INSERT,
            [
                {"revision": value, "position": position, "kind": kind, "scope": scope}
                for position, (kind, scope) in enumerate(self._noted)
            ],
        )
        if value % _PRUNE_EVERY == 0:
            self._affect(_PRUNE, {"last": value - KEPT})
        if self._dialect == "postgresql":
            self._rows(_NOTIFY, {"payload": str(value)})
        return value
