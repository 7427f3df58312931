"""SQLite's locks, which tell other processes that a database is in use, last as long as the connections."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from hearthkms.storage.database import Database
from hearthkms.storage.revision import SharedRevision
from hearthkms.storage.transaction import Transaction

_VISIT = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); print(c.execute(sys.argv[2]).fetchone()[0])"


def visit(path: Path, query: str) -> str:
    """What another process finds, which then disconnects: the last one to do so would tidy up."""
    done = subprocess.run(
        [sys.executable, "-c", _VISIT, path, query], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_a_visitor_does_not_take_itself_for_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    database = Database(f"sqlite:///{path}", SharedRevision(tmp_path / "revision"), time.time)
    database.migrate()

    def put(value: str) -> None:
        async def work(transaction: Transaction) -> None:
            await transaction.put_meta("name", value)

        database.write_now(work)

    put("one")
    # A second connection of this process, opened while the first has its locks.
    assert database.read_now(lambda transaction: transaction.meta("name")) == "one"
    log = Path(f"{path}-wal").stat().st_ino
    assert visit(path, "SELECT value FROM meta WHERE name = 'name'") == "one"
    assert Path(f"{path}-wal").stat().st_ino == log
    put("two")
    assert visit(path, "SELECT value FROM meta WHERE name = 'name'") == "two"
    database.close_now()
