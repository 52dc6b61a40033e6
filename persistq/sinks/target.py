"""Where items are stored, as receipts and loaders need it: transactions of a database."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol


class Rows(NamedTuple):
    """What a statement has done.

    Attributes:
        rows: What it returned.
        affected: How many rows it has inserted or deleted.
    """

    rows: list[tuple[Any, ...]]
    affected: int


class Session(Protocol):
    """One transaction."""

    @property
    def connection(self) -> Any:
        """What the handler gets; it must neither commit nor roll back."""

    def execute(self, sql: str, **values: str | int) -> Rows:
        """Run a statement with parameters named as in ``:run``."""

    def rows_written(self) -> int | None:
        """Return how many rows its connection has ever written; None if it does not count."""

    def savepoint(self) -> AbstractContextManager[None]:
        """Undo what is done within if it raises, and raise; the transaction goes on.

        Raises:
            SavepointLost: The transaction cannot go on.
        """


class Target(Protocol):
    """A database, as one process uses it."""

    @property
    def dialect(self) -> str:
        """As SQLAlchemy calls it."""

    @property
    def has_savepoints(self) -> bool:
        """Whether an error leaves the transaction as it was at the last savepoint."""

    def transaction(self) -> AbstractContextManager[Session]:
        """Begin a transaction; commit it at the end, and roll it back if anything raises.

        Raises:
            TransactionEnded: Somebody else has ended it; what has become of it is not known.
            TransactionFailed: An error within it was caught, and nothing of it can be committed.
        """

    def reconnect(self) -> None:
        """Forget connections that may be dead; the next transaction makes a new one."""

    def close(self) -> None:
        """Give up all connections."""
