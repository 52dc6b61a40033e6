"""Targets behind a connection of the user's own: psycopg, and Python's sqlite3."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from persistq.errors import TransactionEnded, TransactionFailed, UsageError
from persistq.sinks.logs import leave_out_aborted_pipelines
from persistq.sinks.savepoints import savepoint
from persistq.sinks.target import Rows

if TYPE_CHECKING:
    import psycopg

# Marked, because sqlite3 keeps prepared statements by their text, and asks nobody again when a
# handler runs one of them.
_COMMIT: Final = "COMMIT /* persistq */"
_ROLLBACK: Final = "ROLLBACK /* persistq */"
_OUTERMOST: Final = "persistq_batch"

_PARAMETER: Final = re.compile(r":(\w+)")

_FAILED: Final = 3
_IN_TRANSACTION: Final = 2
_IDLE: Final = 0

_INSIDE: Final = (
    "the sink's connection is inside a transaction already: commit what was begun, or give "
    "persistq a connection of its own"
)


class SqliteSession:
    """One transaction of a `sqlite3.Connection`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def execute(self, sql: str, **values: str | int) -> Rows:
        """Run a statement with parameters named as in ``:run``."""
        cursor = self.connection.cursor()
        # The user's own would change what is returned.
        cursor.row_factory = None
        rows = cursor.execute(sql, values).fetchall()
        return Rows(rows, cursor.rowcount)

    def rows_written(self) -> int:
        """Return how many rows the connection has ever written."""
        return self.connection.total_changes

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what is done within if it raises."""
        with savepoint(self.execute):
            yield


class SqliteTarget:
    """A SQLite database behind a `sqlite3.Connection`.

    Args:
        connect: Makes the connection.
    """

    dialect = "sqlite"
    has_savepoints = True

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._lent = False

    @contextmanager
    def transaction(self) -> Iterator[SqliteSession]:
        """Begin a transaction; commit it at the end, and roll it back if anything raises."""
        session = SqliteSession(self._ready())
        try:
            session.execute("BEGIN IMMEDIATE")
            session.execute(f"SAVEPOINT {_OUTERMOST}")
            self._lent = True
            yield session
            _require_savepoint(session)
            self._lent = False
            session.execute(_COMMIT)
        except BaseException:
            self._lent = False
            with suppress(sqlite3.Error):
                session.execute(_ROLLBACK)
            raise

    def reconnect(self) -> None:
        """Open the file anew."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _ready(self) -> sqlite3.Connection:
        """Return the connection, in no transaction.

        Raises:
            UsageError: The program has one open.
        """
        if self._connection is None:
            self._connection = self._connect()
            self._connection.set_authorizer(self._authorize)
        if self._connection.in_transaction:
            if getattr(self._connection, "autocommit", None) is not False:
                raise UsageError(_INSIDE)
            # In this mode of Python 3.12 there is always one.
            self._connection.execute(_COMMIT)
        return self._connection

    def _authorize(self, action: int, what: str | None, *_: str | None) -> int:
        ends = action == sqlite3.SQLITE_TRANSACTION and what in {"COMMIT", "ROLLBACK"}
        return sqlite3.SQLITE_DENY if ends and self._lent else sqlite3.SQLITE_OK


def _require_savepoint(session: SqliteSession) -> None:
    try:
        session.execute(f"RELEASE SAVEPOINT {_OUTERMOST}")
    except sqlite3.Error as error:
        raise TransactionEnded from error


@lru_cache(maxsize=64)
def _pyformat(sql: str) -> str:
    return _PARAMETER.sub(r"%(\1)s", sql)


class PsycopgSession:
    """One transaction of a `psycopg.Connection`."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def execute(self, sql: str, **values: str | int) -> Rows:
        """Run a statement with parameters named as in ``:run``."""
        from psycopg.rows import tuple_row

        with self.connection.cursor(row_factory=tuple_row) as cursor:
            with self._together():
                cursor.execute(_pyformat(sql).encode(), values)
            return Rows(cursor.fetchall() if cursor.description else [], cursor.rowcount)

    def _together(self) -> AbstractContextManager[object]:
        """Have the `BEGIN` that psycopg sends before a first statement sent with it, not alone."""
        from psycopg import Pipeline

        idle = self.connection.info.transaction_status == _IDLE
        return self.connection.pipeline() if idle and Pipeline.is_supported() else nullcontext()

    def rows_written(self) -> None:
        """Count nothing: that is not to be had."""

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what is done within if it raises."""
        with savepoint(self.execute):
            yield


class PsycopgTarget:
    """A PostgreSQL database behind a `psycopg.Connection`.

    Args:
        connect: Makes the connection.
    """

    dialect = "postgresql"
    has_savepoints = True

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]]) -> None:
        self._connect = connect
        self._connection: psycopg.Connection[Any] | None = None
        leave_out_aborted_pipelines()

    @contextmanager
    def transaction(self) -> Iterator[PsycopgSession]:
        """Begin a transaction; commit it at the end, and roll it back if anything raises."""
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        connection = self._connection
        if connection.info.transaction_status != _IDLE:
            raise UsageError(_INSIDE)
        complete = False
        # Within it, psycopg lets nobody commit or roll back.
        with connection.transaction():
            yield PsycopgSession(connection)
            _require_status(connection)
            complete = True
        if not complete:
            # A `psycopg.Rollback` ends the block without a word.
            raise TransactionEnded

    def reconnect(self) -> None:
        """Connect anew."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _require_status(connection: psycopg.Connection[Any]) -> None:
    status = connection.info.transaction_status
    if status == _FAILED:
        raise TransactionFailed
    if status != _IN_TRANSACTION:
        raise TransactionEnded
