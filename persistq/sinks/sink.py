"""A sink: where a stage's items are stored, and what that becomes in each worker process."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from persistq.errors import SinkUnavailable, UsageError
from persistq.sinks.faults import Fault, fault_of, is_no_database
from persistq.sinks.loading import Loader
from persistq.sinks.receipts import PlainReceipts, Receipts
from persistq.sinks.statements import TABLE, qualified, statements_for
from persistq.text.terminal import excerpt

if TYPE_CHECKING:
    from persistq.sinks.target import Target

SQLITE_WAIT_S: Final = 30.0
"""How long a worker waits for others that write to the same SQLite file."""

_EXTRA: Final = "a sink by URL needs SQLAlchemy: pip install 'persistq[sql]'"


@dataclass(frozen=True, slots=True)
class Sink:
    """A database that items are stored in, each once.

    It holds no connection and can be pickled, if the function can.

    Attributes:
        target: A URL as SQLAlchemy takes it, or a function that is called in each worker process
            and returns a `sqlalchemy.Engine`, a `psycopg.Connection` or a `sqlite3.Connection`.
        schema: Where the table `persistq_receipt` is; None leaves that to the connection.

    Raises:
        UsageError: It is neither, or the schema's name is none.
    """

    target: str | Callable[[], Any]
    schema: str | None = None

    def __post_init__(self) -> None:
        qualified(self.schema)
        given: Any = self.target
        # One of sqlite3 can be called, to prepare a statement.
        if isinstance(given, sqlite3.Connection) or not (isinstance(given, str) or callable(given)):
            kind = type(given).__name__
            raise UsageError(
                f"sink={kind} object: give a URL, or a function that connects; a connection of "
                "this process is of no use in another one"
            )

    def __str__(self) -> str:
        if isinstance(self.target, str):
            return _without_password(self.target)
        return f"the sink of {getattr(self.target, '__name__', type(self.target).__name__)}()"

    def open(self, *, make: bool = True) -> Loader:
        """Connect this process, and make the table of receipts if it is missing.

        Crash: the table is there or not, and then made by the next one.

        Args:
            make: Whether the table is made; else it must be there.

        Raises:
            SinkUnavailable: The target cannot be used now.
            UsageError: It cannot be used like this: no such driver, no right to make the table, a
                file that is no database.
        """
        target = self._target()
        with self._refusals_told(target):
            receipts = receipts_for(target.dialect, self.schema)
            (make_table if make else require_table)(target, receipts, self.schema, str(self))
        return Loader(target, receipts)

    def connect(self) -> Target:
        """Connect this process, and change nothing in the database.

        Raises:
            SinkUnavailable: The target cannot be used now.
            UsageError: It cannot be used like this.
        """
        target = self._target()
        with self._refusals_told(target), target.transaction() as session:
            session.execute("SELECT 1")
        return target

    @contextmanager
    def _refusals_told(self, target: Target) -> Iterator[None]:
        """Say what is wrong with a target, and close it, if it cannot be used."""
        try:
            yield
        except UsageError:
            target.close()
            raise
        except Exception as error:
            target.close()
            if is_no_database(error):
                raise UsageError(f"{self}: that file is no SQLite database") from error
            if fault_of(error) not in {Fault.AWAY, Fault.CONFLICT}:
                raise
            raise SinkUnavailable(str(self), excerpt(str(error))) from error

    def _target(self) -> Target:
        if isinstance(self.target, str):
            return _engine_target(engine_of(self.target))
        return target_of(self.target, self.target())


def make_table(target: Target, receipts: Receipts, schema: str | None, whose: str) -> None:
    """Make the table of receipts, unless it is there.

    Crash: it is there or not, and then made by the next one.

    Args:
        target: The database.
        receipts: The table.
        schema: Where it is; None leaves that to the connection.
        whose: Who needs it, for the message.

    Raises:
        UsageError: It cannot be made.
    """
    if _is_there(target, receipts):
        return
    refused: Exception | None = None
    try:
        with target.transaction() as session:
            receipts.create(session)
    except Exception as error:  # noqa: BLE001 - judged by what is there after it
        # Another worker may have made it at the same moment.
        refused = error
    try:
        with target.transaction() as session:
            receipts.look(session)
    except Exception as error:
        if fault_of(error) is not Fault.OTHER:
            raise
        raise UsageError(
            f"{whose}: the table {qualified(schema)} cannot be made, or is another's "
            f"({excerpt(str(refused or error))}); who may make it gets its SQL from "
            "`persistq sink sql`"
        ) from error


def require_table(target: Target, receipts: Receipts, schema: str | None, whose: str) -> None:
    """Require that the table of receipts is there.

    Args:
        target: The database.
        receipts: The table.
        schema: Where it is; None leaves that to the connection.
        whose: Who needs it, for the message.

    Raises:
        UsageError: It is not.
    """
    if not _is_there(target, receipts):
        raise UsageError(f"{whose}: there is no table of receipts, {qualified(schema)}")


def _is_there(target: Target, receipts: Receipts) -> bool:
    try:
        with target.transaction() as session:
            receipts.look(session)
    except UsageError:
        raise
    except Exception as error:
        if fault_of(error) is not Fault.OTHER:
            raise
        return False
    return True


def receipts_for(dialect: str, schema: str | None) -> Receipts:
    """Return the receipts of a dialect.

    Raises:
        UsageError: The schema's name is none.
    """
    statements = statements_for(dialect, schema)
    if statements is not None:
        return PlainReceipts(statements)
    from persistq.sinks.generic import GenericReceipts

    return GenericReceipts(schema)


def target_of(connect: Callable[[], Any], made: Any) -> Target:
    """Return the target behind what a user's function has made.

    Args:
        connect: The function; called again when a connection is lost.
        made: What it returned.

    Raises:
        UsageError: That is none of the three kinds.
    """
    if _is(made, "sqlalchemy", "Engine"):
        return _engine_target(made)
    from persistq.sinks.connections import PsycopgTarget, SqliteTarget

    first = [made]
    again: Callable[[], Any] = lambda: first.pop() if first else connect()  # noqa: E731
    if isinstance(made, sqlite3.Connection):
        return SqliteTarget(again)
    if _is(made, "psycopg", "Connection"):
        return PsycopgTarget(again)
    raise UsageError(
        f"the sink's function returned a {type(made).__module__}.{type(made).__qualname__}: return "
        "a sqlalchemy.Engine, a psycopg.Connection or a sqlite3.Connection"
    )


def _is(value: Any, module: str, name: str) -> bool:
    """Tell an object's class without importing what nobody has imported."""
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(value, kind)


