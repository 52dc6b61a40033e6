"""Loads at one moment, for tests of what is shown of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from persistq.display.course import Course
from persistq.display.glyphs import FULL, Glyphs
from persistq.display.picture import picture_of
from persistq.display.plan import LoadPlan, StagePlan
from persistq.display.scene import scene_of
from persistq.pool.attendance import Attendance
from persistq.pool.workplace import AtWork
from persistq.wire.messages import QueueSizes

CHAIN = {
    1: StagePlan(hands=1),
    2: StagePlan(hands=2, feeders=(1,), open=False),
    3: StagePlan(hands=4, feeders=(2,), open=False),
}


def sizes(
    queue_id: int,
    put: int,
    done: int,
    *,
    name: str = "",
    parked: int = 0,
    sealed: bool = True,
    before: int = 0,
    worked: float = 0.0,
    in_hand: int = 0,
    delayed: int = 0,
    held: str = "",
    results: bool = False,
) -> QueueSizes:
    """Return the counters of a stage; what is outstanding waits."""
    return QueueSizes(
        queue_id,
        name or {1: "read", 2: "clean", 3: "store"}.get(queue_id, f"stage-{queue_id}"),
        put,
        done,
        0,
        parked,
        put - done - parked - in_hand,
        in_hand,
        sealed,
        before,
        delayed=delayed,
        held=held,
        results=results,
        worked=worked,
    )


def course(
    *queues: QueueSizes, plans: Mapping[int, StagePlan] = CHAIN, name: str = "sales"
) -> Course:
    """Return a run that begins at 0 with these stages."""
    return Course(LoadPlan(name, 3, queues, plans), 0.0)


class Workers:
    """Workers who are told what to be at.

    Args:
        at: What each is at, and since when; a worker's number is 4711 or follows.
        died: How many have died.
    """

    def __init__(self, at: Sequence[tuple[str, float]] = (), *, died: int = 0) -> None:
        self._at = at
        self._died = died

    def attendance(self) -> Attendance:
        """Return that three of four are there."""
        return Attendance(3, 4, self._died)

    def at_work(self) -> list[AtWork]:
        """Return what was told."""
        return [AtWork(what, 4711 + n, since) for n, (what, since) in enumerate(self._at)]


def drawn(
    course: Course,
    now: float,
    width: int,
    *,
    workers: Workers | None = None,
    height: int | None = None,
    glyphs: Glyphs = FULL,
    over: bool = False,
) -> str:
    """Return what a terminal shows, without colours."""
    scene = scene_of(course, workers or Workers(), now, over=over)
    lines = picture_of(scene, glyphs, width, height)
    return "\n".join(line.plain.rstrip() for line in lines)
