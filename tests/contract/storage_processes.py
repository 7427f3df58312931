"""Other processes that use the storage: each act runs in an interpreter of its own.

`together` lets several act at the same time; `start` gives the process to whoever wants to kill it.
"""

from __future__ import annotations

import multiprocessing
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests.contract.storage_values import REGION, a_domain_key, a_key, a_material, an_alias

from hearthkms.core.errors import AlreadyStoredError
from hearthkms.kms.model.alias import Alias
from hearthkms.storage.database import Database
from hearthkms.storage.revision import SharedRevision
from hearthkms.storage.transaction import Transaction

_SPAWN = multiprocessing.get_context("spawn")

Act = Callable[..., Any]


def migrate(database: Database, peer: Connection) -> str:
    """Make the tables."""
    database.migrate()
    return "migrated"


def count_up(database: Database, peer: Connection, key_id: str, times: int) -> None:
    """Read a number from the key, and put the next one: what locks are for."""

    async def work(transaction: Transaction) -> None:
        key = await transaction.lock_key(REGION, key_id)
        assert key is not None
        await transaction.update_key(replace(key, description=str(int(key.description) + 1)))

    for _ in range(times):
        database.write_now(work)


def count_up_by_reading(database: Database, peer: Connection, key_id: str, times: int) -> None:
    """The same, as an operation's handler does it, which knows of no lock."""

    async def work(transaction: Transaction) -> None:
        key = await transaction.key(REGION, key_id)
        assert key is not None
        await transaction.update_key(replace(key, description=str(int(key.description) + 1)))

    for _ in range(times):
        database.write_now(work)


def claim(database: Database, peer: Connection, key_id: str, names: Sequence[str]) -> list[str]:
    """Make aliases that others make as well; the names of those that were made here."""
    key = a_key(key_id=key_id)
    won = []
    for name in names:
        alias = an_alias(key, name)

        async def work(transaction: Transaction, alias: Alias = alias) -> None:
            await transaction.insert_alias(alias)

        try:
            database.write_now(work)
        except AlreadyStoredError:
            continue
        won.append(name)
    return won


def settle(database: Database, peer: Connection, mine: str) -> tuple[str, bytes]:
    """Settle a fact and a first domain key that nobody has settled yet; what they are then."""

    async def work(transaction: Transaction) -> tuple[str, bytes]:
        fact = await transaction.meta("fact")
        if fact is None:
            fact = mine
            await transaction.put_meta("fact", mine)
        if await transaction.domain_key(REGION, None) is None:
            await transaction.put_domain_key(a_domain_key(sealed=mine.encode()))
        domain_key = await transaction.domain_key(REGION, 1)
        assert domain_key is not None
        return fact, domain_key.sealed

    return database.write_now(work)


def cross(database: Database, peer: Connection, first: str, second: str, times: int) -> None:
    """Lock two keys in the order given; others lock them in the opposite one."""

    async def work(transaction: Transaction) -> None:
        for key_id in (first, second):
            key = await transaction.lock_key(REGION, key_id)
            assert key is not None
            await transaction.update_key(replace(key, description=str(int(key.description) + 1)))

    for _ in range(times):
        database.write_now(work)


def record(database: Database, peer: Connection, name: str, times: int) -> None:
    """Append to the ledger, one or three records a transaction."""
    for number in range(times):

        async def work(transaction: Transaction, number: int = number) -> None:
            for part in range(1 if number % 2 else 3):
                await transaction.record(f'{{"by":"{name}","number":{number},"part":{part}}}'.encode())
            await transaction.put_meta(f"{name}/{number}", "")

        database.write_now(work)


def create_keys(database: Database, peer: Connection) -> None:
    """Create keys for ever, and tell of each once it is acknowledged."""
    while True:
        key_id = str(uuid.uuid4())

        async def work(transaction: Transaction, key_id: str = key_id) -> None:
            key = a_key(key_id=key_id)
            await transaction.insert_key(key)
            await transaction.insert_material(a_material(key))
            await transaction.insert_alias(an_alias(key, f"alias/{key_id}"))
            await transaction.record(f'{{"created":"{key_id}"}}'.encode())

        database.write_now(work)
        peer.send(key_id)


def hold(database: Database, peer: Connection, key_id: str) -> None:
    """Change a key and the ledger, say so, and wait inside the transaction until killed."""

    async def work(transaction: Transaction) -> None:
        key = await transaction.lock_key(REGION, key_id)
        assert key is not None
        await transaction.update_key(replace(key, description="never committed"))
        await transaction.record(b'{"never":"committed"}')
        transaction.conclude()
        peer.send("holding")
        threading.Event().wait()

    database.write_now(work)


def change(database: Database, peer: Connection, key_id: str) -> None:
    """Put what the peer sends into the key's description; acknowledge each change."""
    while (description := peer.recv()) is not None:

        async def work(transaction: Transaction, description: str = description) -> None:
            key = await transaction.lock_key(REGION, key_id)
            assert key is not None
            await transaction.update_key(replace(key, description=description))

        database.write_now(work)
        peer.send("changed")


def _run(act: str, url: str, revision_path: Path, peer: Connection, arguments: tuple[Any, ...]) -> None:
    database = Database(url, SharedRevision(revision_path), time.time)
    peer.send("ready")
    peer.recv()
    result = getattr(sys.modules[__name__], act)(database, peer, *arguments)
    database.close_now()
    peer.send(result)


def start(act: str, url: str, revision_path: Path, *arguments: Any) -> tuple[BaseProcess, Connection]:
    """A process that has begun to act, and the connection to it."""
    here, there = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_run, args=(act, url, revision_path, there, arguments), daemon=True)
    process.start()
    there.close()
    assert here.recv() == "ready"
    here.send("go")
    return process, here


def together(act: str, url: str, revision_path: Path, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    """What several processes give that do the same act at the same time, each with its own arguments."""
    processes, peers = [], []
    for given in arguments:
        here, there = _SPAWN.Pipe()
        process = _SPAWN.Process(target=_run, args=(act, url, revision_path, there, given), daemon=True)
        process.start()
        there.close()
        processes.append(process)
        peers.append(here)
    for peer in peers:
        assert peer.recv() == "ready"
    for peer in peers:
        peer.send("go")
    results = [peer.recv() for peer in peers]
    for process in processes:
        process.join()
        assert process.exitcode == 0
        process.close()
    for peer in peers:
        peer.close()
    return results
