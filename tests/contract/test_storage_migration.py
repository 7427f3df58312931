"""The schema: made from nothing, brought forward, never used when it is newer."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from tests.contract.conftest import open_database
from tests.contract.storage_processes import together
from tests.contract.storage_values import REGION, a_key
from tests.support.postgres import PostgresServer

from hearthkms.core.errors import SettingsError, StorageUnavailableError
from hearthkms.storage.database import Database
from hearthkms.storage.engines import make_engine, parse_url
from hearthkms.storage.migrate import VERSION_TABLE
from hearthkms.storage.revision import SharedRevision
from hearthkms.storage.tables import metadata


def execute(url: str, statement: str) -> None:
    engine = make_engine(parse_url(url), writes=True, connections=1)
    with engine.begin() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


def test_migrating_twice_is_migrating_once(database: Database) -> None:
    key = a_key()
    database.write_now(lambda t: t.insert_key(key))

    database.migrate()

    assert database.read_now(lambda t: t.key(REGION, key.key_id)) == key


def test_the_migrations_make_the_tables_as_they_are_defined(url: str) -> None:
    engine = make_engine(parse_url(url), writes=True, connections=1)
    with engine.connect() as connection:
        options = {"compare_type": True, "version_table": VERSION_TABLE}
        context = MigrationContext.configure(connection, opts=options)
        differences = compare_metadata(context, metadata)
        foreign_keys = {
            table.name: len(sa.inspect(connection).get_foreign_keys(table.name))
            for table in metadata.sorted_tables
        }
    engine.dispose()

    assert differences == []
    assert foreign_keys == {
        table.name: len(table.foreign_key_constraints) for table in metadata.sorted_tables
    }


def test_texts_are_sorted_as_bytes_whatever_the_database_was_made_for(url: str, engine: str) -> None:
    if engine == "sqlite":
        return
    opened = make_engine(parse_url(url), writes=False, connections=1)
    with opened.connect() as connection:
        loose = connection.execute(
            sa.text(
                "SELECT table_name, column_name FROM information_schema.columns "
                "WHERE table_schema = 'public' AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'"
            )
        ).all()
    opened.dispose()

    assert loose == []


def test_several_processes_may_migrate_at_once(empty_url: str, revision_path: Path) -> None:
    assert together("migrate", empty_url, revision_path, [()] * 4) == ["migrated"] * 4

    database = open_database(empty_url, revision_path)
    database.write_now(lambda t: t.insert_key(a_key()))
    database.close_now()


def test_a_newer_schema_is_refused_and_left_alone(url: str, revision_path: Path) -> None:
    execute(url, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    database = open_database(url, revision_path)

    with pytest.raises(SettingsError, match=r"version 9999, which is newer .* \(0001\)"):
        database.migrate()

    database.close_now()


def test_a_database_of_somebody_else_is_left_alone(empty_url: str, revision_path: Path) -> None:
    execute(empty_url, "CREATE TABLE revision (theirs TEXT)")
    database = open_database(empty_url, revision_path)

    with pytest.raises(StorageUnavailableError, match="exists"):
        database.migrate()

    database.close_now()
    opened = make_engine(parse_url(empty_url), writes=True, connections=1)
    with opened.connect() as connection:
        assert sa.inspect(connection).get_table_names() == ["revision"]
    opened.dispose()


def test_a_postgres_database_must_speak_utf8(postgres_server: PostgresServer, revision_path: Path) -> None:
    postgres_server.execute(
        "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
    )
    database = open_database(postgres_server.url("latin"), revision_path)

    with pytest.raises(SettingsError, match=r"LATIN1.*UTF8"):
        database.migrate()

    database.close_now()


def test_the_database_file_is_its_owners_alone(tmp_path: Path, revision_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/private.db", revision_path)
    database.migrate()
    database.write_now(lambda t: t.insert_key(a_key()))

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("private.db*")}
    database.close_now()

    assert modes == {"private.db": 0o600, "private.db-wal": 0o600, "private.db-shm": 0o600}


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:////tmp/x.db?mode=ro",
        "postgresql://host",
        "postgresql+asyncpg://host/name",
        "mysql://user:secret@host/name",
        "://user:secret@host/name",
        "nonsense",
    ],
)
def test_urls_that_cannot_work_are_refused_without_showing_them(url: str, revision: SharedRevision) -> None:
    with pytest.raises(SettingsError) as refused:
        Database(url, revision, time.time)
    assert "secret" not in str(refused.value)
