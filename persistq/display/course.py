"""The course of a run: what its counters say at one moment. It draws nothing, and asks no clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from persistq.display.forecast import Left, coming_to, left_at, longest, outstanding_of
from persistq.display.plan import LoadPlan, StagePlan
from persistq.display.speed import Speed

if TYPE_CHECKING:
    from persistq.wire.messages import QueueSizes


class StageCourse(NamedTuple):
    """Where one stage stands.

    Attributes:
        sizes: Its counters.
        now: Items done or dropped in this run; `QueueSizes.resumed` are those of before.
        rate: Items a second, lately.
        mean: Items a second since the run began.
        left: How long it will take.
    """

    sizes: QueueSizes
    now: int
    rate: float
    mean: float
    left: Left

    @property
    def outstanding(self) -> int:
        """Items that are neither done, dropped nor parked."""
        return outstanding_of(self.sizes)

    @property
    def settled(self) -> bool:
        """Whether it is over."""
        return self.sizes.sealed and not self.outstanding

    @property
    def percent(self) -> int | None:
        """How much of it is settled, rounded down; None while nobody knows how much there is.

        Nor has it one if there is nothing.
        """
        total = self.sizes.put
        if not self.sizes.sealed or not total:
            return None
        return (total - self.outstanding) * 100 // total

    @property
    def each(self) -> float | None:
        """How long one of its items takes, in seconds; None if none was done."""
        return self.sizes.worked / self.sizes.done if self.sizes.done else None


class Course:
    """Follows the counters of a run.

    Args:
        plan: The load.
        now: When the run begins, on the monotonic clock, in seconds.
    """

    def __init__(self, plan: LoadPlan, now: float) -> None:
        self.plan = plan
        self._began = now
        self._queues: tuple[QueueSizes, ...] = ()
        self._speeds: dict[int, Speed] = {}
        self.note(plan.queues, now)

    def note(self, queues: Sequence[QueueSizes], now: float) -> None:
        """Take in the counters of a moment."""
        self._queues = tuple(queue for queue in queues if not queue.results)
        for queue in self._queues:
            speed = self._speeds.setdefault(queue.queue_id, Speed(now))
            speed.note(_finished_now(queue), now)

    def elapsed(self, now: float) -> float:
        """Return for how long the run has been at work, in seconds."""
        return now - self._began

    def stages(self, now: float) -> list[StageCourse]:
        """Return where each stage stands; a hook is shown when it is called."""
        coming = coming_to(self._queues, self.plan.stages)
        return [
            self._stage(queue, left_at(queue, plan, self._speeds[queue.queue_id], there, now), now)
            for queue in self._queues
            if not (plan := self._plan_of(queue)).hook or queue.put
            for there in [coming[queue.queue_id]]
        ]

    def left(self, now: float) -> Left:
        """Return how long the load will take: its stages work beside each other."""
        return longest(
            stage.left
            for stage in self.stages(now)
            if not self._plan_of(stage.sizes).hook and not stage.settled
        )

    def rate(self, now: float) -> float:
        """Return items a second that all stages together have finished lately."""
        return sum(stage.rate for stage in self.stages(now))

    def mean(self, now: float) -> float:
        """Return the same since the run began."""
        return sum(stage.mean for stage in self.stages(now))

    # --- inside ---

    def _stage(self, queue: QueueSizes, left: Left, now: float) -> StageCourse:
        speed = self._speeds[queue.queue_id]
        return StageCourse(queue, _finished_now(queue), speed.lately(now), speed.mean(now), left)

    def _plan_of(self, queue: QueueSizes) -> StagePlan:
        return self.plan.stages.get(queue.queue_id, StagePlan())


def _finished_now(queue: QueueSizes) -> int:
    return max(0, queue.done + queue.dropped - queue.resumed)
