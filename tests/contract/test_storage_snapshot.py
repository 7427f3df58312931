"""The worker's snapshot: held in memory, never stale, never waiting for what it holds."""

from __future__ import annotations

import asyncio
import gc
import itertools
import tracemalloc
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.contract.storage_processes import start
from tests.contract.storage_steps import had_at_once
from tests.contract.storage_values import (
    ACCOUNT,
    REGION,
    a_domain_key,
    a_key,
    a_material,
    an_access_key,
    an_alias,
)

from hearthkms.core.eager import Suspended, finish, step
from hearthkms.core.errors import StorageUnavailableError
from hearthkms.kms.model.key import Key
from hearthkms.storage import cache
from hearthkms.storage.database import Database, Work
from hearthkms.storage.revision import SharedRevision
from hearthkms.storage.snapshot import Snapshot
from hearthkms.storage.transaction import Transaction

T = TypeVar("T")
Pause = Callable[[], Coroutine[Any, Any, None]]


class Reader:
    """The database, as a snapshot reads it: counts, and stops between the answer and its arrival."""

    def __init__(self, database: Database, *, several_machines: bool = False) -> None:
        self._database = database
        self.several_machines = several_machines
        self.reads = 0
        self.pause: Pause | None = None

    async def read(self, work: Work[T]) -> T:
        self.reads += 1
        answer = await self._database.read(work)
        pause, self.pause = self.pause, None
        if pause is not None:
            await pause()
        return answer


@pytest.fixture
def reader(database: Database) -> Reader:
    return Reader(database)


@pytest.fixture
def snapshot(reader: Reader, revision: SharedRevision) -> Snapshot:
    return Snapshot(reader, revision)


def insert(database: Database, key: Key) -> Key:
    """Store `key` with material; what is stored."""
    material = a_material(key)
    stored = replace(key, current_material_id=material.material_id)

    async def work(transaction: Transaction) -> None:
        await transaction.insert_key(stored)
        await transaction.insert_material(material)

    database.write_now(work)
    return stored


def test_nothing_is_fresh_before_the_first_look(snapshot: Snapshot) -> None:
    assert not snapshot.fresh()
    asyncio.run(snapshot.refresh())
    assert snapshot.fresh()


def test_what_is_held_is_given_without_waiting(
    database: Database, reader: Reader, snapshot: Snapshot
) -> None:
    key = insert(database, a_key())
    alias, access_key, domain_key = an_alias(key), an_access_key(), a_domain_key()
    assert key.current_material_id is not None

    async def fill(transaction: Transaction) -> None:
        await transaction.insert_alias(alias)
        await transaction.insert_account(ACCOUNT, 1.0)
        await transaction.insert_access_key(access_key)
        await transaction.put_domain_key(domain_key)

    database.write_now(fill)
    material = database.read_now(lambda t: t.material(REGION, key.key_id, str(key.current_material_id)))
    asks: list[tuple[Callable[[], Coroutine[Any, Any, Any]], object]] = [
        (lambda: snapshot.key(REGION, key.key_id), key),
        (lambda: snapshot.material(REGION, key.key_id, str(key.current_material_id)), material),
        (lambda: snapshot.material(REGION, key.key_id, "00" * 32), None),
        (lambda: snapshot.alias(REGION, ACCOUNT, alias.name), alias),
        (lambda: snapshot.access_key(access_key.access_key_id), access_key),
        (lambda: snapshot.domain_key(REGION, 1), domain_key),
        (lambda: snapshot.key(REGION, "nobody"), None),
        (lambda: snapshot.alias(REGION, ACCOUNT, "alias/nobody"), None),
        (lambda: snapshot.access_key("AKIANOBODY"), None),
        (lambda: snapshot.domain_key(REGION, 9), None),
    ]

    async def ask_all() -> None:
        await snapshot.refresh()
        for ask, wanted in asks:
            assert await ask() == wanted

    asyncio.run(ask_all())
    loaded = reader.reads
    for ask, wanted in asks:
        assert finish(ask()) == wanted
    assert reader.reads == loaded


