"""The ledger: audit records in the transactions of the changes, in one chain."""

from __future__ import annotations

import pytest
from tests.contract.storage_values import a_key

from hearthkms.audit.chain import genesis, link
from hearthkms.storage.database import Database
from hearthkms.storage.ledger import LedgerHead, LedgerRow
from hearthkms.storage.transaction import Transaction


def chained(*events: bytes) -> list[LedgerRow]:
    rows, chain = [], genesis("ledger")
    for seq, event in enumerate(events, 1):
        chain = link(chain, seq, event)
        rows.append(LedgerRow(seq, event, chain))
    return rows


def test_an_empty_ledger_stands_at_its_genesis(database: Database) -> None:
    assert database.read_now(lambda t: t.ledger_head()) == LedgerHead(0, genesis("ledger"))
    assert database.read_now(lambda t: t.ledger_rows(0, 10)) == []


def test_records_are_chained_in_the_order_of_their_transactions(database: Database) -> None:
    async def two(transaction: Transaction) -> None:
        await transaction.record(b'{"n":1}')
        await transaction.record(b'{"n":2}')

    database.write_now(two)
    database.write_now(lambda t: t.record(b'{"n":3}'))

    rows = chained(b'{"n":1}', b'{"n":2}', b'{"n":3}')
    assert database.read_now(lambda t: t.ledger_rows(0, 10)) == rows
    assert database.read_now(lambda t: t.ledger_rows(1, 1)) == rows[1:2]
    assert database.read_now(lambda t: t.ledger_head()) == LedgerHead(3, rows[2].chain)


def test_a_record_is_kept_with_its_change_or_not_at_all(database: Database) -> None:
    key = a_key()

    async def refused(transaction: Transaction) -> None:
        await transaction.insert_key(key)
        await transaction.record(b'{"n":1}')
        raise PermissionError

    with pytest.raises(PermissionError):
        database.write_now(refused)
    assert database.read_now(lambda t: t.ledger_head()) == LedgerHead(0, genesis("ledger"))

    database.write_now(lambda t: t.record(b'{"n":2}'))
    assert database.read_now(lambda t: t.ledger_rows(0, 10)) == chained(b'{"n":2}')
