"""The table of stages: which columns there are, and which of them a terminal has room for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from persistq.display.bar import bar_of
from persistq.display.words import item_time, per_time, short_time_left
from persistq.text.terminal import printable

if TYPE_CHECKING:
    from persistq.display.course import StageCourse
    from persistq.display.glyphs import Glyphs

NAME_MIN: Final = 8
NAME_SHARE: Final = 5
"""A stage's name gets a fifth of a line at most."""

BAR_MIN: Final = 8
BAR_GOOD: Final = 20
"""A bar is shortened further only for columns that are essential."""

BAR_MAX: Final = 60


class Column(NamedTuple):
    """One column of numbers.

    Attributes:
        title: Its heading.
        text: What stands there for a stage.
        rank: The smaller, the later it is left out.
        least: Its least width in cells. What comes and goes has one, and is there while it is
            empty: the rest of the line would jump.
    """

    title: str
    text: Callable[[StageCourse], str]
    rank: int
    least: int = 0


ESSENTIAL: Final = 5
"""Columns up to this rank are worth that others are written closer."""


def columns_for(*, over: bool, brief: bool) -> list[Column]:
    """Return the columns that there are, from left to right.

    Args:
        over: Whether the run is over.
        brief: Whether room is short.
    """
    total = _brief_total if brief else _total
    columns = [
        Column("", _percent, 1, least=4),
        Column("before", lambda stage: _some(stage.sizes.resumed), 4),
        Column("now", lambda stage: f"{stage.now:,}", 0),
        Column("of", total, 2),
        Column("failed", lambda stage: _some(stage.sizes.parked), 3),
        Column("rate", _mean if over else _rate, 5, least=6),
        Column("left", lambda stage: short_time_left(stage.left), 6, least=6),
        Column("in hand", lambda stage: _some(stage.sizes.in_flight), 7, least=7),
        Column("waiting", lambda stage: _some(stage.sizes.waiting), 8, least=7),
        Column("each", lambda stage: item_time(stage.each), 9, least=6),
    ]
    present = ("left", "in hand", "waiting")
    return [column for column in columns if not (over and column.title in present)]


def _percent(stage: StageCourse) -> str:
    return "" if stage.percent is None else f"{stage.percent}%"


def _total(stage: StageCourse) -> str:
    return f"{'' if stage.sizes.sealed else 'at least '}{stage.sizes.put:,}"


def _brief_total(stage: StageCourse) -> str:
    return f"{stage.sizes.put:,}{'' if stage.sizes.sealed else '+'}"


def _rate(stage: StageCourse) -> str:
    return "" if stage.settled else per_time(stage.rate)


def _mean(stage: StageCourse) -> str:
    return per_time(stage.mean)


def _some(count: int) -> str:
    return f"{count:,}" if count else ""


class Layout(NamedTuple):
    """Columns, and what stands in them.

    Attributes:
        columns: The columns, with nothing that is empty in all rows.
        cells: What stands in each row.
        gap: Cells between two columns.
        name: Cells of the name.
    """

    columns: Sequence[Column]
    cells: Sequence[Sequence[str]]
    gap: int
    name: int

    @property
    def widths(self) -> list[int]:
        """The cells of each column."""
        rows = [[column.title for column in self.columns], *self.cells]
        widths = [max(map(cell_len, texts)) for texts in zip(*rows, strict=True)]
        return [max(it.least, width) for it, width in zip(self.columns, widths, strict=True)]

    def within(self, room: int) -> Layout:
        """Return it with as many columns as there is room for."""
        widths, kept = self.widths, list[int]()
        left = room - self.name - self.gap - BAR_MIN
        for at in sorted(range(len(self.columns)), key=lambda at: self.columns[at].rank):
            kept_free = BAR_GOOD - BAR_MIN if self.columns[at].rank > ESSENTIAL else 0
            if widths[at] + self.gap + kept_free <= left:
                left -= widths[at] + self.gap
                kept.append(at)
        kept.sort()
        columns = [self.columns[at] for at in kept]
        return self._replace(
            columns=columns, cells=[[row[at] for at in kept] for row in self.cells]
        )

    def has_all_essential(self, whole: Layout) -> bool:
        """Return whether no column was left out that matters."""
        lost = {column.title for column in whole.columns} - {it.title for it in self.columns}
        return all(it.rank > ESSENTIAL for it in whole.columns if it.title in lost)


def layout_of(stages: Sequence[StageCourse], room: int, *, over: bool) -> Layout:
    """Return the columns that a line has room for: first in full, then brief, then close together.

    Args:
        stages: The stages.
        room: Cells of a line.
        over: Whether the run is over.
    """
    longest = max((cell_len(printable(stage.sizes.name)) for stage in stages), default=0)
    name = min(longest, max(NAME_MIN, room // NAME_SHARE))
    for brief, gap in ((False, 2), (True, 2), (True, 1)):
        columns = columns_for(over=over, brief=brief)
        whole = _without_empty(columns, stages, gap, name)
        layout = whole.within(room)
        if layout.has_all_essential(whole):
            break
    return layout


def _without_empty(
    columns: Iterable[Column], stages: Sequence[StageCourse], gap: int, name: int
) -> Layout:
    kept = [it for it in columns if it.least or any(it.text(stage) for stage in stages)]
    return Layout(kept, [[it.text(stage) for it in kept] for stage in stages], gap, name)


def rows_of(stages: Sequence[StageCourse], room: int, glyphs: Glyphs, *, over: bool) -> list[Text]:
    """Return the lines of the table, the headings first.

    Args:
        stages: The stages.
        room: Cells of a line.
        glyphs: What bars are drawn with.
        over: Whether the run is over.
    """
    layout = layout_of(stages, room, over=over)
    widths, gap = layout.widths, " " * layout.gap
    taken = layout.name + layout.gap + sum(width + layout.gap for width in widths)
    bar = max(0, min(BAR_MAX, room - taken))
    titles = [column.title for column in layout.columns]
    lines = [Text.assemble((_row("", " " * bar, titles, widths, layout), "dim"))]
    for stage, cells in zip(stages, layout.cells, strict=True):
        name = set_cell_size(clipped(printable(stage.sizes.name), layout.name, glyphs), layout.name)
        numbers = "".join(f"{gap}{_right(it, w)}" for it, w in zip(cells, widths, strict=True))
        lines.append(Text.assemble(name, gap, bar_of(stage, bar, glyphs), numbers))
    return lines


def _row(name: str, bar: str, cells: Sequence[str], widths: Sequence[int], layout: Layout) -> str:
    gap = " " * layout.gap
    numbers = "".join(f"{gap}{_right(it, w)}" for it, w in zip(cells, widths, strict=True))
    return f"{set_cell_size(name, layout.name)}{gap}{bar}{numbers}"


def _right(text: str, width: int) -> str:
    return " " * (width - cell_len(text)) + text


def clipped(text: str, cells: int, glyphs: Glyphs) -> str:
    """Return a text of so many cells at most: what is too long is cut in its middle."""
    if cell_len(text) <= cells:
        return text
    head = set_cell_size(text, cells // 2).rstrip()
    tail, room = "", cells - cell_len(head) - 1
    for char in reversed(text):
        if cell_len(char + tail) > room:
            break
        tail = char + tail
    return f"{head}{glyphs.cut}{tail}"
