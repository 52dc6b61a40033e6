"""Plain lines: one every few seconds, for logs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from persistq.display.course import Course, StageCourse
from persistq.display.silent import SilentConsole
from persistq.display.words import per_time, time_left
from persistq.text.masking import masked_text
from persistq.text.streams import write
from persistq.text.terminal import printable

if TYPE_CHECKING:
    from typing import TextIO

    from persistq.display.console import Workers
    from persistq.display.plan import LoadPlan
    from persistq.wire.messages import Progress


class PlainConsole(SilentConsole):
    """One line every few seconds, for logs.

    Args:
        name: The load's name.
        out: Where to write; None if that is closed.
        interval: Least time between two lines, in seconds.
    """

    def __init__(self, name: str, out: TextIO | None, interval: float) -> None:
        super().__init__(name, out)
        self._interval = interval
        self._due = time.monotonic() + interval
        self._course: Course | None = None
        self._waits = False

    @property
    def due(self) -> float | None:
        """When the next line goes out, if there is something new: perhaps nothing follows it."""
        return self._due if self._waits else None

    def begin(self, plan: LoadPlan, workers: Workers) -> None:  # noqa: ARG002 - a line is short
        """Write lines from now on, if anything changes."""
        self._course = Course(plan, time.monotonic())

    def show(self, progress: Progress) -> None:
        """Write a line if it is time."""
        super().show(progress)
        if self._course is not None:
            self._course.note(progress.queues, time.monotonic())
            self._waits = True
            self.refresh()

    def refresh(self) -> None:
        """Write where it stands if that was not done, and it is time."""
        now = time.monotonic()
        if self._waits and self._course is not None and now >= self._due:
            self._due, self._waits = now + self._interval, False
            self._write(in_a_line(self._course, now))

    def close(self) -> None:
        """Write the last state, and how quick it was."""
        if self._course is not None:
            self._write(in_a_line(self._course, time.monotonic(), over=True))

    def _write(self, line: str) -> None:
        write(self._out, f"{self._name}: {line}\n")


def in_a_line(course: Course, now: float, *, over: bool = False) -> str:
    """Return where a load stands.

    Args:
        course: The load.
        now: Monotonic time in seconds.
        over: Whether its run is over: nothing is left to wait for then, and the rate is the mean.
    """
    stages = " | ".join(map(_stage, course.stages(now)))
    rate = per_time(course.mean(now) if over else course.rate(now)) or "0/s"
    left = "" if over else time_left(course.left(now))
    return f"{stages} | {rate}{f', {left}' if left else ''}"


def _stage(stage: StageCourse) -> str:
    sizes = stage.sizes
    total = f"{sizes.put:,}" if sizes.sealed else f"{sizes.put:,}+"
    resumed = f" ({sizes.resumed:,} before)" if sizes.resumed else ""
    failed = f", {sizes.parked:,} failed" if sizes.parked else ""
    held = f" ({printable(masked_text(sizes.held))})" if sizes.held else ""
    name = printable(sizes.name)
    return f"{name} {sizes.resumed + stage.now:,}/{total}{resumed}{failed}{held}"
