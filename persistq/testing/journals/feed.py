"""Drives one queue of a journal, as a broker would.

All checks change a journal through this class: when the interface changes, it changes here.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import cached_property
from itertools import combinations
from typing import Final

from persistq.blocks import ITEMS_MAX, block_of, items_of, whole
from persistq.items import Failure, FailureKind, IdRange, Item, item_id_of, queue_of, ranges_of
from persistq.journal.base import Journal
from persistq.journal.batch import Batch, ByHand, Deed, Put
from persistq.journal.load import Load
from persistq.journal.queuerow import QueueRow
from persistq.journal.route import Route, RouteKind
from persistq.journal.run import Command, Ending, WorkerRecord
from persistq.journal.sourcerow import SourceRow
from persistq.peer import Peer

COMMAND: Final = Command(
    "/usr/bin/python3",
    ("etl.py", "--day", "caf\udce9"),
    "/srv/caf\udce9",
    Peer("host", 4711, 5, "node"),
)

ALL_BYTES: Final = 1 << 30


class Feed:
    """Moves items of one queue through a journal, and keeps its counters truthful.

    Args:
        journal: The journal.
        position: Position of the new queue in its load.
        load: The load; by default a new one, with a run.
    """

    def __init__(self, journal: Journal, position: int = 0, load: Load | None = None) -> None:
        self.journal = journal
        self.load = load or journal.begin_load("pipeline")
        if load is None:
            self.run_id = journal.begin_run(self.load.load_id, COMMAND)
        name = f"stage{position}"
        self.row: QueueRow = journal.add_queue(self.load.load_id, position, name)
        rows = journal.queues(self.load.load_id)
        # Each may have what it makes in all behind it.
        journal.set_routes(
            self.load.load_id,
            [
                Route(row.queue_id, other.queue_id, RouteKind.FEEDS)
                for row, other in combinations(rows, 2)
            ],
        )

    @cached_property
    def source(self) -> SourceRow:
        """A source of the queue, which is recorded when it is first asked for."""
        return self.journal.add_source(self.row.queue_id, f"source of {self.row.name}")

    def id(self, n: int) -> int:
        """Return the id of the n-th item."""
        return item_id_of(self.row.queue_id, n)

    def ids(self, numbers: Sequence[int]) -> list[int]:
        """Return the ids of items."""
        return [self.id(n) for n in numbers]

    def ranges(self, numbers: Sequence[int]) -> list[IdRange]:
        """Return items as ranges."""
        return ranges_of(self.ids(numbers))

    def blocks(self, payloads: Sequence[bytes], codec: int = 1) -> list[Put]:
        """Return the next items in as few blocks as there can be, and count them as put."""
        puts = []
        for start in range(0, len(payloads), ITEMS_MAX):
            block = block_of(codec, payloads[start : start + ITEMS_MAX])
            puts.append(Put(self.id(self.row.next_n), block))
            self.row.next_n += block.count
        return puts

    def singles(self, count: int, payload: bytes = b"payload") -> list[Put]:
        """Return the next items, each a block by itself, and count them as put."""
        return [put for _ in range(count) for put in self.blocks([payload])]

    def put(self, count: int, payload: bytes = b"payload", synced: bool = False) -> list[Item]:
        """Put items, each a block by itself, and return them."""
        return self.put_blocks(self.singles(count, payload), synced=synced)

    def put_together(self, count: int, payload: bytes = b"payload") -> list[Item]:
        """Put items in as few blocks as there can be, and return them."""
        return self.put_blocks(self.blocks([payload] * count))

    def put_blocks(self, puts: list[Put], synced: bool = False) -> list[Item]:
        """Put blocks, and return their items."""
        self.commit(Batch(puts=puts, synced=synced))
        return list(items_of(whole(put.first_id, put.block) for put in puts))

    def done(self, *numbers: int) -> None:
        """Record items as done."""
        self.row.done += len(numbers)
        self.commit(Batch(done=self.ranges(numbers)))

    def drop(self, *numbers: int) -> None:
        """Record items as dropped."""
        self.row.dropped += len(numbers)
        self.commit(Batch(dropped=self.ranges(numbers)))

    def park(self, *numbers: int) -> None:
        """Record items as parked."""
        self.row.parked += len(numbers)
        self.commit(Batch(parked=self.ids(numbers)))

    def fail(
        self, n: int, kind: FailureKind = FailureKind.EXCEPTION, retry_at: float | None = None
    ) -> None:
        """Record a failed attempt at an item."""
        failure = Failure(self.id(n), kind, "ValueError", "no", retry_at=retry_at)
        self.commit(Batch(failures=[failure]))

    def unpark(self, *numbers: int) -> None:
        """Make parked items outstanding again, and reopen the load."""
        self.row.parked -= len(numbers)
        ids = self.ids(numbers)
        self.commit(Batch(unparked=ids, reopened_load=self.load.load_id, synced=True))

    def discard(self, *numbers: int) -> None:
        """Drop parked items by hand."""
        self._drop_parked(Batch(), Deed.DROPPED, numbers)

    def replace(self, n: int, payload: bytes = b"mended", digest: bytes | None = None) -> None:
        """Put an item by hand for a parked one, which is dropped; the queue stays sealed."""
        sealed = self.row.sealed_total is not None
        [put] = self.singles(1, payload)
        puts = [put._replace(block=put.block._replace(digests=digest))]
        batch = Batch(puts=puts, reopened_load=self.load.load_id)
        self.row.sealed_total = self.row.put if sealed else None
        self._drop_parked(batch, Deed.EDITED, [n], self.id(self.row.put))

    def _drop_parked(
        self, batch: Batch, deed: Deed, numbers: Sequence[int], replacement: int | None = None
    ) -> None:
        ids = self.ids(numbers)
        self.row.parked -= len(ids)
        self.row.dropped += len(ids)
        batch.dropped, batch.discarded = self.ranges(numbers), ids
        batch.by_hand = [ByHand(item_id, deed, replacement) for item_id in ids]
        batch.synced = True
        self.commit(batch)

    def parked(self) -> list[int]:
        """Return the numbers of the parked items."""
        return [item_id - self.id(0) for item_id in self.journal.parked_ids(self.row.queue_id)]

    def seal(self) -> None:
        """Record that nothing more will be put."""
        self.row.sealed_total = self.row.put
        self.commit(Batch(synced=True))

    def settle(self) -> None:
        """Seal the queue and settle its load."""
        self.row.sealed_total = self.row.put
        self.commit(Batch(settled_load=self.load.load_id))

    def begin_worker(self, pid: int = 1) -> int:
        """Record that a process begins to take items, and return the number of its record."""
        worker_id = self.journal.next_worker_id()
        peer = Peer("host", pid, 5, "node")
        self.commit(Batch(workers=[WorkerRecord(worker_id, self.row.queue_id, peer)]))
        return worker_id

    def end_worker(self, worker_id: int = 1, how: str = "left") -> None:
        """Record how such a process took leave."""
        self.commit(Batch(departures={worker_id: how}))

    def note_ending(self, pid: int = 1) -> None:
        """Record that a process was killed."""
        self.commit(Batch(endings=[Ending(pid, -9, 9, None, out_of_memory=False)]))

    def commit(self, batch: Batch) -> None:
        """Record a batch together with the queue's counters."""
        batch.queues[self.row.queue_id] = self.row
        for put in batch.puts:
            batch.queues[queue_of(put.first_id)].bytes += len(put.block.data)
        self.journal.commit(batch)

    def reread(self) -> None:
        """Take the counters from the journal."""
        rows = self.journal.queues(self.load.load_id)
        (self.row,) = (row for row in rows if row.queue_id == self.row.queue_id)

    def carried_on(self, journal: Journal) -> Feed:
        """Return what drives the same queue in the journal as it was opened again, with a run."""
        feed = copy(self)
        feed.journal = journal
        feed.run_id = journal.begin_run(self.load.load_id, COMMAND)
        feed.reread()
        return feed

    def outstanding(self, limit: int = 1000, bytes_max: int = ALL_BYTES) -> list[int]:
        """Return the numbers of the first page of outstanding items."""
        page = self.journal.outstanding_page(self.id(0), self.id(1 << 30), limit, bytes_max)
        return [item.item_id - self.id(0) for item in items_of(page)]

    def everything_put(self) -> list[Item]:
        """Return all items of the queue, finished or not."""
        page = self.journal.put_page(self.id(0), self.id(1 << 30), 1 << 20, ALL_BYTES)
        return list(items_of(page))
