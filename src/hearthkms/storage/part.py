"""What every table family of a transaction shares: its connection, and the list of what it changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from hearthkms.core.errors import AlreadyStoredError, NotStoredError
from hearthkms.storage.faults import Fault, fault_of

Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]
Row = sa.Row[*tuple[Any, ...]]
Upsert = Mapping[str, sa.Executable]
"""One statement a dialect, for what the two write alike but SQLAlchemy builds apart."""


# SQLAlchemy tells only on request how many rows an INSERT made.
_COUNTED = {"preserve_rowcount": True}


def insert_unless_there(table: sa.Table) -> Upsert:
    """An INSERT that does nothing where the primary key is taken.

    A refused INSERT would end a PostgreSQL transaction, and with it whatever else the caller does in it.
    """
    return {
        "sqlite": sqlite.insert(table).on_conflict_do_nothing(),
        "postgresql": postgresql.insert(table).on_conflict_do_nothing(),
    }


def insert_or_replace(table: sa.Table) -> Upsert:
    """An INSERT that replaces all other columns where the primary key is taken."""
    statements: dict[str, sa.Executable] = {}
    for dialect in (sqlite, postgresql):
        insert = dialect.insert(table)
        replaced = {c.name: insert.excluded[c.name] for c in table.columns if not c.primary_key}
        statements[dialect.__name__.rpartition(".")[2]] = insert.on_conflict_do_update(
            index_elements=list(table.primary_key.columns), set_=replaced
        )
    return statements


class Part:
    """A table family's view of one transaction.

    Statements run through `_rows` and `_affect` alone: an error there dooms the transaction, whoever may
    catch it on its way out (PostgreSQL would answer COMMIT with a silent rollback).
    """

    def __init__(self, connection: sa.Connection, *, writes: bool) -> None:
        self._connection = connection
        self._writes = writes
        self._dialect = connection.dialect.name
        self._noted: dict[tuple[str, str], None] = {}
        self.fault: Fault | None = None

    @property
    def memo(self) -> dict[Any, Any]:
        """Nothing is kept within a transaction, which may change what it has read."""
        return {}

    def _rows(self, statement: sa.Executable, parameters: Parameters | None = None) -> Sequence[Row]:
        try:
            return self._connection.execute(statement, parameters).all()
        except SQLAlchemyError as error:
            raise self._doomed(error) from error

    def _row(self, statement: sa.Executable, parameters: Parameters | None = None) -> Row | None:
        rows = self._rows(statement, parameters)
        return rows[0] if rows else None

    def _affect(self, statement: sa.Executable | Upsert, parameters: Parameters | None = None) -> int:
        if isinstance(statement, Mapping):
            statement = statement[self._dialect]
        try:
            return self._connection.execute(statement, parameters, execution_options=_COUNTED).rowcount
        except SQLAlchemyError as error:
            raise self._doomed(error) from error

    def _insert(self, statement: Upsert, parameters: Mapping[str, Any], what: str) -> None:
        if self._affect(statement, parameters) != 1:
            raise AlreadyStoredError(f"{what} is stored already.")

    def _change(self, statement: sa.Executable, parameters: Mapping[str, Any], what: str) -> None:
        if self._affect(statement, parameters) != 1:
            raise NotStoredError(f"{what} is not stored.")

    def _note(self, kind: str, *scope: str) -> None:
        """Tell every worker, once this has committed, to drop what it holds of `scope`."""
        self._noted[kind, "/".join(scope)] = None

    def _doomed(self, error: SQLAlchemyError) -> Exception:
        fault = fault_of(error)
        if self.fault is None:
            self.fault = fault
        return fault.error
