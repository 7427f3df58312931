"""Fixtures of the contract suites: the same storage on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.postgres import PostgresServer, postgres_server  # noqa: F401  a fixture

from hearthkms.storage.database import Database
from hearthkms.storage.revision import SharedRevision


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> str:
    """The engine that the test runs on."""
    name: str = request.param
    return name


@pytest.fixture
def empty_url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables."""
    if engine == "sqlite":
        return f"sqlite:///{tmp_path}/test.db"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.create_database()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    folder = tmp_path_factory.mktemp("template")
    migrate(f"sqlite:///{folder}/template.db", folder)
    return folder / "template.db"


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:  # noqa: F811
    """The name of a migrated PostgreSQL database to copy."""
    postgres_server.execute("CREATE DATABASE migrated TEMPLATE template0")
    migrate(postgres_server.url("migrated"), tmp_path_factory.mktemp("template"))
    return "migrated"


@pytest.fixture
def url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a migrated database."""
    if engine == "sqlite":
        shutil.copyfile(request.getfixturevalue("sqlite_template"), tmp_path / "test.db")
        return f"sqlite:///{tmp_path}/test.db"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.create_database(request.getfixturevalue("postgres_template"))


@pytest.fixture
def revision_path(tmp_path: Path) -> Path:
    """Where this machine's processes share the revision."""
    return tmp_path / "revision"


@pytest.fixture
def revision(revision_path: Path) -> Iterator[SharedRevision]:
    """The revision that `database` announces to."""
    shared = SharedRevision(revision_path)
    yield shared
    shared.close()


@pytest.fixture
def database(url: str, revision: SharedRevision) -> Iterator[Database]:
    """A migrated database, open."""
    opened = Database(url, revision, time.time)
    yield opened
    opened.close_now()


def migrate(url: str, folder: Path) -> None:
    """Make the tables."""
    database = open_database(url, folder / "revision")
    database.migrate()
    database.close_now()


def open_database(url: str, revision_path: Path) -> Database:
    """A Database as another process of this machine opens it."""
    return Database(url, SharedRevision(revision_path), time.time)