def test_the_current_material_comes_with_its_key(database: Database, snapshot: Snapshot) -> None:
    key = insert(database, a_key())

    asyncio.run(snapshot.key(REGION, key.key_id))

    material = finish(snapshot.material(REGION, key.key_id, str(key.current_material_id)))
    assert material is not None
    assert material.sequence == 1


def test_the_newest_domain_key_is_always_asked_for(database: Database, snapshot: Snapshot) -> None:
    async def main() -> None:
        for version in (1, 2):
            domain_key = a_domain_key(version)
            await database.write(lambda t, d=domain_key: t.put_domain_key(d))
            assert await snapshot.domain_key(REGION, None) == domain_key

    asyncio.run(main())


def test_a_change_drops_what_it_names_and_nothing_else(database: Database, snapshot: Snapshot) -> None:
    changed, kept = insert(database, a_key()), insert(database, a_key())
    material = database.read_now(
        lambda t: t.material(REGION, changed.key_id, str(changed.current_material_id))
    )
    assert material is not None
    alias, access_key = an_alias(changed), an_access_key()

    async def fill(transaction: Transaction) -> None:
        await transaction.insert_alias(alias)
        await transaction.insert_account(ACCOUNT, 1.0)
        await transaction.insert_access_key(access_key)
        await transaction.put_domain_key(a_domain_key())

    async def load() -> None:
        await snapshot.refresh()
        for key in (changed, kept):
            await snapshot.key(REGION, key.key_id)
        await snapshot.alias(REGION, ACCOUNT, alias.name)
        await snapshot.alias(REGION, ACCOUNT, "alias/new")
        await snapshot.access_key(access_key.access_key_id)
        await snapshot.domain_key(REGION, 1)

    def held() -> set[str]:
        """What can be had without waiting."""
        asks = {
            "changed": snapshot.key(REGION, changed.key_id),
            "kept": snapshot.key(REGION, kept.key_id),
            "material": snapshot.material(REGION, changed.key_id, str(changed.current_material_id)),
            "alias": snapshot.alias(REGION, ACCOUNT, alias.name),
            "no alias": snapshot.alias(REGION, ACCOUNT, "alias/new"),
            "access key": snapshot.access_key(access_key.access_key_id),
            "domain key": snapshot.domain_key(REGION, 1),
        }
        return asyncio.run(had_at_once(asks))

    everything = {"changed", "kept", "material", "alias", "no alias", "access key", "domain key"}
    again = replace(changed, description="again")
    steps: list[tuple[Work[None], set[str]]] = [
        (lambda t: t.update_key(again), {"changed", "material"}),
        (lambda t: t.update_material(replace(material, sealed=b"anew")), {"changed", "material"}),
        (lambda t: t.update_alias(alias), {"alias"}),
        (lambda t: t.insert_alias(an_alias(changed, "alias/new")), {"no alias"}),
        (lambda t: t.update_access_key(access_key), {"access key"}),
        (lambda t: t.delete_domain_key(REGION, 1), {"domain key"}),
        (lambda t: t.put_tags(REGION, kept.key_id, {"a": "b"}), set()),
        (lambda t: t.delete_key(REGION, changed.key_id), {"changed", "material", "alias", "no alias"}),
    ]
    database.write_now(fill)
    for work, dropped in steps:
        asyncio.run(load())
        assert snapshot.fresh()
        assert held() == everything
        database.write_now(work)
        assert not snapshot.fresh()
        asyncio.run(snapshot.refresh())
        assert held() == everything - dropped


