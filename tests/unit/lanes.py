"""Small queues for tests of the scheduler, without a journal."""

from __future__ import annotations

import random
from typing import Any

from persistq.broker.lane import ITEM_BYTES, Lane
from persistq.broker.scheduler import Scheduler
from persistq.items import Item, item_id_of
from persistq.journal.base import QueueRow
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


def new_scheduler(lane: Lane, window_max: int = 512, **policy: Any) -> Scheduler:
    """Return a scheduler of one lane."""
    scheduler = Scheduler(window_time=1.0, window_max=window_max, jitter=random.Random(1))
    scheduler.add_lane(lane, StageSpec("load", **policy))
    return scheduler


def recall(lane: Lane) -> None:
    """Read again what is due, as a broker does in each turn."""
    lane.recall(
        [Item(n, 0, b"x") for s in lane.recall_wanted() for n in range(s.after + 1, s.last + 1)]
    )


def served(scheduler: Scheduler, now: float = 0.0) -> dict[int, list[int]]:
    """Hand out, and return the numbers each consumer got."""
    first = {consumer: numbers(window) for consumer, window in scheduler.assign(now)}
    for lane in scheduler.lanes.values():
        recall(lane)
    return first | {consumer: numbers(window) for consumer, window in scheduler.assign(now)}
