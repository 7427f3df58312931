"""Snapshot: what one worker holds of the database in memory, loaded when asked for, dropped when changed."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar

from hearthkms.iam.ports import AccessKey
from hearthkms.kms.model.alias import Alias
from hearthkms.kms.model.key import Key, Material
from hearthkms.kms.ports import DomainKey
from hearthkms.storage.cache import Cache, Held
from hearthkms.storage.changes import Changes
from hearthkms.storage.database import Work
from hearthkms.storage.revision import SharedRevision
from hearthkms.storage.transaction import Transaction

T = TypeVar("T")
Name = tuple[str, ...]

LEASE = 1.0
"""Seconds for which a look at the revision holds, where other machines may change the database."""
LIMIT = 100_000
"""Entries held of each kind; the oldest leaves first. As many keys as an account may have in a Region."""
_CHANGES_LIMIT = 5_000
_TRIES = 3


class Reader(Protocol):
    """The part of the Database that a snapshot uses."""

    @property
    def several_machines(self) -> bool:
        """Whether processes of other machines may change the database."""
        ...

    async def read(self, work: Work[T]) -> T:
        """What `work` gives, run in a transaction that changes nothing."""
        ...


class _Flight(NamedTuple):
    """A load under way, and the generation of the snapshot in which it was asked for."""

    generation: int
    task: asyncio.Task[Any]


class Snapshot:
    """A view of the keys and credentials for the event loop of one worker; never waits for what it holds.

    Whoever begins a request calls `fresh()` and, where that is false, awaits `refresh()`. Then the request
    sees every change that was acknowledged on this machine before it began, and on any other machine more
    than a second before. That something does not exist is held, too, so that asking again costs nothing.
    """

    def __init__(
        self,
        database: Reader,
        revision: SharedRevision,
        *,
        limit: int = LIMIT,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._cells = revision.cells
        self._leased = database.several_machines
        self._now = now
        self._keys: Cache[Name, Held[Key]] = Cache(limit)
        self._aliases: Cache[Name, Alias] = Cache(limit)
        self._access_keys: Cache[str, Held[AccessKey]] = Cache(limit)
        self._domain_keys: Cache[Name, DomainKey] = Cache(limit)
        self.memo: dict[Any, Any] = {}
        self._flights: dict[Name, _Flight] = {}
        # The revision up to which changes were dropped; how often any were; the last announcement looked at.
        self._seen = -1
        self._generation = 0
        self._announced: int | None = None
        # Until when the last look at the revision holds; the last revision that the feed told of.
        self._until = -math.inf
        self._told = -1
        self._refreshing = asyncio.Lock()
        self._begun = 0
        self._done = 0

    # freshness

    def fresh(self) -> bool:
        """Whether nothing has been announced since the last look, and that look is not too long ago."""
        return self._cells[0] == self._announced and (not self._leased or self._now() < self._until)

    async def refresh(self) -> None:
        """Drop what has changed, as the database knows it no earlier than this call.

        Raises StorageUnavailableError where the database cannot be asked; then nothing may be answered.
        """
        begun = self._begun
        async with self._refreshing:
            # Another request's look will do, if it began after this call did.
            if self._done <= begun:
                self._begun += 1
                await self._look()
                self._done = self._begun

    def heard(self, revision: int, at: float) -> None:
        """Take a word of the feed: `revision` was the last one at this time (0: at no time in particular)."""
        self._told = revision
        if revision != self._seen:
            self._until = -math.inf
        elif at + LEASE > self._until:
            self._until = at + LEASE

    async def _look(self) -> None:
        # Both are taken before the database is asked, so that what happens meanwhile counts as unseen.
        announced, at, told = self._cells[0], self._now(), self._told
        changes = await self._database.read(
            lambda transaction: transaction.changes_since(self._seen, _CHANGES_LIMIT)
        )
        if changes.revision != self._seen:
            self._generation += 1
            self._seen = changes.revision
            self.memo = {}
            self._drop(changes)
        self._announced = announced
        if self._told in (told, self._seen):
            self._until = at + LEASE

    def _drop(self, changes: Changes) -> None:
        if changes.changed is None:
            for cache in (self._keys, self._aliases, self._access_keys, self._domain_keys):
                cache.clear()
            return
        for kind, scope in changes.changed:
            if kind in ("key", "material"):
                region, key_id = scope.split("/")[:2]
                self._keys.drop((region, key_id))
            elif kind == "alias":
                self._aliases.drop(tuple(scope.split("/", 2)))
            elif kind == "access_key":
                self._access_keys.drop(scope)
            elif kind == "domain_key":
                self._domain_keys.drop(tuple(scope.split("/")))

    # what it holds

    async def key(self, region: str, key_id: str) -> Key | None:
        """The key with this id in this Region, of any account; None where there is none."""
        name = (region, key_id)
        held = self._keys.found.get(name)
        if held is None and name not in self._keys.absent:
            held = await self._load(
                ("key", *name), partial(_read_key, region, key_id), partial(self._keys.put, name)
            )
        return None if held is None else held.record

    async def material(self, region: str, key_id: str, material_id: str) -> Material | None:
        """One version of a key's material; None where there is none."""
        held = self._keys.found.get((region, key_id))
        if held is not None:
            for known, material in held.materials:
                if known == material_id:
                    return material

        def keep(material: Material | None) -> None:
            current = self._keys.found.get((region, key_id))
            if current is not None:
                current.add_material(material_id, material)

        return await self._load(
            ("material", region, key_id, material_id),
            lambda transaction: transaction.material(region, key_id, material_id),
            keep,
        )

    async def alias(self, region: str, account_id: str, name: str) -> Alias | None:
        """The alias `name` (`alias/...`) of this account and Region; None where there is none."""
        place = (region, account_id, name)
        alias = self._aliases.found.get(place)
        if alias is None and place not in self._aliases.absent:
            alias = await self._load(
                ("alias", *place),
                lambda transaction: transaction.alias(region, account_id, name),
                partial(self._aliases.put, place),
            )
        return alias

    async def access_key(self, access_key_id: str) -> AccessKey | None:
        """The access key with this id, active or not; None where there is none."""
        held = self._access_keys.found.get(access_key_id)
        if held is None and access_key_id not in self._access_keys.absent:
            held = await self._load(
                ("access_key", access_key_id),
                partial(_read_access_key, access_key_id),
                partial(self._access_keys.put, access_key_id),
            )
        return None if held is None else held.record

    async def domain_key(self, region: str, version: int | None) -> DomainKey | None:
        """A domain key of the Region: the given version, or the newest, which is asked for each time."""
        if version is None:
            return await self._database.read(lambda transaction: transaction.domain_key(region, None))
        name = (region, str(version))
        domain_key = self._domain_keys.found.get(name)
        if domain_key is None and name not in self._domain_keys.absent:
            domain_key = await self._load(
                ("domain_key", *name),
                lambda transaction: transaction.domain_key(region, version),
                partial(self._domain_keys.put, name),
            )
        return domain_key

    def derived(self, record: Key | AccessKey) -> dict[Any, Any]:
        """A dictionary for what was worked out from `record` or its material, dropped together with it.

        Where the snapshot no longer holds this very record, the dictionary is fresh and is not kept.
        """
        held: Held[Any] | None
        if isinstance(record, Key):
            held = self._keys.found.get((record.region, record.key_id))
        else:
            held = self._access_keys.found.get(record.access_key_id)
        if held is None or held.record is not record:
            return {}
        if held.derived is None:
            held.derived = {}
        return held.derived

    # loading

    async def _load(self, name: Name, read: Work[T | None], keep: Callable[[T | None], None]) -> T | None:
        """Load `name`, or wait for the load that another request began since the last change."""
        flight = self._flights.get(name)
        if flight is None or flight.generation != self._generation:
            task = asyncio.ensure_future(self._fetch(read, keep))
            flight = self._flights[name] = _Flight(self._generation, task)
            task.add_done_callback(partial(self._landed, name))
        # A load serves several requests: that one of them is cancelled must not end it.
        loaded: T | None = await asyncio.shield(flight.task)
        return loaded

    async def _fetch(self, read: Work[T | None], keep: Callable[[T | None], None]) -> T | None:
        """Read, and keep what was read unless something was dropped meanwhile.

        What was read before a change, but arrives after the change was dropped, would stay for good. To the
        request at hand it may be given even then: it was the truth after the request had begun.
        """
        for _ in range(_TRIES):
            generation = self._generation
            value = await self._database.read(read)
            if generation == self._generation:
                keep(value)
                break
        return value

    def _landed(self, name: Name, task: asyncio.Task[Any]) -> None:
        flight = self._flights.get(name)
        if flight is not None and flight.task is task:
            del self._flights[name]
        if not task.cancelled():
            # Whoever waited has seen the error; if nobody did, asyncio shall not complain of it.
            task.exception()


async def _read_key(region: str, key_id: str, transaction: Transaction) -> Held[Key] | None:
    key = await transaction.key(region, key_id)
    if key is None:
        return None
    held = Held(key)
    if key.current_material_id is not None:
        # What a key is asked for next.
        material = await transaction.material(region, key_id, key.current_material_id)
        held.add_material(key.current_material_id, material)
    return held


async def _read_access_key(access_key_id: str, transaction: Transaction) -> Held[AccessKey] | None:
    access_key = await transaction.access_key(access_key_id)
    return None if access_key is None else Held(access_key)