def test_a_change_by_another_process_is_seen_at_the_next_check(
    database: Database, url: str, revision_path: Path, revision: SharedRevision
) -> None:
    snapshot = Snapshot(Reader(database), revision)
    key = insert(database, a_key())
    process, peer = start("change", url, revision_path, key.key_id)

    async def described() -> str:
        if not snapshot.fresh():
            await snapshot.refresh()
        found = await snapshot.key(REGION, key.key_id)
        assert found is not None
        return found.description

    assert asyncio.run(described()) == ""
    for number in range(20):
        peer.send(f"number {number}")
        assert peer.recv() == "changed"
        assert not snapshot.fresh()
        assert asyncio.run(described()) == f"number {number}"
        assert snapshot.fresh()
    peer.send(None)
    process.join()
    process.close()
    peer.close()


def test_a_load_that_began_before_a_change_does_not_keep_what_it_read(
    database: Database, reader: Reader, snapshot: Snapshot
) -> None:
    key = insert(database, a_key(description="old"))

    async def change_meanwhile() -> None:
        """The old row has been read, but has not arrived yet."""
        await database.write(lambda t: t.update_key(replace(key, description="new")))
        await snapshot.refresh()
        assert snapshot.fresh()

    async def main() -> None:
        await snapshot.refresh()
        reader.pause = change_meanwhile
        await snapshot.key(REGION, key.key_id)
        found = await snapshot.key(REGION, key.key_id)
        assert found is not None
        assert found.description == "new"

    asyncio.run(main())


def test_a_load_answers_even_if_changes_never_stop(
    database: Database, reader: Reader, snapshot: Snapshot
) -> None:
    key = insert(database, a_key())
    changes = itertools.count()

    async def change_again() -> None:
        await database.write(lambda t: t.put_meta("fact", str(next(changes))))
        await snapshot.refresh()
        reader.pause = change_again

    async def main() -> None:
        await snapshot.refresh()
        reader.pause = change_again
        assert await snapshot.key(REGION, key.key_id) == key
        reader.pause = None
        finished, rest = step(snapshot.key(REGION, key.key_id))
        assert not finished, "it was not kept, for nobody knows whether it still holds"
        assert await asyncio.create_task(rest) == key

    asyncio.run(main())


def test_requests_for_the_same_thing_share_a_load(
    database: Database, reader: Reader, snapshot: Snapshot
) -> None:
    key = insert(database, a_key())

    async def main() -> None:
        await snapshot.refresh()
        before = reader.reads
        found = await asyncio.gather(*(snapshot.key(REGION, key.key_id) for _ in range(50)))
        assert found == [key] * 50
        assert reader.reads == before + 1

    asyncio.run(main())


def test_a_request_does_not_join_a_load_from_before_a_change(
    database: Database, reader: Reader, snapshot: Snapshot
) -> None:
    key = insert(database, a_key(description="old"))
    seen: list[str] = []

    async def change_and_ask_again() -> None:
        await database.write(lambda t: t.update_key(replace(key, description="new")))
        await snapshot.refresh()
        late = await snapshot.key(REGION, key.key_id)
        assert late is not None
        seen.append(late.description)

    async def main() -> None:
        await snapshot.refresh()
        reader.pause = change_and_ask_again
        await snapshot.key(REGION, key.key_id)

    asyncio.run(main())
    assert seen == ["new"]


def test_a_cancelled_request_does_not_cancel_the_others_load(
    database: Database, reader: Reader, snapshot: Snapshot
) -> None:
    key = insert(database, a_key())

    async def main() -> None:
        await snapshot.refresh()
        arrive = asyncio.Event()
        reader.pause = lambda: _wait(arrive)
        first = asyncio.create_task(snapshot.key(REGION, key.key_id))
        second = asyncio.create_task(snapshot.key(REGION, key.key_id))
        await asyncio.sleep(0)
        first.cancel()
        arrive.set()
        assert await second == key
        with pytest.raises(asyncio.CancelledError):
            await first

    asyncio.run(main())


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


