"""The rows of the ledger: audit records of changes, chained, in the order in which the changes committed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import bindparam

from hearthkms.audit.chain import genesis, link
from hearthkms.storage.part import Part
from hearthkms.storage.tables import ledger, ledger_head

STREAM = "ledger"
"""The ledger's name among the streams of the audit trail."""

_HEAD = sa.select(ledger_head.c.seq, ledger_head.c.chain)
_LOCK_HEAD = _HEAD.with_for_update()
_MOVE_HEAD = sa.update(ledger_head)
_INSERT = sa.insert(ledger)
_ROWS = (
    sa.select(ledger.c.seq, ledger.c.event, ledger.c.chain)
    .where(ledger.c.seq > bindparam("after"))
    .order_by(ledger.c.seq)
    .limit(bindparam("most", type_=sa.Integer))
)


class LedgerRow(NamedTuple):
    """One audit record, its number (from 1) and the chain value after it."""

    seq: int
    event: bytes
    chain: bytes


class LedgerHead(NamedTuple):
    """The number of the last record (0 where there is none) and the chain value after it."""

    seq: int
    chain: bytes


class LedgerRows(Part):
    """The ledger, inside one transaction."""

    def __init__(self, connection: sa.Connection, *, writes: bool) -> None:
        super().__init__(connection, writes=writes)
        self._events: list[bytes] = []

    async def record(self, event: bytes) -> None:
        """Append an audit record (a JSON object on one line) to the ledger.

        It takes its place in the chain when the transaction is about to commit. So the head of the chain, for
        which all writers queue, is locked for the shortest time, and always last.
        """
        self._events.append(event)

    async def ledger_rows(self, after_seq: int, limit: int) -> Sequence[LedgerRow]:
        """Committed records in order, starting after number `after_seq`."""
        return [LedgerRow(*row) for row in self._rows(_ROWS, {"after": after_seq, "most": limit})]

    async def ledger_head(self) -> LedgerHead:
        """Where the committed chain ends."""
        return self._head(_HEAD)

    def _append_events(self) -> None:
        if not self._events:
            return
        seq, chain = self._head(_LOCK_HEAD)
        rows = []
        for event in self._events:
            seq += 1
            chain = link(chain, seq, event)
            rows.append({"seq": seq, "event": event, "chain": chain})
        self._affect(_INSERT, rows)
        self._affect(_MOVE_HEAD, {"seq": seq, "chain": chain})
        self._events.clear()

    def _head(self, statement: sa.Executable) -> LedgerHead:
        seq, chain = self._rows(statement)[0]
        return LedgerHead(seq, chain if seq else genesis(STREAM))
