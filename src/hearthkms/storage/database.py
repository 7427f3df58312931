"""Database: transactions on SQLite or PostgreSQL, for the event loop and for plain callers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from hearthkms.core.clock import Clock
from hearthkms.core.eager import finish
from hearthkms.core.errors import AlreadyStoredError, NotStoredError, UnconfirmedError
from hearthkms.storage.connections import Connections
from hearthkms.storage.engines import LOCK_WAIT, parse_url
from hearthkms.storage.faults import Fault, fault_of
from hearthkms.storage.revision import SharedRevision
from hearthkms.storage.transaction import Transaction

if TYPE_CHECKING:
    from hearthkms.storage.feed import Feed, Heard

T = TypeVar("T")
Work = Callable[[Transaction], Coroutine[Any, Any, T]]

_ATTEMPTS = 6
_PAUSE = 0.01


class _Undone(Exception):
    """The database met `fault`, and kept nothing of the transaction."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault


class Database:
    """The database of the service.

    `url` is `sqlite:////PATH` or `postgresql://...`. Work is a function that takes a Transaction and gives a
    coroutine, which must not wait for anything but that transaction. A whole transaction runs in one thread:
    `write` has one thread a process, `read` has `readers`.

    Work may be run again from its start, where the database undid it because of a deadlock or a lost
    connection, or another transaction was faster to insert or delete the same thing. It must not keep what it
    did in an attempt that failed.

    Nothing is opened before it is first used, and a forked child opens its own.
    """

    def __init__(self, url: str, revision: SharedRevision, clock: Clock, *, readers: int = 2) -> None:
        """Raises SettingsError where the URL cannot be used."""
        self._url = parse_url(url)
        self._revision = revision
        self._clock = clock
        self._connections = Connections(self._url, readers)

    @property
    def several_machines(self) -> bool:
        """Whether processes of other machines may change this database: their changes come by a Feed."""
        return self._url.get_backend_name() != "sqlite"

    def migrate(self) -> None:
        """Bring the schema to this version's, from an older one or from nothing.

        Several processes may call it at once. Raises SettingsError where the schema is newer than this
        version of HearthKMS, and StorageUnavailableError where the database cannot answer.
        """
        # Only the process that starts the service needs Alembic in its memory.
        from hearthkms.storage.migrate import upgrade

        self._repeat(lambda: upgrade(self._connections.here().writing))

    async def read(self, work: Work[T]) -> T:
        """Run `work` in a transaction that sees one state of the database, and changes nothing.

        Raises StorageUnavailableError where the database cannot answer.
        """
        threads = self._connections.here().readers
        return await asyncio.get_running_loop().run_in_executor(threads, self.read_now, work)

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction; when this returns, its changes are durable and announced.

        Raises StorageUnavailableError where the database cannot answer: then nothing was kept, or, where the
        message says so, that is not known. Cancelling the caller does not cancel the transaction.
        """
        thread = self._connections.here().writer
        return await asyncio.get_running_loop().run_in_executor(thread, self.write_now, work)

    def read_now(self, work: Work[T]) -> T:
        """`read`, on the calling thread."""
        return self._repeat(lambda: self._read_once(work))

    def write_now(self, work: Work[T]) -> T:
        """`write`, on the calling thread."""
        return self._repeat(lambda: self._write_once(work))

    def feed(self, heard: Heard) -> Feed | None:
        """A Feed that tells `heard` of what other machines change; None where none can."""
        if not self.several_machines:
            return None
        # Without PostgreSQL nobody needs its driver in memory.
        from hearthkms.storage.feed import Feed

        return Feed(self._url, heard)

    async def close(self) -> None:
        """`close_now`, without holding up the event loop."""
        await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        """Finish what is running, and close every connection of this process. Nothing runs afterwards."""
        self._connections.close()

    def _repeat(self, attempt: Callable[[], T]) -> T:
        """Run `attempt`, and again where it is undone for a passing reason, as long as a lock may take."""
        deadline = self._clock() + LOCK_WAIT
        turn = 0
        while True:
            turn += 1
            try:
                return attempt()
            except (AlreadyStoredError, NotStoredError):
                # Work looks before it changes: another transaction came between. Now it sees what that did.
                if turn > 1:
                    raise
                continue
            except _Undone as undone:
                fault, cause = undone.fault, undone.__context__
            except SQLAlchemyError as error:
                fault, cause = fault_of(error), error
            if not fault.again or turn == _ATTEMPTS or self._clock() >= deadline:
                raise fault.error from cause
            time.sleep(turn * _PAUSE)

    def _read_once(self, work: Work[T]) -> T:
        with self._connections.here().reading.connect() as connection, connection.begin():
            return _run(work, Transaction(connection, writes=False))

    def _write_once(self, work: Work[T]) -> T:
        async def whole(transaction: Transaction) -> tuple[T, int | None]:
            return await work(transaction), transaction.conclude()

        with self._connections.here().writing.connect() as connection:
            begun = connection.begin()
            try:
                result, revision = _run(whole, Transaction(connection, writes=True))
            except BaseException:
                _undo(connection, begun)
                raise
            self._commit(connection, begun)
        if revision is not None:
            self._revision.announce(revision)
        return result

    def _commit(self, connection: sa.Connection, begun: sa.RootTransaction) -> None:
        try:
            begun.commit()
        except SQLAlchemyError as error:
            connection.invalidate()
            fault = fault_of(error)
            if fault.undone:
                raise fault.error from error
            # Perhaps it took place: it is not run again, and the workers have a look.
            self._revision.resync()
            raise UnconfirmedError(f"{fault.error} It is not known whether the change was kept.") from error


def _run(work: Work[T], transaction: Transaction) -> T:
    try:
        return finish(work(transaction))
    finally:
        # Also where the work made another error of it, or went on: the database keeps none of it.
        if transaction.fault is not None:
            raise _Undone(transaction.fault)


def _undo(connection: sa.Connection, begun: sa.RootTransaction) -> None:
    try:
        begun.rollback()
    except SQLAlchemyError:
        # Closing the connection undoes the transaction as well.
        connection.invalidate()
