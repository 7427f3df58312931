"""What the database's own errors mean to HearthKMS: the one place that translates them."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from hearthkms.core.errors import StorageUnavailableError

# SQLite result codes, https://sqlite.org/rescode.html: BUSY and LOCKED.
_SQLITE_AGAIN = {5, 6}
# BUSY, LOCKED and FULL: given for a commit, they say that it did not take place. IOERR leaves that open.
_SQLITE_UNDONE = {5, 6, 13}
# PostgreSQL SQLSTATEs, its manual's appendix A: serialization_failure and deadlock_detected.
_POSTGRES_AGAIN = {"40001", "40P01"}


class Fault(NamedTuple):
    """A database error, translated.

    `again` says that the transaction was undone and may well work when it is run once more; `undone`, that
    nothing of it was kept even where this came in answer to its commit.
    """

    error: StorageUnavailableError
    again: bool
    undone: bool = False


def fault_of(error: SQLAlchemyError) -> Fault:
    """Translate a database error. The message names the cause, and never a stored value."""
    if not isinstance(error, DBAPIError):
        return Fault(StorageUnavailableError(f"The database cannot answer: {_first_line(error)}."), False)
    origin = error.orig
    # The connection was lost before the commit was asked for, so nothing of the transaction was kept.
    again = error.connection_invalidated
    code = getattr(origin, "sqlite_errorcode", None)
    state = getattr(origin, "sqlstate", None)
    again = again or (code is not None and code & 0xFF in _SQLITE_AGAIN) or state in _POSTGRES_AGAIN
    undone = code is not None and code & 0xFF in _SQLITE_UNDONE
    return Fault(StorageUnavailableError(f"The database cannot answer: {_cause(origin)}."), again, undone)


def _cause(origin: BaseException | None) -> str:
    # PostgreSQL's DETAIL lines quote stored values; the primary message does not.
    diagnostics = getattr(origin, "diag", None)
    primary = getattr(diagnostics, "message_primary", None)
    return str(primary) if primary else _first_line(origin)


def _first_line(error: BaseException | None) -> str:
    lines = str(error).splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