def _engine_target(engine: Any) -> Target:
    from persistq.sinks.engines import EngineTarget

    return EngineTarget(engine)


def engine_of(url: str) -> Any:
    """Make an engine.

    Raises:
        UsageError: SQLAlchemy or the driver is missing, or the URL is none.
    """
    try:
        import sqlalchemy
        from sqlalchemy.exc import ArgumentError
    except ModuleNotFoundError as error:
        raise UsageError(_EXTRA) from error
    try:
        parsed = sqlalchemy.make_url(url)
        waits = parsed.get_backend_name() == "sqlite" and "timeout" not in parsed.query
        options = {"connect_args": {"timeout": SQLITE_WAIT_S}} if waits else {}
        return sqlalchemy.create_engine(parsed, **options)
    except (ArgumentError, ValueError) as error:
        # What SQLAlchemy says of it may show the password.
        raise UsageError(
            "the sink is no URL of a database: it begins like postgresql:// or sqlite:///"
        ) from error
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{_without_password(url)}: its driver {error.name!r} is missing"
        ) from error


def _without_password(url: str) -> str:
    try:
        from sqlalchemy import make_url

        return make_url(url).render_as_string(hide_password=True)
    except Exception:  # noqa: BLE001 - what is no URL is not shown: it may hold a password
        return "the sink"


__all__ = ["TABLE", "Sink", "engine_of", "make_table", "receipts_for", "require_table", "target_of"]
