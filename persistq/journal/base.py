"""The contract of a journal: what the broker asks of the place that holds both logs.

One broker owns the only writing `Journal`; everybody else looks through a read-only `JournalView`.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from persistq.blocks import Block, Origin, Slice
from persistq.items import Failure, FailureKind, IdRange
from persistq.keys import PutSpan
from persistq.peer import Peer
from persistq.timings import Sample, SlowItem, StageTimes


class LoadState(enum.StrEnum):
    """Where a load stands; the texts are stored in the journal.

    An open load is carried on by the next start. One that had ended and is worked on again is
    reopened: only a start that names it works on it.
    """

    OPEN = "open"
    SETTLED = "settled"
    ABANDONED = "abandoned"
    REOPENED = "reopened"

    @property
    def unfinished(self) -> bool:
        """Whether the load can be carried on as it is."""
        return self in {LoadState.OPEN, LoadState.REOPENED}


class RunResult(enum.StrEnum):
    """How a run ended; a run that was killed has no result."""

    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Command:
    """What to type to start this program again.

    Attributes:
        executable: Absolute path of the interpreter.
        argv: Its arguments, without the interpreter itself.
        cwd: Absolute path of the directory it was started in.
        peer: The process that opened the load.
        environment: Settings that it was given by its environment, by variable.
    """

    executable: str
    argv: tuple[str, ...]
    cwd: str
    peer: Peer
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Load:
    """One journaled execution, from its first put until it is settled."""

    load_id: int
    kind: str
    state: LoadState
    created_at: datetime
    ended_at: datetime | None
    purged_at: datetime | None = None
    """When its rows were given up, but for counters, failures and parked items."""


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of a load, as it is stored.

    Attributes:
        name: Its name.
        codec: How the value is encoded, as for items.
        payload: The encoded value.
        shown: The value for people; masked if it is named like a secret.
        given: Whether the start that began the load named it; if not, it is the source's default.
    """

    name: str
    codec: int
    payload: bytes
    shown: str
    given: bool


@dataclass(frozen=True, slots=True)
class Left:
    """What a load that no plain start works on still has.

    Attributes:
        load_id: The load.
        state: Where it stands.
        parked: Its items parked as failed.
        outstanding: Its outstanding items.
    """

    load_id: int
    state: LoadState
    parked: int
    outstanding: int


@dataclass(frozen=True, slots=True)
class Run:
    """One process lifetime that worked on a load.

    ``run_id`` is unique in its journal, ``uuid`` (32 hex digits) everywhere.
    """

    run_id: int
    load_id: int
    command: Command
    started_at: datetime
    ended_at: datetime | None
    result: RunResult | None
    reason: str
    uuid: str


@dataclass(slots=True)
class QueueRow:
    """One stage of a load, with the counters that make status a look-up.

    The broker changes these in memory and hands the rows back in the `Batch` whose records they
    count.

    Attributes:
        queue_id: Unique in its journal.
        load_id: The load it belongs to.
        position: 0 for the first stage.
        name: The stage's name, unique in its load.
        next_n: Number of the next item; ``next_n - 1`` items were ever put.
        done: Rows of the done-log with outcome done.
        dropped: Rows of the done-log with outcome dropped.
        parked: Rows of ``parked``.
        sealed_total: Number of items when the queue was sealed, None while it is open.
        bytes: Of the data of all its blocks, also of those that were given up; of what was
            published, of the blocks in its spool.
        held: Why its stage, or what feeds it, waits, for people; empty if neither does.
        rated_until: Until when the calls of its handler last, or a little longer, if they are
            spread as its rate says; in milliseconds since 1970, 0 without a rate.
        keyed: Whether its items have natural keys, each one only once.
        once: Whether the keys of what it has done are remembered by the journal.
        duplicates: Puts that were left out, because their key is in the queue.
        skipped: Puts that were left out, because an earlier load has done their key.
        worked: How long the items that are done took together, in seconds.
    """

    queue_id: int
    load_id: int
    position: int
    name: str
    next_n: int = 1
    done: int = 0
    dropped: int = 0
    parked: int = 0
    sealed_total: int | None = None
    bytes: int = 0
    held: str = ""
    rated_until: int = 0
    keyed: bool = False
    once: bool = False
    duplicates: int = 0
    skipped: int = 0
    worked: float = 0.0

    @property
    def put(self) -> int:
        """Number of items ever put."""
        return self.next_n - 1

    @property
    def outstanding(self) -> int:
        """Number of items that are neither done, dropped nor parked."""
        return self.put - self.done - self.dropped - self.parked

    @property
    def settled(self) -> bool:
        """Whether nothing more will come and nothing is left."""
        return self.sealed_total is not None and self.outstanding == 0


