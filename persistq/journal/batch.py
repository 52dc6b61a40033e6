"""What one transaction records."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from persistq.blocks import Block, Origin
from persistq.items import Failure, IdRange
from persistq.journal.queuerow import QueueRow
from persistq.journal.run import Ending, WorkerRecord
from persistq.journal.sourcerow import Cursor, SourceSpan
from persistq.timings import Sample, StageTimes


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
