"""Making SQLAlchemy engines whose connections keep the promises of the storage: durable, strict, bounded."""

from __future__ import annotations

import os
import sqlite3
import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from hearthkms.core.errors import SettingsError, StorageUnavailableError

LOCK_WAIT = 10.0
"""Seconds that a statement waits for a lock."""

_POSTGRES_LIMITS = {
    "connect_timeout": "5",
    # A server that vanished without a word is noticed after about 11 seconds.
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}

# A transaction of a process that hangs must not hold its locks for ever; and a server whose operator turned
# synchronous commits off must still not lose what was acknowledged here.
_POSTGRES_SESSION = f"""
    SELECT set_config('lock_timeout', '{int(LOCK_WAIT)}s', false),
           set_config('statement_timeout', '30s', false),
           set_config('idle_in_transaction_session_timeout', '30s', false),
           set_config('timezone', 'UTC', false),
           CASE WHEN current_setting('synchronous_commit') = 'off'
                THEN set_config('synchronous_commit', 'on', false) END
"""

_SQLITE_SESSION = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    # What is deleted is overwritten: the sealed material of a deleted key must not linger in the file.
    "PRAGMA secure_delete = ON",
)


# SQLite waits for a writer in steps that grow to 100 ms, and whoever waits longest sleeps longest. Asking
# again after each short wait lets writers of several processes take turns.
_SQLITE_PATIENCE = "PRAGMA busy_timeout = 4"


def parse_url(text: str) -> URL:
    """The database URL, checked, with the driver to use. Raises SettingsError, never showing a password."""
    try:
        url = make_url(text)
    except ArgumentError:
        raise SettingsError(
            "The database URL cannot be read; write sqlite:////PATH or postgresql://..."
        ) from None
    if url.drivername == "sqlite":
        if not url.database or url.database == ":memory:" or url.query:
            raise SettingsError("The SQLite URL must name a file and nothing else: sqlite:////PATH.")
        return url
    if url.drivername in ("postgresql", "postgresql+psycopg"):
        if not url.database:
            raise SettingsError("The PostgreSQL URL must name a database: postgresql://USER@HOST/NAME.")
        given = url.set(drivername="postgresql+psycopg")
        return given.update_query_dict({n: v for n, v in _POSTGRES_LIMITS.items() if n not in url.query})
    raise SettingsError(f"The database must be sqlite or postgresql, not '{url.drivername}'.")


def make_engine(url: URL, *, writes: bool, connections: int) -> sa.Engine:
    """An engine for transactions that write, or for such as only read. It connects when it is first used."""
    options: dict[str, Any] = {
        "pool_size": connections,
        "max_overflow": connections,
        "pool_timeout": LOCK_WAIT,
        "hide_parameters": True,
    }
    if url.get_backend_name() == "sqlite":
        engine = sa.create_engine(url, connect_args={"timeout": LOCK_WAIT}, **options)
        _prepare_sqlite(engine, str(url.database), writes)
    else:
        level = "READ COMMITTED" if writes else "REPEATABLE READ"
        engine = sa.create_engine(url, isolation_level=level, **options)
        _prepare_postgres(engine, writes)
    return engine


def _prepare_sqlite(engine: sa.Engine, path: str, writes: bool) -> None:
    @event.listens_for(engine, "do_connect")
    def make_private(*_: Any) -> None:
        # SQLite gives its other files the mode of this one.
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            # Never open it beside SQLite: closing it would drop the locks of all our connections, the last
            # process to disconnect would remove a log that we still write to, and our commits would be lost.
            # Source: https://sqlite.org/howtocorrupt.html, section 2.2.
            pass
        except OSError as error:
            raise StorageUnavailableError(
                f"The database {path} cannot be opened: {error.strerror}."
            ) from error

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _: Any) -> None:
        # The driver must not begin transactions by its own rules: the listener below does.
        connection.isolation_level = None
        for pragma in _SQLITE_SESSION:
            connection.execute(pragma).fetchall()
        connection.execute(_SQLITE_PATIENCE if writes else "PRAGMA query_only = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        if not writes or not _begin_writing(connection.connection.driver_connection):
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _begin_writing(connection: Any) -> bool:
    """Begin as the only writer; False where others have written for as long as a lock may take.

    It excludes other writers from its beginning, because a transaction that upgrades later fails where it
    finds that another wrote in between.
    """
    deadline = time.monotonic() + LOCK_WAIT
    while time.monotonic() < deadline:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                break
        else:
            return True
    return False


def _prepare_postgres(engine: sa.Engine, writes: bool) -> None:
    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _: Any) -> None:
        automatic, connection.autocommit = connection.autocommit, True
        connection.execute(_POSTGRES_SESSION)
        connection.autocommit = automatic
        connection.read_only = not writes
