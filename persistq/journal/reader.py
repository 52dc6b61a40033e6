"""The contract of a reader: what commands, and whoever only looks, ask of a journal.

Nothing of it writes. `persistq.journal.base` is the contract of who does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from types import TracebackType

    from persistq.items import Failure, Item
    from persistq.journal.base import JournalView, Load, QueueRow, Run
    from persistq.keys import ItemKeys
    from persistq.peer import Peer


class FailedAttempt(NamedTuple):
    """One failure with the item it happened to.

    Attributes:
        at: When the attempt failed.
        item: The item, not decoded; None if its bytes are damaged or were given up.
        failure: What went wrong.
    """

    at: datetime
    item: Item | None
    failure: Failure


class JournalReader(ABC):
    """A read-only look at one journal; works while its broker writes. Use it in a ``with`` block.

    Attributes:
        path: Where the journal is, as given in messages.
    """

    path: str

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Close the journal. Safe to call twice."""

    @abstractmethod
    def view(self, load_id: int | None = None) -> JournalView:
        """Return one load, its latest run and its queues, as of one moment.

        Args:
            load_id: The load; None for the one that the next start carries on, and where there is
                none, that on which a run started last.

        Raises:
            UsageError: There is no such load.
        """

    @abstractmethod
    def writer(self) -> Peer | None:
        """Return the broker that has opened it last, if there was one."""

    @abstractmethod
    def loads(self) -> list[Load]:
        """Return all loads, oldest first."""

    @abstractmethod
    def runs(self, load_id: int) -> list[Run]:
        """Return the runs of a load, oldest first."""

    @abstractmethod
    def keys(self, queue_id: int) -> ItemKeys:
        """Return what makes the keys of a queue's items.

        Read the counters or the items first: a run that begins later may put what comes then.
        """

    @abstractmethod
    def failures(self, item_id: int) -> list[Failure]:
        """Return the failed attempts at an item, oldest first, forgiven ones too."""

    @abstractmethod
    def latest_failures(self, queues: Iterable[QueueRow], most: int) -> list[FailedAttempt]:
        """Return the failed attempts that came last, newest first.

        Args:
            queues: The queues to look at.
            most: Most attempts to return.
        """

    @abstractmethod
    def outstanding(self, queue_id: int | None = None, page: int = 1000) -> Iterator[Item]:
        """Iterate over outstanding items in the order they were put.

        Args:
            queue_id: A queue; all queues of the load that `view` shows by itself when None.
            page: Most items to hold in memory at a time.

        Raises:
            JournalCorrupt: Items are missing, or their bytes are damaged; it says which.
        """

    @abstractmethod
    def parked(
        self, queue_id: int | None = None, page: int = 1000
    ) -> Iterator[tuple[Item, Failure | None]]:
        """Iterate over parked items with their last failure, in the order they were put.

        Args:
            queue_id: A queue; all queues of the load that `view` shows by itself when None.
            page: Most items to hold in memory at a time.

        Raises:
            JournalCorrupt: Items are missing, or their bytes are damaged; it says which.
        """