def test_a_refresh_that_began_earlier_does_not_do_for_a_later_request(
    database: Database, reader: Reader, snapshot: Snapshot
) -> None:
    async def main() -> None:
        await snapshot.refresh()
        arrive, waiting = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            waiting.set()
            await arrive.wait()

        await database.write(lambda t: t.put_meta("fact", "1"))
        reader.pause = hold
        early = asyncio.create_task(snapshot.refresh())
        await waiting.wait()
        # What the early one reads is read already; this change is later.
        await database.write(lambda t: t.put_meta("fact", "2"))
        late = [asyncio.create_task(snapshot.refresh()) for _ in range(10)]
        await asyncio.sleep(0)
        before = reader.reads
        arrive.set()
        await asyncio.gather(early, *late)
        assert reader.reads == before + 1, "one more look is enough for all who came late"
        assert snapshot.fresh()

    asyncio.run(main())


def test_what_changes_during_a_look_is_not_taken_as_seen(
    database: Database, reader: Reader, snapshot: Snapshot
) -> None:
    key = insert(database, a_key(description="old"))

    async def change_meanwhile() -> None:
        """The changes have been read, and this is not among them."""
        await database.write(lambda t: t.update_key(replace(key, description="new")))

    async def main() -> None:
        await snapshot.refresh()
        await snapshot.key(REGION, key.key_id)
        await database.write(lambda t: t.put_meta("fact", ""))
        reader.pause = change_meanwhile
        await snapshot.refresh()
        assert not snapshot.fresh()
        await snapshot.refresh()
        found = await snapshot.key(REGION, key.key_id)
        assert found is not None
        assert found.description == "new"

    asyncio.run(main())


def test_what_the_feed_tells_during_a_look_is_looked_for(
    database: Database, revision: SharedRevision
) -> None:
    reader = Reader(database, several_machines=True)
    snapshot = Snapshot(reader, revision, now=lambda: 100.0)

    async def hear_of_a_change() -> None:
        snapshot.heard(1, 0.0)

    async def main() -> None:
        reader.pause = hear_of_a_change
        await snapshot.refresh()
        assert not snapshot.fresh()
        await snapshot.refresh()
        assert snapshot.fresh()

    asyncio.run(main())


def test_announcements_out_of_order_cost_a_look_and_hide_nothing(
    database: Database, reader: Reader, snapshot: Snapshot, revision: SharedRevision
) -> None:
    key = insert(database, a_key())

    async def main() -> None:
        await snapshot.refresh()
        await snapshot.key(REGION, key.key_id)
        last = revision.value
        revision.announce(last - 1)
        assert not snapshot.fresh()
        await snapshot.refresh()
        assert snapshot.fresh()
        assert finish(snapshot.key(REGION, key.key_id)) == key
        await database.write(lambda t: t.update_key(replace(key, description="new")))
        assert not snapshot.fresh()

    asyncio.run(main())


def test_a_disturbance_makes_the_snapshot_look(
    database: Database, snapshot: Snapshot, revision: SharedRevision, revision_path: Path
) -> None:
    """A writer died after its commit and before its announcement."""
    key = insert(database, a_key(description="old"))

    class Dead(SharedRevision):
        def announce(self, revision: int) -> None:
            """It is dead."""

    async def main() -> None:
        await snapshot.refresh()
        await snapshot.key(REGION, key.key_id)
        writer._revision = Dead(revision_path)
        await writer.write(lambda t: t.update_key(replace(key, description="new")))
        assert snapshot.fresh()
        revision.resync()
        assert not snapshot.fresh()
        await snapshot.refresh()
        found = await snapshot.key(REGION, key.key_id)
        assert found is not None
        assert found.description == "new"

    writer = database
    asyncio.run(main())


