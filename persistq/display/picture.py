"""The picture of a run: some lines for a terminal of a given size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from rich.text import Text

from persistq.display.table import clipped, rows_of
from persistq.display.words import clock, time_left, time_taken
from persistq.text.masking import masked_text
from persistq.text.terminal import printable

if TYPE_CHECKING:
    from persistq.display.course import StageCourse
    from persistq.display.glyphs import Glyphs
    from persistq.display.scene import Scene

HELD_MAX: Final = 3
"""So many stages that wait are told of."""

ROWS_MIN: Final = 1

WHAT_MIN: Final = 12
"""Where an item's name would get less, its worker is not named."""


def picture_of(scene: Scene, glyphs: Glyphs, width: int, height: int | None = None) -> list[Text]:
    """Return the lines of a picture; none is longer than the terminal is wide.

    Args:
        scene: The run.
        glyphs: What it is drawn with.
        width: Cells of a line.
        height: Lines that there may be; None for as many as it takes.
    """
    held = [stage for stage in scene.stages if stage.sizes.held and not scene.over][:HELD_MAX]
    around = 2 + len(held) + (not scene.over)
    shown = _chosen(scene.stages, None if height is None else max(ROWS_MIN, height - around))
    rows = rows_of(shown, width, glyphs, over=scene.over)
    lines = [_headline(scene, glyphs, width), *rows]
    if more := len(scene.stages) - len(shown):
        lines.append(Text(f"{glyphs.cut} and {more} more stages", "dim"))
    lines += [_held(stage) for stage in held]
    if not scene.over:
        lines.append(_hands(scene, glyphs, width))
    most = None if height is None else max(1, height)
    return [_fitting(line, width, glyphs) for line in lines[:most]]


def _chosen(stages: Sequence[StageCourse], most: int | None) -> Sequence[StageCourse]:
    """Return as many stages as may be shown: those that are over are left out first."""
    if most is None or len(stages) <= most:
        return stages
    # One line says how many there are beside them.
    order = sorted(range(len(stages)), key=lambda at: stages[at].settled)
    return [stages[at] for at in sorted(order[: max(ROWS_MIN, most - 1)])]


def _headline(scene: Scene, glyphs: Glyphs, width: int) -> Text:
    """Return name and facts, with as many of them as there is room for."""
    name, time = printable(scene.name), clock(scene.elapsed)
    left = "" if scene.over else time_left(scene.left)
    between = f" {glyphs.between} "
    for title, *facts in (
        (f"{name}, load {scene.load_id}", f"{time} elapsed", left, _workers(scene)),
        (name, time, left, _workers(scene)),
        (name, time, left),
    ):
        line = Text.assemble((title, "bold"), between, between.join(filter(None, facts)))
        if line.cell_len <= width:
            break
    return line


def _workers(scene: Scene) -> str:
    alive, places, died = scene.attendance
    if scene.over:
        return f"{died:,} workers died" if died else ""
    return f"{alive:,} of {places:,} workers{f', {died:,} died' if died else ''}"


def _held(stage: StageCourse) -> Text:
    name, why = printable(stage.sizes.name), printable(masked_text(stage.sizes.held))
    return Text(f"{name}: {why}", "yellow")


def _hands(scene: Scene, glyphs: Glyphs, width: int) -> Text:
    """Return how many items are at work, and which one is for the longest time."""
    if not scene.at_work:
        return Text("nothing at work", "dim")
    count = f"{scene.at_work:,} at work"
    if (it := scene.longest) is None:
        return Text(count, "dim")
    begin, took = f"{count} {glyphs.between} longest: ", f" for {time_taken(it.seconds)}"
    worker = f" (worker {it.pid})"
    room = width - len(begin + took + worker)
    if room < min(WHAT_MIN, cell_len(it.what)):
        room, worker = room + len(worker), ""
    return Text(f"{begin}{clipped(it.what, max(1, room), glyphs)}{took}{worker}", "dim")


def _fitting(line: Text, width: int, glyphs: Glyphs) -> Text:
    """Return a line that a terminal breaks nowhere."""
    line.no_wrap = True
    if line.cell_len > width:
        line.truncate(width - 1)
        line.append(glyphs.cut)
    return line
