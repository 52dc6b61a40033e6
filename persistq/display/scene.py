"""All that a picture of a run shows, at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from persistq.display.working import longest_at_work

if TYPE_CHECKING:
    from persistq.display.console import Workers
    from persistq.display.course import Course, StageCourse
    from persistq.display.forecast import Left
    from persistq.display.working import Longest
    from persistq.pool.attendance import Attendance


class Scene(NamedTuple):
    """A run at one moment.

    Attributes:
        name: The load's name.
        load_id: Its number.
        elapsed: For how long the run has been at work, in seconds.
        left: How long it will take.
        stages: Where each stage stands.
        attendance: How many workers are there.
        at_work: How many attempts are going on.
        longest: The one that is going on for the longest time.
        over: Whether the run is over: nothing is left to wait for, and rates are means.
    """

    name: str
    load_id: int
    elapsed: float
    left: Left
    stages: Sequence[StageCourse]
    attendance: Attendance
    at_work: int
    longest: Longest | None
    over: bool = False


def scene_of(course: Course, workers: Workers, now: float, *, over: bool = False) -> Scene:
    """Return what there is to show.

    Args:
        course: The load.
        workers: Who is at work.
        now: Monotonic time in seconds.
        over: Whether the run is over.
    """
    at_work = [] if over else workers.at_work()
    return Scene(
        course.plan.name,
        course.plan.load_id,
        course.elapsed(now),
        course.left(now),
        course.stages(now),
        workers.attendance(),
        len(at_work),
        longest_at_work(at_work, now),
        over,
    )