def test_where_changes_are_not_known_everything_is_dropped(
    database: Database, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hearthkms.storage.snapshot._CHANGES_LIMIT", 2)
    key = insert(database, a_key())

    async def main() -> None:
        await snapshot.refresh()
        await snapshot.key(REGION, key.key_id)
        for number in range(3):
            await database.write(lambda t, n=number: t.put_meta(f"fact {n}", ""))
        await snapshot.refresh()
        with pytest.raises(Suspended):
            finish(snapshot.key(REGION, key.key_id))

    asyncio.run(main())


def test_a_look_that_fails_leaves_the_snapshot_stale(database: Database, revision: SharedRevision) -> None:
    class Broken(Reader):
        async def read(self, work: Work[T]) -> T:
            raise StorageUnavailableError("as if the database were away")

    snapshot = Snapshot(Broken(database), revision)

    async def main() -> None:
        for _ in range(2):
            waiting = (snapshot.refresh() for _ in range(3))
            outcomes = await asyncio.gather(*waiting, return_exceptions=True)
            assert all(isinstance(outcome, StorageUnavailableError) for outcome in outcomes)
            assert not snapshot.fresh()
            with pytest.raises(StorageUnavailableError):
                await snapshot.key(REGION, "key")

    asyncio.run(main())


def test_what_is_derived_lives_as_long_as_its_record(database: Database, snapshot: Snapshot) -> None:
    key = insert(database, a_key())

    async def main() -> None:
        await snapshot.refresh()
        found = await snapshot.key(REGION, key.key_id)
        assert found is not None
        snapshot.derived(found)["policy"] = "parsed"
        assert snapshot.derived(found) == {"policy": "parsed"}

        await database.write(lambda t: t.update_key(replace(key, description="new")))
        await snapshot.refresh()
        assert snapshot.derived(found) == {}
        snapshot.derived(found)["policy"] = "of the old record"
        again = await snapshot.key(REGION, key.key_id)
        assert again is not None
        assert snapshot.derived(again) == {}

    asyncio.run(main())


def test_made_up_names_evict_no_record(
    database: Database, revision: SharedRevision, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "ABSENT_LIMIT", 3)
    monkeypatch.setattr(cache, "MATERIALS_LIMIT", 3)
    snapshot = Snapshot(Reader(database), revision, limit=2)
    keys = [insert(database, a_key()) for _ in range(3)]

    async def main() -> None:
        await snapshot.refresh()
        for key in keys[:2]:
            await snapshot.key(REGION, key.key_id)
        for number in range(10):
            assert await snapshot.key(REGION, f"made up {number}") is None
            assert await snapshot.material(REGION, keys[0].key_id, f"made up {number}") is None
        for key in keys[:2]:
            assert finish(snapshot.key(REGION, key.key_id)) == key
        assert len(snapshot._keys.absent) == 3
        assert len(snapshot._keys.found[REGION, keys[0].key_id].materials) <= 3

        await snapshot.key(REGION, keys[2].key_id)
        with pytest.raises(Suspended):
            finish(snapshot.key(REGION, keys[0].key_id))

    asyncio.run(main())


def test_a_key_and_its_material_take_little_memory(
    tmp_path: Path, revision_path: Path, revision: SharedRevision
) -> None:
    """10,000 keys shall take 15 MB at most."""
    count, batch = 4_000, 1_000
    database = Database(f"sqlite:///{tmp_path}/many.db", revision, lambda: 0.0)
    database.migrate()
    policy = '{"Version":"2012-10-17","Statement":[' + " " * 600 + "]}"
    ids: list[str] = []

    async def fill(transaction: Transaction) -> None:
        for _ in range(batch):
            key = a_key(policy=policy)
            material = a_material(key, sealed=bytes(110))
            await transaction.insert_key(replace(key, current_material_id=material.material_id))
            await transaction.insert_material(material)
            ids.append(key.key_id)

    for _ in range(count // batch):
        database.write_now(fill)

    async def measure(transaction: Transaction) -> int:
        class Inside:
            """Loads in this one transaction, which is much quicker than one for each."""

            several_machines = False

            async def read(self, work: Work[T]) -> T:
                return await work(transaction)

        snapshot = Snapshot(Inside(), revision)

        async def load() -> None:
            await snapshot.refresh()
            for key_id in ids:
                assert await snapshot.key(REGION, key_id) is not None

        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        asyncio.run(load())
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert finish(snapshot.key(REGION, ids[0])) is not None
        return after - before

    used = database.read_now(measure)
    database.close_now()
    assert used / count < 1_500
