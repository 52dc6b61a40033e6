"""Bars: how much of a stage was done before, is done now, has failed and is left."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

from rich.text import Text

if TYPE_CHECKING:
    from persistq.display.course import StageCourse
    from persistq.display.glyphs import Glyphs

STYLES: Final = ("blue", "green", "red", "dim")
"""Of the parts: before, now, failed, left."""

OPEN_END: Final = 4
"""While nobody knows how much will come, one in so many cells stays free at the end."""


def bar_of(stage: StageCourse, width: int, glyphs: Glyphs) -> Text:
    """Return the bar of a stage.

    It is full only when the stage is settled; and while more may come it shows how much is done of
    what there is, with its end left open.

    Args:
        stage: The stage.
        width: Cells of the bar.
        glyphs: What it is drawn with.
    """
    known = stage.sizes.sealed
    room = width if known else width - max(1, width // OPEN_END)
    parts = (stage.sizes.resumed, stage.now, stage.sizes.parked)
    cells = [*_cells(parts, stage.sizes.put, room)]
    cells.append(width - sum(cells))
    rest = glyphs.rest if known else glyphs.unknown
    drawn = (glyphs.before, glyphs.now, glyphs.failed, rest)
    return Text.assemble(
        *((glyph * count, style) for glyph, count, style in zip(drawn, cells, STYLES, strict=True))
    )


def _cells(parts: tuple[int, ...], total: int, width: int) -> list[int]:
    """Return how many cells each part gets: sums are rounded down, so that they never go beyond."""
    if not total:
        return [0 for _ in parts]
    ends = [min(width, end * width // total) for end in accumulate(parts, initial=0)]
    return [after - before for before, after in pairwise(ends)]
