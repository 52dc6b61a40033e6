"""A target behind a SQLAlchemy engine: any database that SQLAlchemy speaks to."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import TextClause, event, select, text

from persistq.errors import TransactionEnded, TransactionFailed, UsageError
from persistq.sinks.connections import PsycopgSession, SqliteSession
from persistq.sinks.logs import leave_out_aborted_pipelines
from persistq.sinks.savepoints import savepoint
from persistq.sinks.target import Rows, Session

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import ExceptionContext

PLAIN_SAVEPOINTS: Final = frozenset({"sqlite", "postgresql"})
"""Dialects of which it is known that any error leaves what was before the savepoint."""

IN_TRANSACTION: Final = 2
"""As libpq numbers it, and so psycopg and psycopg2 do: in a transaction that has not failed."""

_FAILED: Final = 3
_OUTERMOST: Final = "persistq_batch"


@lru_cache(maxsize=64)
def _text(sql: str) -> TextClause:
    return text(sql)


class EngineSession:
    """One transaction of an engine's connection.

    Args:
        connection: In a transaction that SQLAlchemy has begun.
        refusals: What its engine knows of statements that have raised.
    """

    def __init__(self, connection: Connection, refusals: _Refusals) -> None:
        self.connection = connection
        self._refusals = refusals
        self._plain = _plain_session(connection)
        self._dialect = connection.dialect.name

    def execute(self, sql: str, **values: str | int) -> Rows:
        """Run a statement with parameters named as in ``:run``.

        Where the driver is known, it is asked directly: SQLAlchemy takes as long for one of these
        statements as SQLite does.
        """
        if self._plain is not None:
            return self._plain.execute(sql, **values)
        result = self.connection.execute(_text(sql), values)
        rows = [tuple(row) for row in result] if result.returns_rows else []
        return Rows(rows, result.rowcount)

    def rows_written(self) -> int | None:
        """Return how many rows its connection has ever written, as far as that can be known.

        Of others than SQLite, those are counted that an `executemany` had written when it raised.
        """
        if self._dialect == "sqlite":
            return getattr(self._driver, "total_changes", None)
        return self._refusals.rows

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what is done within if it raises."""
        with savepoint(self._run):
            yield

    def _run(self, sql: str) -> None:
        while (nested := self.connection.get_nested_transaction()) is not None:
            # A handler that raised has left it open.
            nested.rollback()
        if self._plain is not None:
            self._plain.execute(sql)
        else:
            self.connection.exec_driver_sql(sql)

    def begin(self) -> None:
        """Make sure that the driver has begun a transaction, and that its end will be noticed."""
        if self._dialect == "sqlite":
            if not getattr(self._driver, "in_transaction", False):
                # What only begins to read may be refused to write later, however long it waits.
                self._run("BEGIN IMMEDIATE")
            self._run(f"SAVEPOINT {_OUTERMOST}")

    def require_whole(self) -> None:
        """Raise unless all since `begin` is in one transaction that can be committed.

        Raises:
            TransactionEnded: Somebody has ended it.
            TransactionFailed: It can only be rolled back.
        """
        if self._dialect == "sqlite":
            self._require_savepoint()
        elif self._dialect == "postgresql":
            self._require_status()

    def _require_savepoint(self) -> None:
        from sqlalchemy.exc import DBAPIError

        try:
            self._run(f"RELEASE SAVEPOINT {_OUTERMOST}")
        except (DBAPIError, sqlite3.Error) as error:
            raise TransactionEnded from error

    def _require_status(self) -> None:
        info = getattr(self._driver, "info", None)
        if info is None:
            # Raises where nothing can be committed any more.
            self.connection.scalar(select(1))
        elif info.transaction_status == _FAILED:
            raise TransactionFailed
        elif info.transaction_status != IN_TRANSACTION:
            raise TransactionEnded

    @property
    def _driver(self) -> Any:
        return self.connection.connection.driver_connection


