"""Rounds: a folder is used again and again, and what ended one round does not end the next.

A round is over when its record takes its place, which one rename does and only one reader can do.
The record names the control files that were there. From then on they count for nobody, and every
reader that began before knows that it is over, whenever it looks.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, NamedTuple

from persistq import failpoints
from persistq.folder.controls import Mark
from persistq.folder.owner import Owner
from persistq.folder.place import Place, read_small
from persistq.folder.renames import rename_new, sync_directory

KEPT: Final = 10
"""How many records stay; only the last one means anything."""

_END: Final = ".json"


class Round(NamedTuple):
    """The last round that is over.

    Attributes:
        number: Which one, 0 before any is.
        void: The control files that were there.
    """

    number: int = 0
    void: frozenset[Mark] = frozenset()


def last_round(place: Place) -> Round:
    """Return the last round that is over."""
    number = max(_numbers(place), default=0)
    return Round(number, _marks_in(read_small(_record(place, number)))) if number else Round()


def close_round(owner: Owner, number: int, marks: list[Mark]) -> None:
    """Record that a round is over; somebody else may have done so.

    Crash: it is over or it is not; if not, the next who looks closes it.

    Args:
        owner: Who does it.
        number: The round.
        marks: The control files that were there.
    """
    place = owner.place
    draft = owner.tmp / f"round{_END}"
    draft.write_text(json.dumps({"controls": marks}), encoding="utf-8")
    failpoints.point("folder.before_round")
    try:
        rename_new(draft, _record(place, number))
    except FileExistsError:
        draft.unlink(missing_ok=True)
    sync_directory(place.rounds)
    failpoints.point("folder.after_round")
    for old in sorted(_numbers(place))[:-KEPT]:
        _record(place, old).unlink(missing_ok=True)


def _record(place: Place, number: int) -> Path:
    return place.rounds / f"{number:06}{_END}"


def _numbers(place: Place) -> list[int]:
    found = place.rounds.iterdir() if place.rounds.is_dir() else ()
    names = [path.name.removesuffix(_END) for path in found]
    return [int(name) for name in names if name.isascii() and name.isdigit()]


def _marks_in(text: bytes | None) -> frozenset[Mark]:
    try:
        return frozenset((int(inode), int(at)) for inode, at in json.loads(text or b"")["controls"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return frozenset()
