"""Sinks of a sample: handlers run in real transactions, and all of them are rolled back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from persistq.sinks import files
from persistq.sinks.loading import Loader

if TYPE_CHECKING:
    from persistq.sinks.late import FileSink
    from persistq.sinks.receipts import Key, Receipt
    from persistq.sinks.sink import Sink
    from persistq.sinks.target import Session, Target


class _Undone(Exception):
    """Nothing is wrong: a transaction of a sample has come to its end."""


class TriedTarget:
    """A database in which nothing stays.

    Args:
        target: The database.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self.dialect = target.dialect
        self.has_savepoints = target.has_savepoints

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Begin a transaction, and roll it back at its end.

        Crash: the database rolls back what nobody commits.
        """
        try:
            with self._target.transaction() as session:
                yield session
                raise _Undone
        except _Undone:
            return

    def reconnect(self) -> None:
        """Forget connections that may be dead."""
        self._target.reconnect()

    def close(self) -> None:
        """Give up all connections."""
        self._target.close()


class NoReceipts:
    """The receipts of a sample: none is there, none is kept, and no table is made for them."""

    def create(self, session: Session) -> None:
        """Make no table."""

    def look(self, session: Session) -> None:
        """Miss no table."""

    def find(self, _session: Session, _keys: Sequence[Key]) -> dict[Key, Receipt]:
        """Return none: items of a sample are nowhere else."""
        return {}

    def add(
        self,
        session: Session,
        keys: Sequence[Key],
        outputs: Sequence[bytes | None],
        files: str | None = None,
    ) -> None:
        """Keep none."""

    def purge_some(self, _session: Session, _run: str, _first: int, _last: int) -> int:
        """Delete none."""
        return 0


@dataclass(frozen=True, slots=True)
class Tried:
    """A sink in which a sample is tried.

    Attributes:
        sink: It.
    """

    sink: Sink | FileSink

    def __str__(self) -> str:
        return str(self.sink)

    def open(self) -> Loader:
        """Connect this process; nothing is made, and nothing is going to stay.

        Raises:
            SinkUnavailable: The target cannot be used now.
            UsageError: It cannot be used like this.
        """
        return Loader(TriedTarget(self.sink.connect()), NoReceipts(), finish=files.discard)
