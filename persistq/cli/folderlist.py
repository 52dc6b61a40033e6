"""Folders as ``persistq list`` shows them, beside journals."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from persistq.cli.output import Column, Failing
from persistq.cli.standing import coarse
from persistq.errors import FolderError
from persistq.text.terminal import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from persistq.folder.counting import Counts

COLUMNS: Final = (
    Column("waiting", right=True),
    Column("oldest", right=True),
    Column("in hand", right=True),
    Column("parked", right=True),
    Column("producers"),
    Column("folder", wrap=True),
)


class FolderLine(NamedTuple):
    """A folder in a list.

    Attributes:
        path: The folder.
        counts: What lies in it; None if it cannot be read.
        trouble: Why it cannot, or empty.
    """

    path: Path
    counts: Counts | None
    trouble: str

    @property
    def next(self) -> str | None:
        """What to type to bring it forward, or None."""
        return next_for(self.path, self.counts)


def folder_lines(*journals: Path) -> Iterator[FolderLine]:
    """Count what lies in each folder of this user, and in those that lie beside journals.

    Args:
        journals: Directories of journals.
    """
    from persistq.folder.counting import counted
    from persistq.folder.finding import folders_of

    for path in folders_of(*journals):
        found = counted(path)
        if isinstance(found, FolderError):
            yield FolderLine(path, None, str(found))
        else:
            yield FolderLine(path, found, "")


def next_for(path: Path, counts: Counts | None) -> str | None:
    """Return what to type to bring a folder forward, or None if it needs nobody."""
    if counts is None:
        return None
    verb = "recover" if counts.lost else "resume" if counts.paused else ""
    if not verb and counts.parked:
        verb = "status"
    return f"persistq folder {verb} {quoted(os.fspath(path))}" if verb else None


def row_of(line: FolderLine) -> list[str]:
    """Return what a terminal shows of a folder."""
    counts = line.counts
    if counts is None:
        return ["-", "-", "-", "-", "-", Failing(line.trouble)]
    parked = Failing(f"{counts.parked:,}") if counts.parked else "0"
    oldest = "-" if counts.oldest is None else coarse(timedelta(seconds=counts.oldest))
    hands = f"{counts.in_hand:,}"
    paused = " (paused)" if counts.paused else ""
    return [
        f"{counts.waiting:,}",
        oldest,
        Failing(hands) if counts.lost else hands,
        parked,
        producers_in_words(counts),
        f"{line.path}{paused}",
    ]


def producers_in_words(counts: Counts) -> str:
    """Return how many producers are at what; red if one is dead or has failed."""
    found = [f"{number} {state}" for state, number in counts.producers.items() if number]
    words = ", ".join(found) or "-"
    is_bad = counts.producers["failed"] or counts.producers["dead"]
    return Failing(words) if is_bad else words


def fields_of(line: FolderLine) -> list[str]:
    """Return the fields of a folder's line for other programs: the first begins with a slash."""
    counts = line.counts
    if counts is None:
        return [str(line.path), "unreadable", *["-"] * 8]
    numbers = counts.waiting, counts.in_hand, counts.parked, *counts.producers.values()
    state = "paused" if counts.paused else "open"
    return [str(line.path), state, *map(str, numbers), line.next or "-"]


def object_of(line: FolderLine) -> dict[str, Any]:
    """Return a folder as JSON has it."""
    counts = line.counts
    if counts is None:
        return {"folder": str(line.path), "trouble": line.trouble}
    return {
        "folder": str(line.path),
        "paused": counts.paused,
        "waiting": counts.waiting,
        "oldest_seconds": None if counts.oldest is None else round(counts.oldest, 3),
        "in_hand": counts.in_hand,
        "lost": counts.lost,
        "parked": counts.parked,
        "producers": dict(counts.producers),
        "next": line.next,
    }
