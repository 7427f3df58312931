"""Changes by other machines: told by PostgreSQL, and never missed for more than a second when it cannot."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop
from tests.contract.conftest import migrate
from tests.contract.storage_values import REGION, a_key
from tests.support.postgres import PostgresServer, postgres_programs

from hearthkms.core.errors import StorageUnavailableError
from hearthkms.storage.database import Database
from hearthkms.storage.feed import BEAT
from hearthkms.storage.revision import SharedRevision
from hearthkms.storage.snapshot import LEASE, Snapshot

PATIENCE = 20.0


class Machine:
    """A machine of its own: its own shared revision, and so no way to hear of others but PostgreSQL."""

    def __init__(self, url: str, folder: Path, now: Callable[[], float] = time.monotonic) -> None:
        folder.mkdir()
        self._revision = SharedRevision(folder / "revision")
        self.database = Database(url, self._revision, time.time)
        self.snapshot = Snapshot(self.database, self._revision, now=now)

    def close(self) -> None:
        self.database.close_now()
        self._revision.close()


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL that the test may stop."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian package `postgresql`)")
    started = PostgresServer(programs)
    yield started
    started.close()


@pytest.fixture
def url(postgres_server: PostgresServer, postgres_template: str) -> str:
    """A migrated PostgreSQL database."""
    return postgres_server.create_database(postgres_template)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens by itself, and must."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


async def described(machine: Machine, key_id: str) -> str:
    if not machine.snapshot.fresh():
        await machine.snapshot.refresh()
    key = await machine.snapshot.key(REGION, key_id)
    assert key is not None
    return key.description


Runner = Callable[[Awaitable[None]], None]


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_change_elsewhere_is_heard_without_being_asked_for(
    url: str, tmp_path: Path, runner: Runner
) -> None:
    here, there = Machine(url, tmp_path / "here"), Machine(url, tmp_path / "there")
    key = a_key(description="old")

    async def main() -> None:
        feed = here.database.feed(here.snapshot.heard)
        assert feed is not None
        feed.start()
        await there.database.write(lambda t: t.insert_key(key))
        assert await described(here, key.key_id) == "old"

        await there.database.write(lambda t: t.update_key(replace(key, description="new")))
        await until(lambda: not here.snapshot.fresh())
        assert await described(here, key.key_id) == "new"
        await feed.stop()

    runner(main())
    here.close()
    there.close()


def test_a_change_is_told_by_message_and_not_only_by_the_next_look(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hearthkms.storage.feed.BEAT", 10 * PATIENCE)
    machine = Machine(url, tmp_path / "here")
    told: list[tuple[int, float]] = []

    async def main() -> None:
        feed = machine.database.feed(lambda revision, at: told.append((revision, at)))
        assert feed is not None
        feed.start()
        await until(lambda: len(told) == 1)
        for revision in (1, 2):
            await machine.database.write(lambda t: t.put_meta("fact", ""))
            await until(lambda r=revision: told[r:] == [(r, 0.0)])
        await feed.stop()

    asyncio.run(main())
    machine.close()


def test_while_the_feed_is_heard_nothing_is_read(url: str, tmp_path: Path) -> None:
    machine = Machine(url, tmp_path / "here")

    async def main() -> None:
        feed = machine.database.feed(machine.snapshot.heard)
        assert feed is not None
        feed.start()
        await machine.snapshot.refresh()
        begun = time.monotonic()
        while time.monotonic() - begun < LEASE + 2 * BEAT:
            assert machine.snapshot.fresh()
            await asyncio.sleep(0.01)
        await feed.stop()

    asyncio.run(main())
    machine.close()


def test_without_the_feed_a_look_holds_for_one_second(url: str, tmp_path: Path) -> None:
    clock = [100.0]
    here = Machine(url, tmp_path / "here", now=lambda: clock[0])
    there = Machine(url, tmp_path / "there")
    key = a_key(description="old")

    async def main() -> None:
        await there.database.write(lambda t: t.insert_key(key))
        assert await described(here, key.key_id) == "old"
        await there.database.write(lambda t: t.update_key(replace(key, description="new")))

        clock[0] += LEASE * 0.99
        assert here.snapshot.fresh()
        clock[0] += LEASE * 0.02
        assert not here.snapshot.fresh()
        assert await described(here, key.key_id) == "new"
        assert here.snapshot.fresh()

    asyncio.run(main())
    here.close()
    there.close()


def test_a_word_of_the_feed_extends_only_what_is_current(url: str, tmp_path: Path) -> None:
    clock = [100.0]
    machine = Machine(url, tmp_path / "here", now=lambda: clock[0])

    async def main() -> None:
        snapshot = machine.snapshot
        await machine.database.write(lambda t: t.put_meta("fact", ""))
        await snapshot.refresh()
        seen = await machine.database.read(lambda t: t.revision())

        clock[0] = 100.9
        snapshot.heard(seen, 100.8)
        clock[0] = 101.7
        assert snapshot.fresh(), "the look at 100.8 holds until 101.8"
        snapshot.heard(seen, 0.0)
        clock[0] = 101.9
        assert not snapshot.fresh(), "a message at no time in particular vouches for nothing"

        await snapshot.refresh()
        assert snapshot.fresh()
        snapshot.heard(seen + 1, 101.9)
        assert not snapshot.fresh(), "there is a change that was not read"
        await snapshot.refresh()
        assert snapshot.fresh(), "the database says that there is none, and it knows"

    asyncio.run(main())
    machine.close()


def test_the_feed_survives_the_server(server: PostgresServer, tmp_path: Path) -> None:
    url = server.create_database()
    migrate(url, tmp_path)
    here, there = Machine(url, tmp_path / "here"), Machine(url, tmp_path / "there")
    key = a_key(description="0")

    async def main() -> None:
        feed = here.database.feed(here.snapshot.heard)
        assert feed is not None
        feed.start()
        await there.database.write(lambda t: t.insert_key(key))
        for number, how in enumerate((signal.SIGINT, signal.SIGQUIT), 1):
            assert await described(here, key.key_id) == str(number - 1)
            server.stop(how)
            await until(lambda: not here.snapshot.fresh())
            with pytest.raises(StorageUnavailableError):
                await here.snapshot.refresh()

            server.start()
            changed = replace(key, description=str(number))
            await there.database.write(lambda t, k=changed: t.update_key(k))
            acknowledged = time.monotonic()
            while time.monotonic() - acknowledged < LEASE:
                if await described(here, key.key_id) == str(number):
                    break
                await asyncio.sleep(0.005)
            assert await described(here, key.key_id) == str(number)
            # It is the feed that keeps the snapshot fresh from now on.
            begun = time.monotonic()
            await until(lambda b=begun: here.snapshot.fresh() and time.monotonic() - b > 2 * LEASE)
        await feed.stop()

    asyncio.run(main())
    here.close()
    there.close()


def test_a_feed_that_cannot_connect_stops_when_told(tmp_path: Path) -> None:
    shared = SharedRevision(tmp_path / "revision")
    database = Database(f"postgresql://nobody@/none?host={tmp_path}", shared, time.time)

    async def main() -> None:
        feed = database.feed(lambda *_: None)
        assert feed is not None
        feed.start()
        await asyncio.sleep(0.05)
        await feed.stop()
        await feed.stop()

    asyncio.run(main())
    database.close_now()
    shared.close()


def test_sqlite_needs_no_feed(tmp_path: Path) -> None:
    shared = SharedRevision(tmp_path / "revision")
    database = Database(f"sqlite:///{tmp_path}/x.db", shared, time.time)

    assert not database.several_machines
    assert database.feed(lambda *_: None) is None

    shared.close()
