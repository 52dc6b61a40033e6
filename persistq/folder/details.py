"""Files of a folder one by one, with sizes and times: the first of each kind."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from heapq import nsmallest
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from persistq.folder.counting import came_at
from persistq.folder.listing import directories_in, owned
from persistq.folder.names import WHY
from persistq.folder.owner import Watch, load_of
from persistq.folder.parking import reason_in
from persistq.folder.place import Place
from persistq.folder.recovery import owner_of
from persistq.folder.retrying import fault_of
from persistq.peer import Peer

LISTED: Final = 100
"""So many of each kind, at most."""


class WaitingFile(NamedTuple):
    """A file that waits.

    Attributes:
        name: Its name.
        size: Its size, in bytes.
        since: When it came, as a time in seconds.
    """

    name: str
    size: int
    since: float


class HeldFile(NamedTuple):
    """A file, or a group, that somebody has in hand or is writing.

    Attributes:
        name: What it was called.
        since: When that began, as a time in seconds; None if it is gone.
        is_written: Whether it is being written, and not worked on.
        load: The load that has it; empty if a process does.
        peer: That process; None if nothing is known of it.
        dead: Whether that is dead; None if that cannot be seen from here.
    """

    name: str
    since: float | None
    is_written: bool
    load: str
    peer: Peer | None
    dead: bool | None


class ParkedFile(NamedTuple):
    """A file, or a group, that was put aside.

    Attributes:
        name: What it is called there.
        since: When that was, as a time in seconds; None if it is gone.
        kind: What has failed, as the name of an error; empty if no reason is beside it.
        reason: What that says.
        fault: Why nobody would claim it if it were put back, or empty.
    """

    name: str
    since: float | None
    kind: str
    reason: str
    fault: str


def waiting_files(place: Place, names: Iterable[str]) -> list[WaitingFile]:
    """Return the first files that wait, in the order of names; what is gone is left out."""
    return [*filter(None, (_waiting(place.path / name) for name in nsmallest(LISTED, names)))]


def held_files(place: Place, watch: Watch) -> list[HeldFile]:
    """Return the first files in hand, by owner, then those that are being written."""
    hands = _held(place.taken, watch, is_written=False)
    return [*islice(hands, LISTED), *islice(_held(place.tmp, watch, is_written=True), LISTED)]


def first_parked(place: Place) -> list[ParkedFile]:
    """Return the first files and groups that were put aside, in the order of names."""
    try:
        found = os.listdir(place.parked)  # noqa: PTH208 - only names are wanted
    except FileNotFoundError:
        return []
    names = nsmallest(LISTED, (name for name in found if not name.endswith(WHY)))
    return [_parked(place.parked / name) for name in names]


def _waiting(path: Path) -> WaitingFile | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return WaitingFile(path.name, found.st_size, found.st_ctime)


def _held(above: Path, watch: Watch, *, is_written: bool) -> Iterator[HeldFile]:
    for directory in directories_in(above):
        owner = owner_of(directory)
        who = load_of(owner), watch.peer_of(owner), watch.is_dead(owner)
        for _, name in sorted(owned(above, [directory])):
            shown = name if is_written else name.partition(".")[2]
            yield HeldFile(shown, came_at(above / directory / name), is_written, *who)


def _parked(path: Path) -> ParkedFile:
    why = reason_in(path.with_name(path.name + WHY))
    kind, reason = str(why.get("kind", "")), str(why.get("reason", ""))
    return ParkedFile(path.name, came_at(path), kind, reason, fault_of(path))
