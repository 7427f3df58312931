"""A database that cannot answer: a clear error, nothing half-written, and nothing to repair afterwards."""

from __future__ import annotations

import resource
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.contract.conftest import open_database
from tests.contract.storage_values import ACCOUNT, REGION, a_key
from tests.support.postgres import PostgresServer, postgres_programs

from hearthkms.core.errors import StorageUnavailableError, UnconfirmedError
from hearthkms.storage.database import Database
from hearthkms.storage.revision import SharedRevision
from hearthkms.storage.transaction import Transaction

# Fills the disk, as far as this process can see: files may grow no further.
_FULL_DISK = """
import resource, sys, time
from hearthkms.core.errors import StorageUnavailableError, UnconfirmedError
from hearthkms.storage.database import Database
from hearthkms.storage.revision import SharedRevision
from tests.contract.storage_values import a_key, an_alias
url, path, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
revision = SharedRevision(path)
database = Database(url, revision, time.time)
database.write_now(lambda t: t.put_meta("fact", "before"))
before = revision.value
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
async def work(transaction):
    for number in range(50):
        key = a_key(policy="x" * 30_000)
        await transaction.insert_key(key)
        await transaction.insert_alias(an_alias(key, f"alias/{number}"))
    await transaction.record(b'{"n":1}')
try:
    database.write_now(work)
except StorageUnavailableError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
assert revision.value == before or revision.value >= 1 << 63
database.write_now(work)
database.close_now()
"""


def test_a_full_disk_keeps_nothing_of_a_transaction_and_needs_no_repair(
    tmp_path: Path, revision_path: Path
) -> None:
    path = tmp_path / "full.db"
    database = open_database(f"sqlite:///{path}", revision_path)
    database.migrate()
    limit = 400_000
    assert path.stat().st_size < limit

    done = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, f"sqlite:///{path}", str(revision_path), str(limit)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )

    assert done.stdout.startswith("The database cannot answer: ")
    assert "disk" in done.stdout
    assert database.read_now(lambda t: t.meta("fact")) == "before"
    assert database.read_now(lambda t: t.count_keys(REGION, ACCOUNT)) == 50, "only what came after"
    assert database.read_now(lambda t: t.ledger_head()).seq == 1
    database.close_now()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, revision_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/missing/x.db", revision_path)

    with pytest.raises(StorageUnavailableError, match=r"missing/x\.db cannot be opened: No such file"):
        database.migrate()


def test_a_file_that_is_no_database_is_named_and_kept(tmp_path: Path, revision_path: Path) -> None:
    path = tmp_path / "other.db"
    path.write_bytes(b"somebody else's" * 100)
    database = open_database(f"sqlite:///{path}", revision_path)

    with pytest.raises(StorageUnavailableError, match="not a database"):
        database.migrate()

    assert path.read_bytes() == b"somebody else's" * 100


def test_a_lock_that_is_held_too_long_is_an_error_in_bounded_time(
    tmp_path: Path, revision_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hearthkms.storage.engines.LOCK_WAIT", 0.2)
    monkeypatch.setattr("hearthkms.storage.database.LOCK_WAIT", 0.2)
    database = open_database(f"sqlite:///{tmp_path}/x.db", revision_path)
    database.migrate()
    holder = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    begun = time.monotonic()
    with pytest.raises(StorageUnavailableError, match="locked"):
        database.write_now(lambda t: t.insert_key(a_key()))
    assert time.monotonic() - begun < 5
    assert database.read_now(lambda t: t.count_keys(REGION, ACCOUNT)) == 0, "readers go on"

    holder.execute("ROLLBACK")
    holder.close()
    database.write_now(lambda t: t.insert_key(a_key()))
    database.close_now()


@pytest.fixture
def own_server() -> PostgresServer:
    """A PostgreSQL that the test may stop."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian package `postgresql`)")
    return PostgresServer(programs)


def test_postgres_may_stop_crash_and_come_back(own_server: PostgresServer, revision: SharedRevision) -> None:
    database = Database(own_server.create_database(), revision, time.time)
    try:
        database.migrate()
        for how in (signal.SIGINT, signal.SIGQUIT):
            key = a_key()
            database.write_now(lambda t, k=key: t.insert_key(k))
            assert database.read_now(lambda t, k=key: t.key(REGION, k.key_id)) == key

            own_server.stop(how)
            with pytest.raises(StorageUnavailableError, match="cannot answer"):
                database.write_now(lambda t: t.insert_key(a_key()))
            with pytest.raises(StorageUnavailableError, match="cannot answer"):
                database.read_now(lambda t: t.accounts())

            own_server.start()
            assert database.read_now(lambda t, k=key: t.key(REGION, k.key_id)) == key
            database.write_now(lambda t: t.insert_key(a_key()))

            # With connections open that the server no longer knows, nothing fails at all.
            own_server.stop(how)
            own_server.start()
            database.write_now(lambda t: t.insert_key(a_key()))
            assert database.read_now(lambda t, k=key: t.key(REGION, k.key_id)) == key
        assert database.read_now(lambda t: t.count_keys(REGION, ACCOUNT)) == 6
    finally:
        database.close_now()
        own_server.close()


def test_a_commit_whose_outcome_is_not_known_is_said_to_be_so(
    own_server: PostgresServer, revision: SharedRevision
) -> None:
    database = Database(own_server.create_database(), revision, time.time)
    runs = []
    try:
        database.migrate()
        announced = revision.value

        async def work(transaction: Transaction) -> None:
            runs.append(1)
            await transaction.insert_key(a_key())
            conclude = transaction.conclude

            def conclude_and_crash() -> int | None:
                number = conclude()
                own_server.stop(signal.SIGQUIT)
                return number

            transaction.conclude = conclude_and_crash  # type: ignore[method-assign]

        with pytest.raises(UnconfirmedError, match="not known whether the change was kept"):
            database.write_now(work)

        assert runs == [1], "what may have been committed is not run again"
        assert revision.value != announced, "the workers have a look"
        own_server.start()
        assert database.read_now(lambda t: t.count_keys(REGION, ACCOUNT)) == 0
    finally:
        database.close_now()
        own_server.close()
