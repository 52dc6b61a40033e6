"""The contract of a reader: what commands, and whoever only looks, ask of a journal.

Nothing of it writes. `persistq.journal.base` is the contract of who does.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime
    from types import TracebackType

    from persistq.blocks import Origin, Slice
    from persistq.event import Event
    from persistq.items import Failure, FailureKind, IdRange, Item
    from persistq.journal.batch import Deed, Line
    from persistq.journal.load import Load
    from persistq.journal.queuerow import QueueRow
    from persistq.journal.run import Run
    from persistq.journal.view import JournalView
    from persistq.keys import ItemKeys
    from persistq.peer import Peer
    from persistq.timings import Sample, SlowItem, StageTimes


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


class ItemState(enum.StrEnum):
    """Where an item is; it is in exactly one of these places."""

    OUTSTANDING = "outstanding"
    DONE = "done"
    DROPPED = "dropped"
    PARKED = "parked"


class Moment(NamedTuple):
    """When something was recorded, and by whom.

    Attributes:
        at: When, to about 50 ms.
        run_id: The run; None for what was done by hand while none was at work.
    """

    at: datetime
    run_id: int | None


class JournaledItem(NamedTuple):
    """One item, and where it is.

    Attributes:
        item: The item, not decoded; with the codec `DAMAGED` if its bytes are.
        state: Where it is.
        reason: Why it was dropped, if a reason was given; else empty.
        put: When it was put; None if that is not kept any more.
        ended: When it was done or dropped; None if it was not.
        origin: Id of the item that it was made of, None if of none.
        due: Until when it was put to wait; None if it was not.
    """

    item: Item
    state: ItemState
    reason: str = ""
    put: Moment | None = None
    ended: Moment | None = None
    origin: int | None = None
    due: datetime | None = None

    @property
    def item_id(self) -> int:
        """Its number in the journal."""
        return self.item.item_id


class Handled(NamedTuple):
    """What somebody has done to an item by hand.

    Attributes:
        at: When.
        item_id: The item.
        deed: What was done.
        replacement: What was put for it, if it was edited.
    """

    at: datetime
    item_id: int
    deed: Deed
    replacement: int | None


class Attempt(NamedTuple):
    """One failed attempt at an item.

    Attributes:
        at: When it failed.
        run_id: The run that made it, or None where that is not known.
        forgiven: Whether the item was retried by hand since, so that it counts no more.
        failure: What went wrong.
    """

    at: datetime
    run_id: int | None
    forgiven: bool
    failure: Failure


class Repeated(NamedTuple):
    """An item that a handler has begun more than once.

    Attributes:
        item_id: The item.
        begun: How often.
        died: After how many of these beginnings its worker died or was killed, so that nobody knows
            how far it came.
        state: Where the item is; None if it has ended, and how is not kept any more.
    """

    item_id: int
    begun: int
    died: int
    state: ItemState | None


class ParkedError(NamedTuple):
    """A parked item and its last error, without what is long.

    Attributes:
        item_id: The item.
        at: When it failed; None if nothing is recorded.
        kind: A `FailureKind`; empty if nothing is recorded.
        type: Class of the exception, or name of the signal.
        message: The exception's text.
    """

    item_id: int
    at: datetime | None
    kind: str
    type: str
    message: str


class FailureGroup(NamedTuple):
    """The failed attempts at items of one queue that went wrong in the same way.

    Attributes:
        queue_id: The queue.
        kind: What went wrong.
        type: Class of the exception, or name of the signal.
        attempts: How many there are, forgiven ones too.
        items: At how many items.
        newest: The one that came last.
    """

    queue_id: int
    kind: FailureKind
    type: str
    attempts: int
    items: int
    newest: FailedAttempt


class WorkerRow(NamedTuple):
    """A process that took items.

    Attributes:
        worker_id: Rises with each.
        run_id: Its run.
        queue_id: The stage it worked for.
        peer: The process.
        started_at: When it began to take items.
        ended_at: When it ended; None while it lives, and if nobody saw it end.
        ending: How it ended, in a word; None as long as ``ended_at`` is.
    """

    worker_id: int
    run_id: int
    queue_id: int
    peer: Peer
    started_at: datetime
    ended_at: datetime | None
    ending: str | None


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
    def snapshot(self) -> AbstractContextManager[None]:
        """Have all that is asked in a ``with`` block answered as of one moment.

        The log of a live broker grows meanwhile, so the block should be over in seconds.
        """

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
    def template(self) -> str | None:
        """Return what the journal's name was made from; None if that was given as it is."""

    @abstractmethod
    def done_keys(self) -> int:
        """Return how many natural keys are noted as done by settled loads."""

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
    def outstanding(
        self, queue_id: int | None = None, page: int = 1000, *, after_id: int = 0
    ) -> Iterator[Item]:
        """Iterate over outstanding items in the order they were put.

        Args:
            queue_id: A queue; all queues of the load that `view` shows by itself when None.
            page: Most items to hold in memory at a time.
            after_id: An id; items up to it are passed over, in no time.

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

    @abstractmethod
    def queues(self) -> list[QueueRow]:
        """Return the queues of all loads, those of the oldest load first."""

    @abstractmethod
    def items(self, first_id: int, last_id: int) -> Iterator[JournaledItem]:
        """Iterate over items with where they are, in the order they were put.

        Args:
            first_id: Id of the first item.
            last_id: Id of the last one; those that are not there are passed over.
        """

    @abstractmethod
    def page(self, ids: IdRange) -> list[Slice]:
        """Return the first items of a range, finished or not, as many as make a page.

        Args:
            ids: The range, of one queue; it may reach further than the items do.

        Returns:
            Slices of the blocks in which they lie, whose bytes may be damaged; none at the end.

        Raises:
            JournalCorrupt: Items are missing.
        """

    @abstractmethod
    def origins(self, ids: IdRange) -> list[tuple[IdRange, Origin | None]]:
        """Return of what items were made, block by block, in order; None for what was put.

        Args:
            ids: The items; a block that has some of them is returned whole.
        """

    @abstractmethod
    def made_of(self, item_id: int) -> list[IdRange]:
        """Return what was made of an item, in order; none if it is not done, or not there."""

    @abstractmethod
    def printed(self, item_id: int) -> list[Line]:
        """Return what was printed while an item was worked on, in all attempts, oldest first.

        A journal keeps the newest lines of all its items only.
        """

    @abstractmethod
    def by_hand(self, item_id: int) -> list[Handled]:
        """Return what was done by hand to an item, or led to it, oldest first."""

    @abstractmethod
    def attempts(self, first_id: int, last_id: int | None = None) -> list[Attempt]:
        """Return the failed attempts at items, those of each oldest first, forgiven ones too.

        Args:
            first_id: Id of the first item.
            last_id: Id of the last one; None for no other.
        """

    @abstractmethod
    def repeated(self, queue_id: int, *, is_purged: bool = False) -> Iterator[Repeated]:
        """Iterate over the items of a queue that were begun more than once, in order.

        Those are told of which it is recorded: each failed attempt is, and how an item has ended.

        Args:
            queue_id: The queue.
            is_purged: Whether its load was, so that not all ends are kept.
        """

    @abstractmethod
    def parked_errors(self, queue_id: int, *, after_id: int = 0) -> Iterator[ParkedError]:
        """Iterate over the parked items of a queue with their last errors, in order.

        Args:
            queue_id: The queue.
            after_id: An id; items up to it are passed over, in no time.
        """

    @abstractmethod
    def failure_groups(self, queue_id: int, most: int) -> list[FailureGroup]:
        """Return the failed attempts at a queue's items, grouped; those that came most often first.

        Args:
            queue_id: The queue.
            most: Most groups to return.
        """

    @abstractmethod
    def failed_attempts(self, queue_id: int) -> int:
        """Return how many failed attempts at a queue's items are recorded."""

    @abstractmethod
    def workers(self, run_id: int) -> list[WorkerRow]:
        """Return the processes that took items in a run, in the order in which they began."""

    @abstractmethod
    def times(self, run_id: int) -> list[StageTimes]:
        """Return how long stages took in a run, in their order; none of those that told nothing."""

    @abstractmethod
    def all_times(self) -> list[StageTimes]:
        """Return how long stages took in all runs, those of purged loads too."""

    @abstractmethod
    def failure_counts(self) -> list[tuple[int, str, int]]:
        """Return how many failures of which kind the items of each queue had, forgiven ones too.

        Returns:
            Queue, a `FailureKind`, and the number.
        """

    @abstractmethod
    def slow_items(self, queue_id: int) -> list[SlowItem]:
        """Return the slowest items of a queue that are kept, the slowest one first."""

    @abstractmethod
    def events(self, after: int, limit: int) -> list[Event]:
        """Return what has happened behind an event, in the order of commits.

        Args:
            after: Number of that event; 0 for none.
            limit: Most events to return.
        """

    @abstractmethod
    def events_kept(self) -> tuple[int, int]:
        """Return the numbers of the first and of the last event that is kept: 1 and 0 of none.

        What lies between them is kept. Nobody gets the number of an event that was given up.
        """

    @abstractmethod
    def samples(self, run_id: int) -> list[Sample]:
        """Return where a run stood, moment by moment; none once its load is purged."""