class RouteKind(enum.StrEnum):
    """Why a stage is behind another one; the texts are stored in the journal."""

    FEEDS = "feeds"
    """It gets what the other one makes."""
    PUTS = "puts"
    """It gets some of that, and leads back to the other one, or is it."""
    ENDS = "ends"
    """It begins when the other one has come to its end, and gets nothing of it."""
    KEEPS = "keeps"
    """It gets what the other one makes, which is kept as results, and is no stage of work."""
    PASSES = "passes"
    """It gets the items of the other one themselves, each when that is done with it."""


class Route(NamedTuple):
    """A way from one stage of a load to another, or back to itself.

    Attributes:
        queue_id: The stage.
        target_id: The one behind it.
        kind: Why that is behind it.
    """

    queue_id: int
    target_id: int
    kind: RouteKind


class EndedLoad(NamedTuple):
    """A load that has ended and has its rows still.

    Attributes:
        load_id: The load.
        state: Settled or abandoned.
        ended_at: When.
        bytes: Of the data of all its items.
        outstanding: Its outstanding items, which an abandoned load may have.
    """

    load_id: int
    state: LoadState
    ended_at: datetime
    bytes: int
    outstanding: int


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """A process that begins to take items from a queue in this run."""

    worker_id: int
    queue_id: int
    peer: Peer


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process of this run ended, as its parent has learnt it.

    Attributes:
        pid: The process.
        exit_code: Its exit status.
        signal: Number of the signal that killed it, or None.
        peak_rss: Largest resident set in bytes, or None when unknown.
        out_of_memory: Whether the kernel's OOM killer is the likely cause.
    """

    pid: int
    exit_code: int
    signal: int | None
    peak_rss: int | None
    out_of_memory: bool


class Put(NamedTuple):
    """A block of new items.

    Attributes:
        first_id: Id of its first item; those of the others follow.
        block: The items.
        origin: Of which items of other queues they were made; None for what was put.
    """

    first_id: int
    block: Block
    origin: Origin | None = None


@dataclass(slots=True)
class SourceRow:
    """A source of a load.

    Attributes:
        source_id: Its number; rises in the order in which its program names them.
        queue_id: What it puts on.
        name: Its name, which no other source of the queue has.
        ended: Whether it has come to its end, and is not called again.
    """

    source_id: int
    queue_id: int
    name: str
    ended: bool = False


class SourceSpan(NamedTuple):
    """From which item of a queue on it was another one that put.

    Attributes:
        first_id: The item.
        source_id: The source; None for what a stage has made.
    """

    first_id: int
    source_id: int | None


class Cursor(NamedTuple):
    """How far a source has come.

    Attributes:
        put: How many items of its queue were put up to it.
        value: The source's own value, as a block of one.
        duplicates: How many puts up to it were left out, as `QueueRow` counts them.
        skipped: The same.
    """

    put: int
    value: Block
    duplicates: int = 0
    skipped: int = 0


class Spooled(NamedTuple):
    """A block of outputs of an attempt that goes on: no items yet, perhaps never.

    Attributes:
        spool_id: Names all outputs of this attempt; see `Journal.next_spool_id`.
        before: How many outputs are spooled before this block.
        block: The outputs.
        item_id: The item that they are made of.
    """

    spool_id: int
    before: int
    block: Block
    item_id: int


class Published(NamedTuple):
    """All that was spooled of an attempt becomes items of a queue; one row, however many they are.

    Attributes:
        first_id: Id of the first item.
        count: How many there are.
        spool_id: Where they lie.
        item_id: The item that they were made of.
    """

    first_id: int
    count: int  # type: ignore[assignment] # tuple.count is not missed
    spool_id: int
    item_id: int


class Deed(enum.StrEnum):
    """What somebody has done to an item by hand; the texts are stored in the journal."""

    RETRIED = "retried"
    DROPPED = "dropped"
    EDITED = "edited"


class ByHand(NamedTuple):
    """What somebody has done to an item by hand: the trace of it.

    Attributes:
        item_id: The item.
        deed: What was done.
        replacement: What was put for an edited item, which is dropped in the same batch.
    """

    item_id: int
    deed: Deed
    replacement: int | None = None


class Streamed(NamedTuple):
    """Items that were made of an item which is not done yet, and go on all the same.

    Attributes:
        item_id: The item at work.
        ids: What was made of it, so that another attempt at it absorbs them.
    """

    item_id: int
    ids: IdRange


class Line(NamedTuple):
    """A line that a handler has printed.

    Attributes:
        item_id: The item that it was working on.
        stream: 1 for standard output, 2 for standard error.
        text: The line, without its end.
    """

    item_id: int
    stream: int
    text: str


LINES_MAX: Final = 10_000
"""So many lines a journal keeps, the newest."""


EVENTS_MAX: Final = 1_000_000
"""So many events a journal keeps, the newest; older ones go when it is tidied."""


@dataclass(slots=True)
class Batch:
    """Everything one transaction records; all of it is committed or none.

    Attributes:
        puts: New items, with ids taken from their queue's counter.
        source_spans: Where among ``puts`` another one begins to put than before in the queue.
        cursors: How far sources have come, by source, these puts included.
        ended_sources: Sources that have come to their end.
        spooled: Outputs of attempts that go on: kept, and no items yet.
        published: What has become of spools whose attempt has ended well.
        streamed: Items among ``puts`` that were made of an item which is not done yet.
        checkpoints: How far attempts at items have come, by item, as blocks of one; of items that
            are outstanding before this batch.
        done: Ids of finished items.
        dropped: Ids of dropped items.
        reasons: Why items were dropped, by id, where a reason was given.
        parked: Ids of items that failed for good.
        unparked: Ids of items that were parked before this batch and are outstanding again. Their
            failures are forgiven: kept for reading, no longer counted.
        discarded: Ids among those of ``dropped`` that were parked before this batch.
        by_hand: What somebody has done by hand, for reading.
        printed: What handlers have printed, in order.
        times: How long stages took in this run, by queue, all of it.
        slow: How long items took that are slow, by item, in seconds; of items that were put.
        no_longer_slow: Items of which that is kept no longer: others are slower.
        sample: Where the run stands, this batch included; None if that is not recorded.
        samples_every: Older samples of this run are dropped whose tick is no multiple of this; 0
            drops none.
        failures: Failed attempts.
        workers: Processes that begin to take items, under numbers that no record has yet.
        departures: How processes took leave, in a word, by the number of their record.
        endings: How processes ended. Each is added to the process's record, and to the failures of
            this or an earlier batch that it is blamed for.
        queues: The changed queue rows, with counters that include this batch.
        reopened_load: A load to mark as reopened if it had ended, or None.
        settled_load: A load to mark as settled, or None.
        synced: Whether the commit must be on disk before it returns (``synchronous=FULL``).
        untold: Whether events of puts may be left to `Journal.tell`, or to the next batch that has
            another event.
        bulky: Whether the new items have so many bytes that writing them is what takes time.
    """

    puts: list[Put] = field(default_factory=list)
    source_spans: list[SourceSpan] = field(default_factory=list)
    cursors: dict[int, Cursor] = field(default_factory=dict)
    ended_sources: list[int] = field(default_factory=list)
    spooled: list[Spooled] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    streamed: list[Streamed] = field(default_factory=list)
    checkpoints: dict[int, Block] = field(default_factory=dict)
    done: list[IdRange] = field(default_factory=list)
    dropped: list[IdRange] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)
    parked: list[int] = field(default_factory=list)
    unparked: list[int] = field(default_factory=list)
    discarded: list[int] = field(default_factory=list)
    by_hand: list[ByHand] = field(default_factory=list)
    printed: list[Line] = field(default_factory=list)
    times: dict[int, StageTimes] = field(default_factory=dict)
    slow: dict[int, float] = field(default_factory=dict)
    no_longer_slow: list[int] = field(default_factory=list)
    sample: Sample | None = None
    samples_every: int = 0
    failures: list[Failure] = field(default_factory=list)
    workers: list[WorkerRecord] = field(default_factory=list)
    departures: dict[int, str] = field(default_factory=dict)
    endings: list[Ending] = field(default_factory=list)
    queues: dict[int, QueueRow] = field(default_factory=dict)
    reopened_load: int | None = None
    settled_load: int | None = None
    synced: bool = False
    untold: bool = False
    bulky: bool = False

    def __bool__(self) -> bool:
        records = self.queues or self.puts or self.done or self.failures or self.spooled
        processes = self.workers or self.departures or self.endings
        notes = self.checkpoints or self.printed or self.times or self.sample
        return bool(records or processes or notes or self.settled_load is not None)


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often an outstanding item has failed so far, by kind.

    ``retry_at`` is when it is to be tried again, in seconds since 1970; None if at once.
    """

    item_id: int
    kind: FailureKind
    count: int
    retry_at: float | None = None


