"""How long a load will take: from what is recorded of its items, then from what is measured.

Right after a resume nothing is measured, but the journal knows how long the items took that are
done. How many items will still come to a stage that is fed by others is told by how many they have
made so far. Where a source runs nobody knows, and what is said is the least that it can be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from persistq.display.plan import StagePlan

if TYPE_CHECKING:
    from persistq.display.speed import Speed
    from persistq.wire.messages import QueueSizes

TRUSTED_S: Final = 10.0
TRUSTED_ITEMS: Final = 20
"""From so long, and so many items, on what is measured counts alone."""


class Left(NamedTuple):
    """How long something will take.

    Attributes:
        seconds: The time; None if nothing tells it.
        least: Whether it may be more.
    """

    seconds: float | None
    least: bool


class Coming(NamedTuple):
    """How many items a stage has before it.

    Attributes:
        items: Those outstanding, and those that are expected.
        least: Whether it may be more.
    """

    items: float
    least: bool


def outstanding_of(queue: QueueSizes) -> int:
    """Return how many items of a stage are neither done, dropped nor parked."""
    return queue.put - queue.done - queue.dropped - queue.parked


def coming_to(queues: Iterable[QueueSizes], plans: Mapping[int, StagePlan]) -> dict[int, Coming]:
    """Return how many items each stage has before it, by its queue.

    Args:
        queues: The stages, each behind those that feed it.
        plans: What is known of them.
    """
    coming: dict[int, Coming] = {}
    finished: dict[int, int] = {}
    for queue in queues:
        finished[queue.queue_id] = queue.done + queue.dropped
        feeders = plans.get(queue.queue_id, StagePlan()).feeders
        there = outstanding_of(queue)
        if queue.sealed:
            coming[queue.queue_id] = Coming(there, least=False)
        elif plans.get(queue.queue_id, StagePlan()).open or not feeders:
            coming[queue.queue_id] = Coming(there, least=True)
        else:
            before = [coming[feeder] for feeder in feeders if feeder in coming]
            by_now = sum(finished.get(feeder, 0) for feeder in feeders)
            coming[queue.queue_id] = _made_of(before, by_now, queue.put, there)
    return coming


def _made_of(before: Sequence[Coming], by_now: int, made: int, there: int) -> Coming:
    """Return what a stage gets, if its feeders go on to make as many items of one as by now."""
    wait = sum(coming.items for coming in before)
    least = any(coming.least for coming in before)
    if not wait:
        return Coming(there, least)
    return Coming(there + made / by_now * wait, least) if by_now else Coming(there, least=True)


def left_at(queue: QueueSizes, plan: StagePlan, speed: Speed, coming: Coming, now: float) -> Left:
    """Return how long a stage will take for what it has before it.

    Args:
        queue: The stage.
        plan: How it is worked on.
        speed: What is measured of it.
        coming: What it has before it.
        now: Monotonic time in seconds.
    """
    if not coming.items:
        return Left(None if coming.least else 0.0, coming.least)
    # What waits for its time tells nothing of how long that is.
    there = outstanding_of(queue)
    pace = None if there and queue.delayed >= there else pace_of(queue, plan, speed, now)
    return Left(coming.items / pace if pace else None, coming.least)


def pace_of(queue: QueueSizes, plan: StagePlan, speed: Speed, now: float) -> float | None:
    """Return how many items a second a stage is expected to finish; None if nothing tells it."""
    recorded = _recorded(queue, plan)
    if not speed.finished:
        return recorded
    measured = speed.lately(now)
    if recorded is None:
        return measured
    trust = min(1.0, speed.elapsed(now) / TRUSTED_S, speed.finished / TRUSTED_ITEMS)
    return trust * measured + (1 - trust) * recorded


def _recorded(queue: QueueSizes, plan: StagePlan) -> float | None:
    if not queue.done or queue.worked <= 0:
        return None
    return min(plan.hands * queue.done / queue.worked, plan.calls)


def longest(times: Iterable[Left]) -> Left:
    """Return how long several stages take that work beside each other; none take no time."""
    known = [*times] or [Left(0.0, least=False)]
    seconds = [left.seconds for left in known if left.seconds is not None]
    least = any(left.least or left.seconds is None for left in known)
    return Left(max(seconds, default=None), least)
