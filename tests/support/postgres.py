"""A real PostgreSQL for tests: a server for each test process, a database for each test."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_START_SECONDS = 30.0
# The tests kill clients and restart servers, but never cut the power.
_CONF = """
listen_addresses = ''
unix_socket_directories = '{sockets}'
max_connections = 100
fsync = {fsync}
full_page_writes = {fsync}
shared_buffers = 32MB
deadlock_timeout = 100ms
logging_collector = off
"""


def postgres_programs() -> Path | None:
    """The folder of PostgreSQL's server programs, the newest that is installed; None without."""
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    found = sorted((f for f in folders if (f / "initdb").exists()), key=lambda f: float(f.parent.name))
    return found[-1] if found else None


class PostgresServer:
    """A PostgreSQL server in a temporary folder, reached by a UNIX socket.

    PostgreSQL refuses to run as root, so it then runs as the user `postgres`.
    """

    def __init__(self, programs: Path, *, fsync: bool = False) -> None:
        self._programs = programs
        # Not below pytest's folder, which other users may not enter; and short, as socket names must be.
        self._folder = Path(tempfile.mkdtemp(prefix="hk-pg-"))
        self._user = "postgres" if os.getuid() == 0 else None
        if self._user is not None:
            entry = pwd.getpwnam(self._user)
            os.chown(self._folder, entry.pw_uid, entry.pw_gid)
        self._data = self._folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        settings = _CONF.format(sockets=self._folder, fsync="on" if fsync else "off")
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(settings)
        self.start()

    def url(self, database: str = "postgres") -> str:
        """The SQLAlchemy URL of a database."""
        return f"postgresql://postgres@/{database}?host={self._folder}"

    def start(self) -> None:
        """Start the server, and wait until it can answer."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data],
                user=self._user,
                group=self._user,
                extra_groups=None if self._user is None else [],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_SECONDS
        while self._quietly("pg_isready", "-h", self._folder, "-q") != 0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{(self._folder / 'log').read_text()}")
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT ends its connections in order, SIGQUIT is as good as a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_START_SECONDS)
            self._process = None

    def create_database(self, template: str = "template0") -> str:
        """The URL of a fresh database."""
        name = f"test{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def execute(self, statement: str, database: str = "postgres") -> str:
        """What `psql` prints, unadorned, for one statement run by the superuser."""
        where: list[str | Path] = ["-h", self._folder, "-U", "postgres", "-d", database]
        how = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [self._programs / "psql", *where, *how, "-c", statement],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def close(self) -> None:
        """Stop the server and remove what it kept."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._folder)

    def _run(self, program: str, *arguments: str | Path) -> None:
        subprocess.run(
            [self._programs / program, *arguments],
            user=self._user,
            group=self._user,
            extra_groups=None if self._user is None else [],
            cwd=self._folder,
            check=True,
            capture_output=True,
        )

    def _quietly(self, program: str, *arguments: str | Path) -> int:
        done = subprocess.run([self._programs / program, *arguments], capture_output=True, check=False)
        return done.returncode


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """This test process's PostgreSQL. Skips where PostgreSQL is not installed."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian package `postgresql`)")
    server = PostgresServer(programs)
    try:
        yield server
    finally:
        server.close()