class Delay(NamedTuple):
    """Outstanding items that were put to wait.

    Attributes:
        ids: The items.
        due: Until when, in seconds since 1970.
    """

    ids: IdRange
    due: float


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


@dataclass(frozen=True, slots=True)
class JournalView:
    """What a reader sees of one load of a journal at one moment, without payloads.

    Attributes:
        path: The journal file.
        name: Its name.
        load: The load; None in a journal without any.
        run: The last run that worked on it.
        queues: Its queues.
        ran_last: Whether the last run of the journal worked on this load.
        params: Its parameters.
        left: Other loads that have parked or outstanding items, oldest first.
        routes: The ways between its stages.
    """

    path: str
    name: str
    load: Load | None
    run: Run | None
    queues: tuple[QueueRow, ...]
    ran_last: bool = True
    params: tuple[Param, ...] = ()
    left: tuple[Left, ...] = ()
    routes: tuple[Route, ...] = ()

    @property
    def worked_on(self) -> list[QueueRow]:
        """The queues of work: all but those of results."""
        kept = {route.target_id for route in self.routes if route.kind is RouteKind.KEEPS}
        return [queue for queue in self.queues if queue.queue_id not in kept]

    @property
    def results(self) -> QueueRow | None:
        """The queue of results, if the load keeps any."""
        return next((queue for queue in self.queues if queue not in self.worked_on), None)

    @property
    def outstanding(self) -> int:
        """Outstanding items of all queues of the load."""
        return sum(queue.outstanding for queue in self.queues)

    @property
    def parked(self) -> int:
        """Parked items of all queues of the load."""
        return sum(queue.parked for queue in self.queues)

    @property
    def unfinished(self) -> bool:
        """Whether the load can be carried on as it is."""
        return self.load is not None and self.load.state.unfinished
