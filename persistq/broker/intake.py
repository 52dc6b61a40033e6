"""How items come: they are numbered and counted at once, recorded, and then lined up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import TYPE_CHECKING

from persistq import failpoints
from persistq.blocks import Block, Origin, Slice, whole
from persistq.items import ITEMS_PER_QUEUE_MAX, IdRange, ids_in, item_id_of
from persistq.journal.attempts import Delay
from persistq.journal.batch import Published, Put

if TYPE_CHECKING:
    from collections.abc import Callable

    from persistq.broker.record import Record
    from persistq.broker.scheduler import Scheduler
    from persistq.broker.sources import Sources
    from persistq.broker.spools import Spool
    from persistq.broker.uniqueness import Uniqueness
    from persistq.graph import Graph
    from persistq.journal.queuerow import QueueRow


class Intake:
    """Takes new items in: those that are put, and those that a spool becomes.

    Crash: what was not committed is not recorded, and nobody was told that it is.

    Args:
        rows: The queues by number.
        graph: Who feeds whom, by the names of the queues.
        scheduler: Where they are lined up.
        sources: The sources of the load.
        record: What is recorded.
        zero: When the scheduler's clock stood at 0, in seconds since 1970.

    Attributes:
        unique: Which natural keys are known, by queue, where there are such.
        results: The queues whose items are kept, and done as soon as they are recorded.
        passed: The queues that get the items of another stage themselves, and nothing made of them.
    """

    def __init__(
        self,
        rows: Mapping[int, QueueRow],
        graph: Graph,
        scheduler: Scheduler,
        sources: Sources,
        record: Record,
        zero: Callable[[], float],
    ) -> None:
        self.unique: dict[int, Uniqueness] = {}
        self.results: set[int] = set()
        self.passed: set[int] = set()
        self._rows = rows
        self._named = {row.name: row for row in rows.values()}
        self._graph = graph
        self._scheduler = scheduler
        self._sources = sources
        self._record = record
        self._zero = zero
        self._arrivals: dict[int, list[Slice]] = {}
        self._unread: dict[int, int] = {}
        self._delays: list[Delay] = []

    def put(
        self,
        queue_id: int,
        blocks: Sequence[Block],
        *,
        synced: bool,
        origins: Sequence[Origin] | None = None,
        source: int | None = None,
    ) -> int:
        """Add new items to a queue; if it was sealed, the seal is lifted with the first of them.

        They may be handed out as soon as they are committed. In a queue with natural keys those
        are left out, and counted, whose key it has.

        Args:
            queue_id: The queue.
            blocks: The items.
            synced: Whether somebody was promised that they survive a power cut.
            origins: Of what the items of each block were made; None if they were put.
            source: The source that has put them, if the queue has any.

        Returns:
            How many there were.
        """
        row = self._rows[queue_id]
        if blocks and (unique := self.unique.get(queue_id)) is not None:
            self._record.touch(row)
            blocks, origins = unique.admit(blocks, origins)
        before = row.next_n
        if blocks:
            self.add(row, blocks, origins, source)
            self._record.batch.synced |= synced
        return row.next_n - before

    def add(
        self,
        row: QueueRow,
        blocks: Sequence[Block],
        origins: Sequence[Origin] | None = None,
        source: int | None = None,
    ) -> None:
        """Add new items to a queue, whatever their keys; see `put`."""
        queue_id, record = row.queue_id, self._record
        self._note_source(row, source)
        arrivals = self._arrivals.setdefault(queue_id, [])
        for block, origin in zip(
            blocks, repeat(None) if origins is None else origins, strict=False
        ):
            first = self._grow(row, block.count)
            record.note_bytes(block)
            row.bytes += len(block.data)
            record.batch.puts.append(Put(first, block, origin))
            if queue_id in self.results:
                self._keep(row, first, block.count)
            elif queue_id not in self._unread:
                arrivals.append(whole(first, block if block.digests is None else _bare(block)))
            if block.due is not None:
                self._delays.append(
                    Delay(IdRange(first, first + block.count - 1), block.due / 1000)
                )

    def publish(self, made_in: QueueRow, spool: Spool) -> None:
        """Make items of a spool; they are left on disk, and so is what is put behind them.

        Crash: they are recorded with the end of what they were made of, or the spool is void.

        Args:
            made_in: The queue of the item of which they were made.
            spool: The spool; its attempt has ended well.
        """
        failpoints.point("broker.before_publish")
        named = (self._named[name] for name in self._graph.feeds[made_in.name])
        fed = [row for row in named if row.queue_id not in self.passed]
        for row in [self._rows[spool.queue_id]] if spool.queue_id else fed:
            self._note_source(row, None)
            first = self._grow(row, spool.count)
            row.bytes += spool.size
            published = Published(first, spool.count, spool.spool_id, spool.item_id)
            self._record.batch.published.append(published)
            if row.queue_id in self.results:
                self._keep(row, first, spool.count)
            else:
                self._unread.setdefault(row.queue_id, first)

    def is_coming(self, queue_id: int) -> bool:
        """Return whether something is put on a queue that is still to be committed."""
        return queue_id in self._arrivals or queue_id in self._unread

    def line_up(self) -> None:
        """Have handed out, or read from the journal, what is committed by now."""
        arrivals, unread, delays = self._arrivals, self._unread, self._delays
        self._arrivals, self._unread, self._delays = {}, {}, []
        for delay in delays:
            self.expect_later(delay)
        for slices in arrivals.values():
            if slices:
                self._scheduler.arrive(slices)
        for queue_id, first in unread.items():
            last = item_id_of(queue_id, self._rows[queue_id].put)
            self._scheduler.arrive_on_disk(IdRange(first, last))

    def expect_later(self, delay: Delay) -> None:
        """Have items wait until a time that were put so, and are still to be lined up."""
        for item_id in ids_in([delay.ids]):
            self._scheduler.note_delay(item_id, delay.due - self._zero())

    # --- inside ---

    def _note_source(self, row: QueueRow, source: int | None) -> None:
        """Record from which item on it is another one than before that puts on a queue."""
        if source != self._sources.latest(row.queue_id):
            failpoints.point("broker.before_source_span")
            first = item_id_of(row.queue_id, row.next_n)
            span = self._sources.begin(row.queue_id, source, first)
            self._record.batch.source_spans.append(span)

    def _grow(self, row: QueueRow, count: int) -> int:
        """Count so many new items, and return the id of the first; a seal is lifted."""
        first = item_id_of(row.queue_id, row.next_n)
        row.next_n += count
        assert row.next_n <= ITEMS_PER_QUEUE_MAX, "a queue is full"
        row.sealed_total = None
        self._record.touch(row)
        return first

    def _keep(self, row: QueueRow, first: int, count: int) -> None:
        """Record new items as done: they are results, which are kept and not worked on.

        Crash: they are put and done in the transaction that ends what they were made of.
        """
        failpoints.point("broker.before_keep")
        row.done += count
        self._record.batch.done.append(IdRange(first, first + count - 1))


def _bare(block: Block) -> Block:
    """Return a block without its digests, which no consumer needs."""
    return block._replace(digests=None)
