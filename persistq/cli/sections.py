"""Tables below each other: on a terminal, as many rows of each as fit on one screen."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final, NamedTuple

from persistq.cli.output import Column, on_terminal, write_lines, write_table

if TYPE_CHECKING:
    from collections.abc import Sequence

TITLE_LINES: Final = 2
"""What a section takes beside its rows: a line between, and its headings."""


class Section(NamedTuple):
    """A table below the stages.

    Attributes:
        columns: Its columns.
        rows: All its rows; the last ones matter most.
        most: Most rows to show.
    """

    columns: tuple[Column, ...]
    rows: list[tuple[str, ...]]
    most: int


def write_sections(sections: Sequence[Section], above: int) -> None:
    """Write tables, each with its last rows, and what is left out where that is not obvious.

    Args:
        sections: The tables, the first one first.
        above: How many lines of the screen are taken.
    """
    for section, most in zip(sections, _shown(sections, above), strict=True):
        write_section(section.columns, section.rows[-most:] if most else [])
        if most and len(section.rows) > most and not on_terminal():
            write_lines([f"and {len(section.rows) - most:,} before these"])


def write_section(columns: tuple[Column, ...], rows: list[tuple[str, ...]]) -> None:
    """Write a table with a line before it; nothing if it has no rows."""
    if rows:
        write_lines([""])
        write_table(columns, rows)


def _shown(sections: Sequence[Section], above: int) -> list[int]:
    """Return how many rows of each section are shown: on a terminal, as many as fit."""
    wanted = [min(section.most, len(section.rows)) for section in sections]
    if not on_terminal():
        return wanted
    # The last line is for the prompt.
    return allotted(shutil.get_terminal_size().lines - 1 - above, wanted)


def allotted(room: int, wanted: Sequence[int]) -> list[int]:
    """Share lines among sections: a row for each first, then in turns.

    Args:
        room: Lines that are left.
        wanted: Rows that each section has; one with any takes `TITLE_LINES` beside them.

    Returns:
        How many rows of each fit.
    """
    given = [0] * len(wanted)
    for _ in range(max(wanted, default=0)):
        for number, want in enumerate(wanted):
            cost = 1 if given[number] else 1 + TITLE_LINES
            if given[number] < want and cost <= room:
                given[number] += 1
                room -= cost
    return given
