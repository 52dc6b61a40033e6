"""The picture of the live display in the documentation, drawn as a terminal would show it.

``python docs/display_picture.py > docs/figures/display.svg`` writes it.
"""

from __future__ import annotations

import io
import re
import sys
from typing import Final

from rich.console import Console
from rich.text import Text

from persistq.display.course import Course
from persistq.display.glyphs import FULL
from persistq.display.picture import picture_of
from persistq.display.plan import LoadPlan, StagePlan
from persistq.display.scene import scene_of
from persistq.pool.attendance import Attendance
from persistq.pool.workplace import AtWork
from persistq.wire.messages import QueueSizes

WIDTH: Final = 80
NOW: Final = 134.0
"""So long after the run has begun, in seconds, it is as it is shown."""

SAID: Final = (
    "sales: carrying on load 3: 4,555 outstanding, 4,064 done before; journal .persistq/sales.db",
    "sales: clean:4127 failed: ValueError: row 4127 has no price (parked)",
    "cleaned 5,000 rows",
)
PLANS: Final = {
    1: StagePlan(hands=1, open=False),
    2: StagePlan(hands=2, feeders=(1,), open=False),
    3: StagePlan(hands=2, feeders=(2,), open=False),
}
AT_WORK: Final = (
    AtWork("read:92", 4711, NOW - 0.4),
    AtWork("clean:6310", 4712, NOW - 0.2),
    AtWork("store:5187", 4714, NOW - 12.0),
)


class _Workers:
    def attendance(self) -> Attendance:
        return Attendance(alive=5, places=5, died=1)

    def at_work(self) -> tuple[AtWork, ...]:
        return AT_WORK


def _sizes(seconds: float) -> list[QueueSizes]:
    """Return the counters after so many seconds."""
    read, clean, store = int(0.2 * seconds), int(32 * seconds), int(24 * seconds)
    return [
        _stage(1, "read", 120, 64 + read, 64, worked=4.9),
        _stage(2, "clean", 6_400 + 20 * read, 2_100 + clean, 2_100, worked=0.06, parked=1),
        _stage(3, "store", 2_100 + clean, 1_900 + store, 1_900, worked=0.08),
    ]


def _stage(
    queue_id: int, name: str, put: int, done: int, before: int, *, worked: float, parked: int = 0
) -> QueueSizes:
    """Return the counters of a stage, one item of which takes so many seconds."""
    waiting, sealed = max(0, put - done - parked - 1), queue_id == 1
    return QueueSizes(
        queue_id, name, put, done, 0, parked, waiting, 1, sealed, before, worked=worked * done
    )


def drawn() -> Console:
    """Return a terminal on which the display has been drawn."""
    course = Course(LoadPlan("sales", 3, _sizes(0.0), PLANS), 0.0)
    for second in range(1, int(NOW) + 1):
        course.note(_sizes(second), second)
    terminal = Console(
        record=True,
        width=WIDTH,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        highlight=False,
        soft_wrap=True,
    )
    for line in (*map(Text, SAID), *picture_of(scene_of(course, _Workers(), NOW), FULL, WIDTH - 1)):
        terminal.print(line)
    return terminal


def svg() -> str:
    """Return the picture; it takes the reader's own font, and nothing from elsewhere."""
    picture = drawn().export_svg(title="python etl.py", unique_id="display")
    return re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)


if __name__ == "__main__":
    sys.stdout.write(svg())
