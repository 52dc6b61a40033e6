"""The contract of a journal: what the broker asks of the place that holds both logs.

One broker owns the only writing `Journal`; everybody else looks through a read-only `JournalView`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager

from persistq.blocks import Block, Slice
from persistq.items import IdRange
from persistq.journal.attempts import Attempts, Delay
from persistq.journal.batch import Batch
from persistq.journal.load import EndedLoad, Left, Load, Param
from persistq.journal.queuerow import QueueRow
from persistq.journal.route import Route
from persistq.journal.run import Command, RunResult
from persistq.journal.sourcerow import Cursor, SourceRow, SourceSpan
from persistq.keys import PutSpan
from persistq.timings import SlowItem


class Journal(ABC):
    """The writing side; owned by one broker, used from one thread of one process.

    Who opens a journal takes it over: whoever had it open before records nothing more, and is told
    so with `JournalUnavailable` at whatever it wants to record; so is a forked process that has
    inherited it. `persistq.testing.check_journal_contract` checks all that is promised here.

    Attributes:
        path: Where the journal is, as given in messages.
    """

    path: str

    # --- loads and runs ---

    @abstractmethod
    def together(self) -> AbstractContextManager[None]:
        """Record what the ``with`` block records in one transaction, or nothing of it. Synced."""

    @abstractmethod
    def latest_load(self) -> Load | None:
        """Return the load that was begun last, or None in a new journal."""

    @abstractmethod
    def open_load(self) -> Load | None:
        """Return the load that is carried on by a start that names none, or None."""

    @abstractmethod
    def load(self, load_id: int) -> Load | None:
        """Return the load with this number, or None."""

    @abstractmethod
    def left_by_others(self, load_id: int) -> list[Left]:
        """Return the loads, but this one, that have parked or outstanding items, oldest first."""

    @abstractmethod
    def begin_load(self, kind: str, params: Iterable[Param] = ()) -> Load:
        """Record a new open load of a kind, ``queue`` or ``pipeline``. Synced."""

    @abstractmethod
    def note_template(self, template: str) -> None:
        """Record what the journal's name was made from, as in ``sales-{day}``. Synced."""

    @abstractmethod
    def params(self, load_id: int) -> dict[str, Param]:
        """Return the parameters of a load by name."""

    @abstractmethod
    def abandon_load(self, load_id: int) -> None:
        """Mark a load as abandoned: it stays, and is never carried on by itself. Synced."""

    @abstractmethod
    def reopen_load(self, load_id: int) -> None:
        """Mark a load that had ended as reopened. Synced."""

    @abstractmethod
    def begin_run(self, load_id: int, command: Command) -> int:
        """Record that a process starts to work on a load; return the run's id. Synced.

        What is put from now on is put by this run, until the next one begins.
        """

    @abstractmethod
    def put_spans(self, queue_id: int, least: int = 0) -> list[PutSpan]:
        """Return which run put which items of a queue, in order.

        Args:
            queue_id: The queue.
            least: Leave out the spans that begin with fewer items put than these.
        """

    @abstractmethod
    def end_run(self, run_id: int, result: RunResult, reason: str) -> None:
        """Record how a run ended. Synced."""

    @abstractmethod
    def queues(self, load_id: int) -> list[QueueRow]:
        """Return the load's queues by position."""

    @abstractmethod
    def add_queue(self, load_id: int, position: int, name: str) -> QueueRow:
        """Record a new queue of a load and return it. Synced."""

    @abstractmethod
    def routes(self, load_id: int) -> list[Route]:
        """Return the ways between the stages of a load, in the order of their numbers."""

    @abstractmethod
    def set_routes(self, load_id: int, routes: Iterable[Route]) -> None:
        """Record these ways between the stages of a load, and no others. Synced."""

    @abstractmethod
    def rename_queues(self, names: Mapping[int, str]) -> None:
        """Give queues new names, by number, all at once. Synced."""

    @abstractmethod
    def rated_until(self, name: str) -> int:
        """Return until when calls of a stage last by its rate, in any load; ms since 1970."""

    @abstractmethod
    def key_queue(self, queue_id: int, *, keyed: bool, once: bool) -> None:
        """Record whether items of a queue have natural keys; see `QueueRow`. Synced."""

    @abstractmethod
    def sources(self, load_id: int) -> list[SourceRow]:
        """Return the load's sources by number."""

    @abstractmethod
    def add_source(self, queue_id: int, name: str) -> SourceRow:
        """Record a new source of a queue and return it. Synced."""

    @abstractmethod
    def rename_source(self, source_id: int, name: str) -> None:
        """Give a source another name. Synced."""

    @abstractmethod
    def next_worker_id(self) -> int:
        """Return the first number that no `WorkerRecord` has, nor one with a higher number."""

    @abstractmethod
    def slow_items(self, queue_id: int) -> list[SlowItem]:
        """Return the items of a queue that are kept as slow ones, in no order."""

    # --- the two logs ---

    @abstractmethod
    def commit(self, batch: Batch) -> None:
        """Record a batch in one transaction.

        Crash: before or during, nothing of the batch is recorded; after, all of it, and with
        ``batch.synced`` it survives a power cut as well.

        Raises:
            JournalUnavailable: Disk full, I/O error: the batch was rolled back whole.
            JournalCorrupt: A record contradicts an earlier one, such as an item that is done
                twice, an id that was used before, or more ends than puts: rolled back as well.
        """

    @abstractmethod
    def tell(self) -> None:
        """Record the events of puts that batches have left untold, also those of dead brokers."""

    @abstractmethod
    def flush(self) -> None:
        """Bring commits that were not synced to the disk. Cheap when there are none."""

    @abstractmethod
    def outstanding_page(
        self, after_id: int, last_id: int, limit: int, bytes_max: int
    ) -> list[Slice]:
        """Return outstanding items with ``after_id < id <= last_id``, in order.

        Args:
            after_id: Where the previous page ended.
            last_id: Last id wanted.
            limit: Most items to return.
            bytes_max: Stop after the slice that brings the payloads to this many bytes.

        Raises:
            JournalCorrupt: The items are not there.
        """

    @abstractmethod
    def put_page(self, after_id: int, last_id: int, limit: int, bytes_max: int) -> list[Slice]:
        """Return items of the put-log, finished or not; arguments as for `outstanding_page`."""

    @abstractmethod
    def source_spans(self, after_id: int, last_id: int, limit: int) -> list[SourceSpan]:
        """Return which source has put which items of a queue, in order.

        What comes before the first span of a queue is of its first source.

        Args:
            after_id: The item of the queue behind which to begin; the span that it is in comes
                first.
            last_id: Last id wanted.
            limit: Most spans to return.
        """

    @abstractmethod
    def put_since(self, queue_id: int, since: float) -> list[tuple[IdRange, float]]:
        """Return what was put on a queue lately, in order, and when, in seconds since 1970.

        Args:
            queue_id: The queue.
            since: The earliest time, in seconds since 1970; what was put a moment before may be
                among it.
        """

    @abstractmethod
    def cursor(self, source_id: int) -> Cursor | None:
        """Return how far a source has come, None if it has not said so."""

    @abstractmethod
    def checkpoint(self, item_id: int) -> Block | None:
        """Return how far attempts at an item have come, None if none has said so.

        It is kept until the item is done or dropped.
        """

    @abstractmethod
    def failed_attempts(self, load_id: int) -> list[Attempts]:
        """Return the failures, not forgiven, of the load's outstanding items.

        Of those of kind `DEFERRED` an item has one, which the next of that kind replaces. It says
        when the item is tried again, unless the item has failed in another way since.
        """

    @abstractmethod
    def delays(self, load_id: int) -> list[Delay]:
        """Return which outstanding items of the load were put to wait, and are not due yet."""

    @abstractmethod
    def parked_ids(self, queue_id: int) -> list[int]:
        """Return the ids of a queue's parked items, in order."""

    @abstractmethod
    def replacements(self, queue_id: int) -> list[int]:
        """Return the items of a queue that were put by hand for others, in order."""

    @abstractmethod
    def streamed(self, item_id: int) -> list[IdRange]:
        """Return what earlier attempts at an outstanding item have put; see `Streamed`."""

    @abstractmethod
    def has_streamed(self, queue_id: int) -> bool:
        """Return whether items of a queue that are not done have put anything; see `Streamed`."""

    @abstractmethod
    def next_spool_id(self) -> int:
        """Return the first number that no spool has, nor one with a higher number."""

    # --- natural keys ---

    @abstractmethod
    def digests(self, after_id: int, last_id: int, limit: int) -> list[tuple[int, bytes]]:
        """Return the digests of blocks with natural keys, in order.

        Args:
            after_id: Blocks that begin behind this id.
            last_id: Blocks that begin up to this one.
            limit: Most blocks.

        Returns:
            The id of each block's first item, and the digests of all of its items.
        """

    @abstractmethod
    def digest(self, item_id: int) -> bytes | None:
        """Return the digest of an item's natural key; None if it has none, or was given up."""

    @abstractmethod
    def done_keys(
        self, names: Collection[str], but_load: int, after_id: int, limit: int
    ) -> list[tuple[int, bytes]]:
        """Return the keys that loads have done, as far as `note_done_keys` has noted them.

        Args:
            names: The names of the queues.
            but_load: A load that is left out.
            after_id: Where the page before ended.
            limit: Most entries.

        Returns:
            Where the page has come, and digests one after the other, for each entry.

        Raises:
            JournalCorrupt: An entry is damaged.
        """

    @abstractmethod
    def note_done_keys(self) -> bool:
        """Note some of the keys that settled loads have done, in some milliseconds.

        Only of queues that are marked for that (`QueueRow.once`). Noted is the key of an item that
        is done if nothing that came of it was dropped or is parked. An item that was edited by hand
        counts as what was put for it.

        Returns:
            Whether there may be more to note.
        """

    @abstractmethod
    def forget_done_keys(self) -> int:
        """Forget which keys were done, in loads that are settled; return how many. Synced."""

    # --- what is given up ---

    @abstractmethod
    def ended_loads(self) -> list[EndedLoad]:
        """Return the loads that have ended and were not purged, oldest first."""

    @abstractmethod
    def purge_load(self, load_id: int) -> bool:
        """Mark a load that has ended as purged: it keeps little, and `tidy` deletes the rest.

        Kept are its parameters, runs, workers and counters, its failures, and parked items with
        their payloads, which can be retried. Outstanding items, which an abandoned load may have,
        are dropped, and its queues sealed, so it is settled then.

        Returns:
            False, and nothing has changed, if it has not ended or is purged already, or if it is
            the load of the run that began last here.
        """

    @abstractmethod
    def tidy(self, spools_before: int) -> bool:
        """Delete a little of what purged loads and dead attempts have left, in some milliseconds.

        The load of the run that began last here is left alone.

        Args:
            spools_before: A number that no spool in use is below.

        Returns:
            Whether there may be more to delete.
        """

    @abstractmethod
    def is_bare(self) -> bool:
        """Return whether nothing is left but counters: all loads are purged, none has failures."""

    @abstractmethod
    def close(self) -> None:
        """Flush, fold the log back into the file, and close. Safe to call twice."""
