"""Bringing a database's schema to this version's, by Alembic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from hearthkms.core.errors import SettingsError
from hearthkms.storage import migrations

VERSION_TABLE = "hearthkms_schema"
"""The table that says which version the schema has."""

# Any number will do that nothing else in the database locks.
_LOCK = sa.text("SELECT pg_advisory_xact_lock(1212501067, 0)")


def upgrade(engine: sa.Engine) -> None:
    """Run what is missing, all in one transaction that only one process at a time can have.

    Raises SettingsError where the schema is newer than this version of HearthKMS, or is in a PostgreSQL
    database that does not speak UTF-8. SQLAlchemy's errors pass.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head()
    known = {script.revision for script in scripts.walk_revisions()}

    def missing(current: tuple[str, ...], _: Any) -> list[Any]:
        if not known.issuperset(current):
            raise SettingsError(
                f"The database has schema version {', '.join(current)}, which is newer than this version of "
                f"HearthKMS knows ({head}). Start the newer version, or restore a backup that fits this one."
            )
        return scripts._upgrade_revs("head", current)  # type: ignore[arg-type]

    # On SQLite the transaction excludes others from its beginning, because the engine is one that writes.
    with engine.connect() as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(_LOCK)
            _check_encoding(connection)
        with EnvironmentContext(config, scripts, fn=missing) as environment:
            environment.configure(connection, version_table=VERSION_TABLE, transactional_ddl=True)
            environment.run_migrations()


def _check_encoding(connection: sa.Connection) -> None:
    encoding = connection.execute(sa.text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        raise SettingsError(
            f"The PostgreSQL database has the encoding {encoding}; create it with ENCODING 'UTF8'."
        )
