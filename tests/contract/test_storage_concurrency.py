"""Several processes on one database: locks, races, order, and processes that are killed."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from tests.contract.conftest import open_database
from tests.contract.storage_processes import start, together
from tests.contract.storage_values import ACCOUNT, REGION, a_key
from tests.support.postgres import PostgresServer

from hearthkms.audit.chain import genesis, link
from hearthkms.kms.model.key import Key
from hearthkms.storage.database import Database
from hearthkms.storage.transaction import Transaction

PROCESSES = 4
TIMES = 15


def description_of(database: Database, key_id: str) -> str | None:
    key = database.read_now(lambda t: t.key(REGION, key_id))
    return None if key is None else key.description


def whole_chain(database: Database) -> list[bytes]:
    """The events of the ledger, once its chain has been followed from genesis to head."""
    rows = database.read_now(lambda t: t.ledger_rows(0, 1_000_000))
    chain = genesis("ledger")
    for seq, row in enumerate(rows, 1):
        chain = link(chain, seq, row.event)
        assert (row.seq, row.chain) == (seq, chain)
    assert database.read_now(lambda t: t.ledger_head()) == (len(rows), chain)
    return [row.event for row in rows]


def test_a_locked_key_is_changed_by_one_at_a_time(database: Database, url: str, revision_path: Path) -> None:
    for act in ("count_up", "count_up_by_reading"):
        key = a_key(description="0")
        database.write_now(lambda t, k=key: t.insert_key(k))

        together(act, url, revision_path, [(key.key_id, TIMES)] * PROCESSES)

        assert description_of(database, key.key_id) == str(PROCESSES * TIMES)


def test_of_several_who_make_the_same_alias_one_wins(
    database: Database, url: str, revision_path: Path
) -> None:
    key = a_key()
    names = [f"alias/{number}" for number in range(TIMES)]
    database.write_now(lambda t: t.insert_key(key))

    won = together("claim", url, revision_path, [(key.key_id, names)] * PROCESSES)

    assert sorted(itertools.chain.from_iterable(won)) == sorted(names)
    assert database.read_now(lambda t: t.count_aliases(REGION, key.key_id)) == len(names)


def test_what_several_settle_at_once_is_settled_once(url: str, revision_path: Path) -> None:
    settled = together("settle", url, revision_path, [(f"by {n}",) for n in range(PROCESSES)])

    assert len(set(settled)) == 1


def test_transactions_that_lock_each_other_out_are_run_again(
    database: Database, url: str, revision_path: Path
) -> None:
    first, second = a_key(description="0"), a_key(description="0")
    for key in (first, second):
        database.write_now(lambda t, k=key: t.insert_key(k))

    ways = [(first.key_id, second.key_id, TIMES), (second.key_id, first.key_id, TIMES)]
    together("cross", url, revision_path, ways)

    for key in (first, second):
        assert description_of(database, key.key_id) == str(2 * TIMES)


def test_the_victim_of_a_deadlock_is_run_again(
    postgres_server: PostgresServer, postgres_template: str, revision_path: Path
) -> None:
    url = postgres_server.create_database(postgres_template)
    one, other = open_database(url, revision_path), open_database(url, revision_path)
    first, second = a_key(description="0"), a_key(description="0")
    for key in (first, second):
        one.write_now(lambda t, k=key: t.insert_key(k))
    both_hold_one = threading.Barrier(2)
    runs: list[str] = []

    def count_up(name: str, database: Database, keys: Sequence[Key]) -> None:
        async def work(transaction: Transaction) -> None:
            runs.append(name)
            for key in keys:
                locked = await transaction.lock_key(REGION, key.key_id)
                assert locked is not None
                description = str(int(locked.description) + 1)
                await transaction.update_key(replace(locked, description=description))
                if runs.count(name) == 1 and key is keys[0]:
                    both_hold_one.wait(30)

        database.write_now(work)

    with ThreadPoolExecutor(2) as threads:
        list(
            threads.map(
                count_up, ("one", "other"), (one, other), ((first, second), (second, first)), timeout=60
            )
        )

    assert len(runs) == 3
    for key in (first, second):
        assert description_of(one, key.key_id) == "2"
    one.close_now()
    other.close_now()


def test_the_ledger_never_forks_and_keeps_the_order_of_the_commits(
    database: Database, url: str, revision_path: Path
) -> None:
    names = [f"p{number}" for number in range(PROCESSES)]

    together("record", url, revision_path, [(name, TIMES) for name in names])

    events = whole_chain(database)
    whole = [
        f'{{"by":"{name}","number":{number},"part":{part}}}'.encode()
        for name in names
        for number in range(TIMES)
        for part in range(1 if number % 2 else 3)
    ]
    assert sorted(events) == sorted(whole)
    for name in names:
        mine = [event for event in events if f'"by":"{name}"'.encode() in event]
        assert mine == [event for event in whole if f'"by":"{name}"'.encode() in event]
    records = [json.loads(event) for event in events if event.endswith(b'"part":0}')]
    assert changed_one_by_one(database) == [f"{record['by']}/{record['number']}" for record in records]


def changed_one_by_one(database: Database) -> list[str]:
    """What changed in each revision, from the first to the last."""

    async def work(transaction: Transaction) -> list[str]:
        since = [
            {scope for _, scope in (await transaction.changes_since(seen, 1_000_000)).changed or ()}
            for seen in range(await transaction.revision() + 1)
        ]
        return [scope for now, later in itertools.pairwise(since) for scope in sorted(now - later)]

    return database.read_now(work)


def test_a_process_killed_at_any_moment_loses_nothing_it_acknowledged(
    database: Database, url: str, revision_path: Path
) -> None:
    acknowledged: list[str] = []
    for kill_after in (1, 7, 20):
        process, peer = start("create_keys", url, revision_path)
        acknowledged += [peer.recv() for _ in range(kill_after)]
        process.kill()
        process.join()
        while peer.poll():
            try:
                acknowledged.append(peer.recv())
            except EOFError:
                break
        peer.close()
        process.close()

    keys = {key.key_id for key in database.read_now(lambda t: t.list_keys(REGION, ACCOUNT, "", 10_000))}
    aliases = database.read_now(lambda t: t.list_aliases(REGION, ACCOUNT, None, "", 10_000))
    events = whole_chain(database)

    assert keys.issuperset(acknowledged)
    # One that was killed between its commit and its word was kept whole.
    assert len(keys) <= len(acknowledged) + 3
    assert {alias.target_key_id for alias in aliases} == keys
    assert sorted(events) == sorted(f'{{"created":"{key_id}"}}'.encode() for key_id in keys)
    for key_id in keys:
        assert len(database.read_now(lambda t, k=key_id: t.list_materials(REGION, k, 0, 10))) == 1


def test_a_process_killed_inside_a_transaction_leaves_no_trace_and_no_lock(
    database: Database, url: str, revision_path: Path
) -> None:
    key = a_key(description="before")
    database.write_now(lambda t: t.insert_key(key))
    process, peer = start("hold", url, revision_path, key.key_id)
    assert peer.recv() == "holding"
    assert description_of(database, key.key_id) == "before"

    process.kill()
    process.join()
    process.close()
    peer.close()

    assert database.write_now(lambda t: t.lock_key(REGION, key.key_id)) == key
    database.write_now(lambda t: t.record(b'{"n":1}'))
    assert whole_chain(database) == [b'{"n":1}']