def _plain_session(connection: Connection) -> Session | None:
    """Return the same transaction as its driver has it, or None if the driver is another."""
    driver = connection.connection.driver_connection
    match connection.dialect.driver:
        case "pysqlite" if isinstance(driver, sqlite3.Connection):
            return SqliteSession(driver)
        case "psycopg":
            return PsycopgSession(driver)  # type: ignore[arg-type]
        case _:
            return None


class EngineTarget:
    """A database behind an engine.

    Args:
        engine: Made in this process, or before a fork: what it had pooled then is left alone.
    """

    def __init__(self, engine: Engine) -> None:
        engine.dispose(close=False)
        self._engine = engine
        self._guard = _Guard(engine)
        self._refusals = _Refusals()
        event.listen(engine, "handle_error", self._refusals.note)
        if engine.driver == "psycopg":
            leave_out_aborted_pipelines()
        self.dialect = engine.dialect.name
        self.has_savepoints = self.dialect in PLAIN_SAVEPOINTS

    @contextmanager
    def transaction(self) -> Iterator[EngineSession]:
        """Begin a transaction; commit it at the end, and roll it back if anything raises."""
        with self._engine.connect() as connection:
            _require_transactions(connection)
            guard = self._guard
            transaction = connection.begin()
            guard.close(connection)
            session = EngineSession(connection, self._refusals)
            try:
                session.begin()
                yield session
                session.require_whole()
                guard.open()
                transaction.commit()
            except BaseException:
                guard.open()
                _roll_back(connection)
                raise

    def reconnect(self) -> None:
        """Forget connections that may be dead."""
        self._engine.dispose()

    def close(self) -> None:
        """Give up all connections."""
        self._engine.dispose()


class _Refusals:
    """Counts how far statements had come that have raised; SQLAlchemy closes their cursors.

    Attributes:
        rows: The rows of all of them; one less for each of which it is not known.
    """

    def __init__(self) -> None:
        self.rows = 0

    def note(self, context: ExceptionContext) -> None:
        """Look at the cursor of a statement before it is closed."""
        count = getattr(getattr(context.execution_context, "cursor", None), "rowcount", -1)
        self.rows += count if isinstance(count, int) else -1


class _Guard:
    """Keeps handlers from ending the transaction they are in.

    It listens to the engine, once: listening to each connection would take as long as a statement.

    Args:
        engine: Whose connections are watched.
    """

    def __init__(self, engine: Engine) -> None:
        self._watched: Connection | None = None
        event.listen(engine, "commit", self._look)
        event.listen(engine, "rollback", self._look)

    def close(self, connection: Connection) -> None:
        """Let nobody end the transaction of this connection."""
        self._watched = connection

    def open(self) -> None:
        """Let it be ended."""
        self._watched = None

    def _look(self, connection: Connection) -> None:
        if connection is self._watched:
            raise TransactionEnded


def _roll_back(connection: Connection) -> None:
    # The error that led here is the one to tell, whatever a dead connection says to this.
    with suppress(Exception):
        if (transaction := connection.get_transaction()) is not None:
            transaction.rollback()
    with suppress(Exception):
        if not connection.invalidated:
            # SQLAlchemy leaves it to this if the handler tried to end the transaction.
            connection.connection.rollback()


def _require_transactions(connection: Connection) -> None:
    """Refuse a connection on which each statement commits itself.

    Raises:
        UsageError: It is in that mode.
    """
    driver = connection.connection.dbapi_connection
    automatic = False
    with suppress(NotImplementedError):
        automatic = bool(connection.dialect.detect_autocommit_setting(driver))  # type: ignore[arg-type]
    if automatic and connection.dialect.name != "sqlite":
        raise UsageError(
            "the sink's engine is in AUTOCOMMIT mode, and so without transactions: leave out "
            "isolation_level='AUTOCOMMIT'"
        )
