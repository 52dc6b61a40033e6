"""Progress for programs: one JSON object a line, as docs/display.md describes it field by field."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from persistq.display.course import Course, StageCourse
from persistq.display.silent import SilentConsole
from persistq.display.working import longest_at_work
from persistq.itemnames import item_name
from persistq.text.masking import masked_text
from persistq.text.streams import write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from persistq.display.console import Workers
    from persistq.display.plan import LoadPlan
    from persistq.wire.messages import Progress


class JsonConsole(SilentConsole):
    """Writes an object every so often, and one for each thing that is said.

    Args:
        name: The load's name.
        out: Where to write; None if that is closed.
        interval: Time between two objects of progress, in seconds.
    """

    def __init__(self, name: str, out: TextIO | None, interval: float) -> None:
        super().__init__(name, out)
        self._interval = interval
        self._due = 0.0
        self._shown: tuple[Course, Workers] | None = None

    @property
    def due(self) -> float | None:
        """When the next object of progress goes out."""
        return None if self._shown is None else self._due

    def begin(self, plan: LoadPlan, workers: Workers) -> None:
        """Write where it stands, now and every so often."""
        self._shown = Course(plan, time.monotonic()), workers
        self.refresh()

    def refresh(self) -> None:
        """Write where it stands, if it is time."""
        now = time.monotonic()
        if self._shown is not None and now >= self._due:
            self._due = now + self._interval
            self._write("progress", **progress_object(*self._shown, now))

    def show(self, progress: Progress) -> None:
        """Write what has come up, and where it stands if it is time."""
        for stage, text in progress.notices:
            self._write("notice", stage=stage, text=masked_text(text))
        for it in progress.failures:
            self._write(
                "failure",
                item=item_name(it.stage, it.item_id),
                stage=it.stage,
                id=it.item_id,
                attempt=it.attempt,
                worker=it.pid,
                parked=it.parked,
                text=masked_text(it.text),
            )
        if self._shown is not None:
            self._shown[0].note(progress.queues, time.monotonic())
            self.refresh()

    def say(self, text: str) -> None:
        """Write what is said."""
        self._write("said", text=text)

    def pass_on(self, stream: int, text: str) -> None:
        """Write what handlers print to standard error; their standard output is the program's."""
        if stream == 1:
            super().pass_on(stream, text)
        else:
            self._write("printed", text=text.removesuffix("\n"))

    def close(self) -> None:
        """Write the last state."""
        if self._shown is not None:
            self._due = 0.0
            self.refresh()
            self._shown = None

    def conclude(self, text: str, facts: Mapping[str, Any], *, good: bool) -> None:  # noqa: ARG002
        """Write how it ended."""
        self._write("end", text=text, **facts)

    def _write(self, kind: str, **fields: Any) -> None:
        head = {"kind": kind, "at": round(time.time(), 3), "name": self._name}
        # As ASCII it is the same in whichever encoding the stream has.
        write(self._out, f"{json.dumps(head | fields)}\n")


def progress_object(course: Course, workers: Workers, now: float) -> dict[str, Any]:
    """Return where a load stands, as JSON has it.

    Args:
        course: The load.
        workers: Who is at work.
        now: Monotonic time in seconds.
    """
    left, attendance, at_work = course.left(now), workers.attendance(), workers.at_work()
    longest = longest_at_work(at_work, now)
    return {
        "load": course.plan.load_id,
        "elapsed": round(course.elapsed(now), 3),
        "left": _rounded(left.seconds),
        "left_at_least": left.least,
        "workers": attendance._asdict(),
        "at_work": len(at_work),
        "longest": None if longest is None else longest._asdict(),
        "stages": [_stage_object(stage) for stage in course.stages(now)],
    }


def _stage_object(stage: StageCourse) -> dict[str, Any]:
    sizes = stage.sizes
    return {
        "stage": sizes.name,
        "put": sizes.put,
        "done": sizes.done,
        "dropped": sizes.dropped,
        "parked": sizes.parked,
        "outstanding": stage.outstanding,
        "before": sizes.resumed,
        "in_hand": sizes.in_flight,
        "waiting": sizes.waiting,
        "delayed": sizes.delayed,
        "sealed": sizes.sealed,
        "percent": stage.percent,
        "rate": round(stage.rate, 3),
        "mean": round(stage.mean, 3),
        "each": _rounded(stage.each),
        "left": _rounded(stage.left.seconds),
        "left_at_least": stage.left.least,
        "waits": masked_text(sizes.held) if sizes.held else None,
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)
