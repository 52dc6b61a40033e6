"""How many files of a folder are where: what one listing of each directory tells."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from persistq.errors import FolderError
from persistq.folder.listing import Listing, list_folder, owned, pattern_of
from persistq.folder.names import WHY
from persistq.folder.owner import Watch
from persistq.folder.place import Place, place_of
from persistq.folder.reader import reported
from persistq.folder.recovery import owner_of
from persistq.folder.standing import producers_of

STATES: Final = ("working", "done", "failed", "dead")
"""What a producer may be at."""

AGES_OF: Final = 10_000
"""The times of so many files are looked at, at most, for the one that waits longest."""


class Counts(NamedTuple):
    """How many files of a folder are where.

    Attributes:
        paused: Whether nobody is to claim anything.
        waiting: Files that wait, whatever a reader's ``match`` is.
        oldest: For how long one of them waits at most, in seconds, among the first `AGES_OF`; None
            if none does.
        in_hand: Files, or groups of files, that are in somebody's hands.
        lost: Those of them whose owner is known to be dead.
        parked: Files, or groups, that were put aside.
        producers: How many producers of this round are at what, of `STATES`.
    """

    paused: bool
    waiting: int
    oldest: float | None
    in_hand: int
    lost: int
    parked: int
    producers: Mapping[str, int]


def counted(path: Path, watch: Watch | None = None) -> Counts | FolderError:
    """Count what lies in a folder, or return why that cannot be done.

    A stranger's is not read.

    Args:
        path: The folder.
        watch: Tells who is dead; one that has looked before knows more of other hosts.
    """
    place = place_of(path)
    try:
        place.require_own()
        with reported(place):
            return counts_of(place, watch or Watch(place, 60.0))
    except FolderError as error:
        return error


def counts_of(place: Place, watch: Watch) -> Counts:
    """Count what lies in a folder.

    Raises:
        OSError: It cannot be read.
    """
    return counts_from(place, list_folder(place, pattern_of("*")), watch)


def counts_from(place: Place, listing: Listing, watch: Watch) -> Counts:
    """Count what lies in a folder that was listed just now.

    Raises:
        OSError: It cannot be read.
    """
    hands = [owner for owner, _ in owned(place.taken)]
    dead = {owner for owner in {*hands} if watch.is_dead(owner_of(owner)) is True}
    states = [one.state for one in producers_of(place, listing, watch)]
    return Counts(
        listing.paused,
        len(listing.items),
        oldest_of(place.path, listing.items),
        len(hands),
        sum(owner in dead for owner in hands),
        parked_count(place),
        {state: states.count(state) for state in STATES},
    )


def oldest_of(directory: Path, names: Iterable[str]) -> float | None:
    """Return for how long one of the first files lies there at most, in seconds; None for none.

    A rename changes that time, and what a file says of its contents is older.
    """
    began = [at for name in islice(names, AGES_OF) if (at := came_at(directory / name)) is not None]
    return max(0.0, time.time() - min(began)) if began else None


def came_at(path: Path) -> float | None:
    """Return when a file came to where it is, as a time in seconds; None if it is gone."""
    try:
        return path.lstat().st_ctime
    except OSError:
        return None


def parked_count(place: Place) -> int:
    """Return how many files and groups were put aside."""
    try:
        return sum(not name.endswith(WHY) for name in os.listdir(place.parked))  # noqa: PTH208
    except FileNotFoundError:
        return 0
