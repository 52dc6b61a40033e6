"""Small queues for tests of scheduler and transitions, without a journal on disk."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from persistq.blocks import JSON, Block, Slice, block_of, whole
from persistq.broker.cause import Cause
from persistq.broker.lane import Lane
from persistq.broker.line import SLICE_BYTES
from persistq.broker.policy import FailurePolicy
from persistq.broker.scheduler import Scheduler
from persistq.broker.transitions import Transitions
from persistq.graph import Graph
from persistq.items import FailureKind, IdRange, item_id_of, ranges_of
from persistq.journal.batch import Batch
from persistq.journal.queuerow import QueueRow
from persistq.wire.messages import StageSpec

QUEUE = 1
FIRST = item_id_of(QUEUE, 1)
ZERO = 1_000_000.0
"""When the clock of these tests stood at 0, in seconds since 1970."""


def block(start: int, stop: int) -> Block:
    """Return one block of these values."""
    return block_of(JSON, [b"%d" % n for n in range(start, stop)])


def together(start: int, stop: int) -> list[Slice]:
    """Return the items with these numbers as one block."""
    return [whole(item_id_of(QUEUE, start), block(start, stop))]


def items(start: int, stop: int) -> list[Slice]:
    """Return the items with these numbers as blocks of one."""
    return [whole(item_id_of(QUEUE, n), block(n, n + 1)) for n in range(start, stop)]


def ids(*numbers: int) -> list[int]:
    """Return item ids."""
    return [item_id_of(QUEUE, n) for n in numbers]


def ranges(*numbers: int) -> list[IdRange]:
    """Return items as ranges, as a report names them."""
    return ranges_of(ids(*numbers))


def numbers(slices: Iterable[Slice]) -> list[int]:
    """Return the numbers of items, whose values are what they should be."""
    found = [item for part in slices for item in part.items()]
    assert all(item.payload == b"%d" % (item.item_id - FIRST + 1) for item in found)
    return [item.item_id - FIRST + 1 for item in found]


def new_lane(put: int = 0, **row: Any) -> Lane:
    """Return a lane with that many items ready, in one block."""
    lane = Lane(QueueRow(QUEUE, 1, 0, "load", next_n=put + 1, **row), 1000 * (SLICE_BYTES + 1))
    if put:
        lane.arrive(together(1, put + 1))
    return lane


def new_scheduler(lane: Lane, window_max: int = 512) -> Scheduler:
    """Return a scheduler of one lane."""
    scheduler = Scheduler(window_time=1.0, window_max=window_max)
    scheduler.add_lane(lane)
    return scheduler


class Records:
    """Stands for the journal: keeps what was committed, and knows what is parked.

    Attributes:
        batches: What was committed.
    """

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self._parked: set[int] = set()

    def next_worker_id(self) -> int:
        """Begin with 1."""
        return 1

    def next_spool_id(self) -> int:
        """Begin with 1."""
        return 1

    def parked_ids(self, queue_id: int) -> list[int]:
        """Return what is parked by now."""
        return sorted(n for n in self._parked if n >> 40 == queue_id)

    def put_page(self, *_: int) -> list[Slice]:
        """Nothing is read again."""
        return []

    def commit(self, batch: Batch) -> None:
        """Keep a batch."""
        left = {*batch.unparked, *batch.discarded}
        assert self._parked >= left
        self._parked = self._parked - left | set(batch.parked)
        self.batches.append(batch)

    def flush(self) -> None:
        """Everything is where it will stay."""


def new_transitions(
    lane: Lane, *, seed: int = 1, window_max: int = 512, **policy: Any
) -> Transitions:
    """Return the transitions of one lane under a policy."""
    return transitions_of(Records(), lane, seed=seed, window_max=window_max, **policy)


def transitions_of(
    records: Any, lane: Lane, *, seed: int = 1, window_max: int = 512, **policy: Any
) -> Transitions:
    """Return the transitions of one lane that are recorded somewhere."""
    row, rules = lane.row, FailurePolicy(StageSpec("load", **policy), random.Random(seed))
    scheduler = new_scheduler(lane)
    graph = Graph.chain([row.name])
    return Transitions(records, [row], graph, scheduler, {row.queue_id: rules}, lambda: ZERO)


RAISED = Cause(FailureKind.EXCEPTION, "ValueError", "no")
CRASHED = Cause(FailureKind.CRASH, "WorkerDied", "it died")
OVERDUE = Cause(FailureKind.TIMEOUT, "TimeoutError", "too long")


def recall(lane: Lane) -> None:
    """Read again what is due, as a broker does in each turn."""
    wanted = [(s.after - FIRST + 2, s.last - FIRST + 2) for s in lane.retries.wanted()]
    lane.recall([part for bounds in wanted for part in items(*bounds)])


def served(scheduler: Scheduler, now: float = 0.0) -> dict[int, list[int]]:
    """Hand out, and return the numbers each consumer got."""
    first = {consumer: numbers(window.slices) for consumer, window in scheduler.assign(now)}
    for lane in scheduler.lanes.values():
        recall(lane)
    return first | {consumer: numbers(window.slices) for consumer, window in scheduler.assign(now)}
