"""Small queues for tests of scheduler and transitions, without a journal on disk."""

from __future__ import annotations

import random
from typing import Any

from persistq.broker.lane import ITEM_BYTES, Lane
from persistq.broker.policy import FailurePolicy
from persistq.broker.scheduler import Scheduler
from persistq.broker.transitions import Cause, Transitions
from persistq.graph import Graph
from persistq.items import FailureKind, Item, item_id_of
from persistq.journal.base import Batch, QueueRow
from persistq.wire.messages import StageSpec

QUEUE = 1
FIRST = item_id_of(QUEUE, 1)


def items(start: int, stop: int, size: int = 1) -> list[Item]:
    """Return the items with these numbers."""
    return [Item(item_id_of(QUEUE, n), 0, b"x" * size) for n in range(start, stop)]


def ids(*numbers: int) -> list[int]:
    """Return item ids."""
    return [item_id_of(QUEUE, n) for n in numbers]


def numbers(window: list[Item]) -> list[int]:
    """Return the numbers of items."""
    return [item.item_id - item_id_of(QUEUE, 0) for item in window]


def new_lane(put: int = 0, **row: Any) -> Lane:
    """Return a lane with that many items ready."""
    lane = Lane(QueueRow(QUEUE, 1, 0, "load", next_n=put + 1, **row), 1000 * (ITEM_BYTES + 1))
    if put:
        lane.arrive(items(1, put + 1))
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

    def parked_ids(self, queue_id: int) -> list[int]:
        """Return what is parked by now."""
        return sorted(n for n in self._parked if n >> 40 == queue_id)

    def commit(self, batch: Batch) -> None:
        """Keep a batch."""
        assert self._parked >= set(batch.unparked)
        self._parked = self._parked - set(batch.unparked) | set(batch.parked)
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
    return Transitions(records, [row], Graph.chain([row.name]), scheduler, {row.queue_id: rules})


RAISED = Cause(FailureKind.EXCEPTION, "ValueError", "no")
CRASHED = Cause(FailureKind.CRASH, "WorkerDied", "it died")
OVERDUE = Cause(FailureKind.TIMEOUT, "TimeoutError", "too long")


def recall(lane: Lane) -> None:
    """Read again what is due, as a broker does in each turn."""
    lane.recall(
        [Item(n, 0, b"x") for s in lane.recall_wanted() for n in range(s.after + 1, s.last + 1)]
    )


def served(scheduler: Scheduler, now: float = 0.0) -> dict[int, list[int]]:
    """Hand out, and return the numbers each consumer got."""
    first = {consumer: numbers(window.items) for consumer, window in scheduler.assign(now)}
    for lane in scheduler.lanes.values():
        recall(lane)
    return first | {consumer: numbers(window.items) for consumer, window in scheduler.assign(now)}
