"""The target of stages that write files alone: their receipts are in a SQLite file of persistq's.

A handler that writes files for an hour must not keep others from committing theirs. So receipts are
looked for before it runs, and the transaction begins when they are written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import ClassVar, Final

from persistq.sinks.connections import SqliteSession, SqliteTarget
from persistq.sinks.files import Prepared, finish
from persistq.sinks.loading import Loader
from persistq.sinks.receipts import PlainReceipts
from persistq.sinks.statements import statements_for
from persistq.sinks.target import Rows

_WAIT_S: Final = 30.0


class LateSession:
    """A transaction that begins with the first statement that writes."""

    connection = None
    """There is none for the handler."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._session = SqliteSession(connection)

    def execute(self, sql: str, **values: str | int) -> Rows:
        """Run a statement with parameters named as in ``:run``."""
        if not self._connection.in_transaction and not sql.startswith("SELECT"):
            self._session.execute("BEGIN IMMEDIATE")
        return self._session.execute(sql, **values)

    def rows_written(self) -> None:
        """Count nothing: handlers write files."""

    def savepoint(self) -> AbstractContextManager[None]:
        """Is of no use here: each attempt has a transaction of its own."""
        raise NotImplementedError

    def end(self, how: str) -> None:
        """Commit or roll back, if it has begun."""
        if self._connection.in_transaction:
            self._session.execute(how)


class LateTarget(SqliteTarget):
    """A SQLite file in which receipts are, and nothing else."""

    has_savepoints = False

    @contextmanager
    def transaction(self) -> Iterator[LateSession]:  # type: ignore[override]
        """Let statements write in one transaction, and commit it at the end."""
        session = LateSession(self._ready())
        try:
            yield session
            session.end("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                session.end("ROLLBACK")
            raise


@dataclass(frozen=True, slots=True)
class FileSink:
    """The sink of stages that write files, with `open_output` and `append_output`, and no database.

    Attributes:
        receipts: Path of the SQLite file for their receipts, on a local disk; made if missing.
    """

    receipts: str
    option: ClassVar[str] = "sink="

    def open(self) -> Loader:
        """Open the file of receipts in this process.

        Raises:
            sqlite3.Error: It cannot be opened.
        """
        statements = statements_for("sqlite", None)
        assert statements is not None, "SQLite has statements of its own"
        target = _target(self.receipts)
        receipts = PlainReceipts(statements)
        with target.transaction() as session:
            receipts.create(session)
        return Loader(target, receipts, finish=self.finish)

    def beside(self, receipts: str, load: str) -> FileSink:  # noqa: ARG002 - others need them
        """Return the sink as a load has it; where its receipts are is said.

        Args:
            receipts: The file for receipts that is beside the load's journal.
            load: The name of the load.
        """
        return self

    def check(self) -> None:
        """Refuse what no waiting will mend, before anything is opened."""

    def finish(self, prepared: list[Prepared]) -> None:
        """Do what is to be done with files when their receipts are committed."""
        finish(prepared)

    def connect(self) -> LateTarget:
        """Return a target that makes no file: a sample keeps no receipts."""
        return _target(":memory:")


def _target(path: str) -> LateTarget:
    return LateTarget(lambda: sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None))
