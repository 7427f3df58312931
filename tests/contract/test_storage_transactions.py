"""Transactions: all or nothing, announced once committed, and never half a lie."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from tests.contract.conftest import open_database
from tests.contract.storage_values import ACCOUNT, REGION, a_domain_key, a_key, a_material, an_access_key
from tests.contract.storage_values import an_alias as an_alias_of

from hearthkms.core.eager import Suspended
from hearthkms.core.errors import AlreadyStoredError, StorageUnavailableError
from hearthkms.kms.model.key import Key
from hearthkms.storage.changes import Changes
from hearthkms.storage.database import Database
from hearthkms.storage.revision import SharedRevision
from hearthkms.storage.transaction import Transaction


def contents(database: Database) -> list[object]:
    async def everything(transaction: Transaction) -> list[object]:
        return [
            await transaction.list_keys(REGION, ACCOUNT, "", 10),
            await transaction.list_aliases(REGION, ACCOUNT, None, "", 10),
            await transaction.list_domain_keys(),
            await transaction.accounts(),
            await transaction.meta("fact"),
            await transaction.revision(),
            await transaction.ledger_head(),
            await transaction.changes_since(-1, 10),
        ]

    return database.read_now(everything)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_work_that_fails_leaves_nothing(database: Database, revision: SharedRevision, error: type) -> None:
    before, announced = contents(database), revision.value
    key = a_key()

    async def work(transaction: Transaction) -> None:
        await transaction.insert_key(key)
        await transaction.insert_material(a_material(key))
        await transaction.insert_alias(an_alias_of(key))
        await transaction.put_tags(REGION, key.key_id, {"a": "b"})
        await transaction.put_domain_key(a_domain_key())
        await transaction.insert_account(ACCOUNT, 1.0)
        await transaction.insert_access_key(an_access_key())
        await transaction.put_meta("fact", "value")
        await transaction.record(b'{"n":1}')
        raise error

    with pytest.raises(error):
        database.write_now(work)

    assert contents(database) == before
    assert revision.value == announced


def test_a_change_is_announced_and_named_after_it_committed(
    database: Database, revision: SharedRevision
) -> None:
    key = a_key()

    async def insert(transaction: Transaction) -> None:
        await transaction.insert_key(key)
        await transaction.insert_alias(an_alias_of(key))
        await transaction.update_key(key)

    database.write_now(insert)
    assert revision.value == database.read_now(lambda t: t.revision()) == 1
    changes = database.read_now(lambda t: t.changes_since(0, 10))
    assert changes.revision == 1
    assert sorted(changes.changed or ()) == [
        ("alias", f"{REGION}/{ACCOUNT}/alias/test"),
        ("key", f"{REGION}/{key.key_id}"),
    ]

    database.write_now(lambda t: t.delete_key(REGION, key.key_id))
    assert revision.value == 2
    assert sorted(database.read_now(lambda t: t.changes_since(1, 10)).changed or ()) == [
        ("alias", f"{REGION}/{ACCOUNT}/alias/test"),
        ("key", f"{REGION}/{key.key_id}"),
    ]


def test_what_no_worker_holds_disturbs_none(database: Database, revision: SharedRevision) -> None:
    database.write_now(lambda t: t.record(b'{"n":1}'))
    database.write_now(lambda t: t.delete_tags(REGION, "key", []))

    assert revision.value == database.read_now(lambda t: t.revision()) == 0


def test_changes_that_are_not_known_one_by_one(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hearthkms.storage.changes.KEPT", 4)
    monkeypatch.setattr("hearthkms.storage.changes._PRUNE_EVERY", 1)
    for number in range(10):
        database.write_now(lambda t, n=number: t.put_meta(f"fact {n}", ""))

    def since(seen: int, limit: int = 10) -> Changes:
        return database.read_now(lambda t: t.changes_since(seen, limit))

    assert since(10) == Changes(10, ())
    assert since(9) == Changes(10, [("meta", "fact 9")])
    assert len(since(6).changed or ()) == 4
    assert since(6, 3) == Changes(10, None), "more than the limit"
    assert since(5) == Changes(10, None), "pruned"
    assert since(11) == Changes(10, None), "the database is behind: it was restored"


def test_reading_changes_nothing(database: Database) -> None:
    before = contents(database)
    with pytest.raises(StorageUnavailableError, match=r"(?i)read.?only"):
        database.read_now(lambda t: t.insert_key(a_key()))
    assert contents(database) == before


def test_a_reader_sees_one_state(database: Database, url: str, revision_path: Path) -> None:
    other = open_database(url, revision_path)
    first, second = a_key(), a_key()

    async def work(transaction: Transaction) -> tuple[int, int]:
        before = await transaction.count_keys(REGION, ACCOUNT)
        other.write_now(lambda t: t.insert_key(second))
        return before, await transaction.count_keys(REGION, ACCOUNT)

    database.write_now(lambda t: t.insert_key(first))
    assert database.read_now(work) == (1, 1)
    assert database.read_now(lambda t: t.count_keys(REGION, ACCOUNT)) == 2
    other.close_now()


def test_a_database_error_that_is_swallowed_still_keeps_nothing(database: Database) -> None:
    orphan = an_alias_of(a_key())
    attempts = []

    async def work(transaction: Transaction) -> str:
        attempts.append(1)
        await transaction.insert_key(a_key())
        try:
            await transaction.insert_alias(orphan)
        except StorageUnavailableError:
            return "all is well"
        return "unreachable"

    with pytest.raises(StorageUnavailableError, match=r"(?i)foreign key"):
        database.write_now(work)

    assert database.read_now(lambda t: t.count_keys(REGION, ACCOUNT)) == 0
    assert len(attempts) == 1


def test_errors_do_not_quote_what_is_stored(database: Database) -> None:
    key = a_key(description="a secret description")
    database.write_now(lambda t: t.insert_key(key))

    with pytest.raises(StorageUnavailableError) as failed:
        database.write_now(lambda t: t.insert_alias(an_alias_of(a_key(key_id="quoted?"))))

    assert "quoted?" not in str(failed.value)


def test_work_that_waits_is_refused(database: Database) -> None:
    async def work(transaction: Transaction) -> None:
        await transaction.insert_key(a_key())
        await asyncio.sleep(0)

    with pytest.raises(Suspended):
        database.write_now(work)

    assert database.read_now(lambda t: t.count_keys(REGION, ACCOUNT)) == 0


def test_work_that_lost_a_race_runs_once_more(database: Database) -> None:
    key = a_key()
    runs = []

    async def raced(transaction: Transaction) -> str:
        runs.append(1)
        if len(runs) == 1:
            raise AlreadyStoredError("as another transaction would make it")
        return "seen what the other one did"

    assert database.write_now(raced) == "seen what the other one did"

    database.write_now(lambda t: t.insert_key(key))
    with pytest.raises(AlreadyStoredError):
        database.write_now(lambda t: t.insert_key(key))


def test_the_event_loop_goes_on_while_transactions_run(database: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    async def slow(transaction: Transaction) -> int:
        begun.set()
        assert go_on.wait(30)
        return await transaction.count_keys(REGION, ACCOUNT)

    async def main() -> None:
        writing = asyncio.create_task(database.write(slow))
        assert await asyncio.to_thread(begun.wait, 30)
        assert await database.read(lambda t: t.count_keys(REGION, ACCOUNT)) == 0
        go_on.set()
        assert await writing == 0
        await database.close()

    asyncio.run(main())


def test_cancelling_the_caller_does_not_cancel_the_transaction(
    database: Database, revision: SharedRevision
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    key = a_key()

    async def slow(transaction: Transaction) -> None:
        begun.set()
        assert go_on.wait(30)
        await transaction.insert_key(key)

    async def main() -> None:
        writing = asyncio.create_task(database.write(slow))
        assert await asyncio.to_thread(begun.wait, 30)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        go_on.set()
        await database.write(lambda t: t.meta("after the first one"))

    asyncio.run(main())
    assert database.read_now(lambda t: t.key(REGION, key.key_id)) == key
    assert revision.value == 1


def test_a_closed_database_refuses(database: Database) -> None:
    database.close_now()
    with pytest.raises(StorageUnavailableError, match="closed"):
        database.read_now(lambda t: t.accounts())


def in_a_fork(body: Callable[[], None]) -> int:
    """The exit code of a forked child that runs `body`."""
    pid = os.fork()
    if pid == 0:
        code = 1
        # Whoever waits for what only the parent has must not be waited for.
        signal.alarm(60)
        try:
            body()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_opens_its_own_and_leaves_the_parents_alone(database: Database) -> None:
    before, after = a_key(), a_key()
    database.write_now(lambda t: t.insert_key(before))

    async def use_threads() -> None:
        await database.read(lambda t: t.accounts())

    asyncio.run(use_threads())

    def child(key: Key) -> None:
        async def main() -> None:
            assert await database.read(lambda t: t.key(REGION, before.key_id)) == before
            await database.write(lambda t: t.insert_key(key))

        asyncio.run(main())
        database.close_now()

    for key in (a_key(), a_key()):
        assert in_a_fork(partial(child, key)) == 0
        assert database.read_now(lambda t, k=key: t.key(REGION, k.key_id)) == key
    database.write_now(lambda t: t.insert_key(after))
    assert database.read_now(lambda t: t.count_keys(REGION, ACCOUNT)) == 4


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_in_the_middle_of_a_transaction_does_not_end_it(database: Database) -> None:
    key, other = a_key(), a_key()

    async def work(transaction: Transaction) -> None:
        await transaction.insert_key(key)
        assert in_a_fork(lambda: None) == 0
        await transaction.insert_key(other)

    database.write_now(work)

    assert database.read_now(lambda t: t.count_keys(REGION, ACCOUNT)) == 2
