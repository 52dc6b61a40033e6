"""The card of an owner: a file that says who it is, and whose time says when it lived."""

from __future__ import annotations

import json
import math
import os
import tempfile
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

from persistq import failpoints
from persistq.duration import DAY_S
from persistq.folder.place import Place, read_with_look
from persistq.folder.renames import rename_over
from persistq.leases import Sign
from persistq.peer import Peer

_HEARTBEAT_MAX_S: Final = 3_600.0


class Card(NamedTuple):
    """What the card of an owner says at one moment.

    Attributes:
        peer: The process; None if it cannot be read which.
        sign: What is to change with each heartbeat, and how long the owner may be silent.
        touched: When it was written or touched last, by the clock of the file system.
    """

    peer: Peer | None
    sign: Sign
    touched: float


def facts_of(peer: Peer) -> dict[str, Any]:
    """Return what is written about a process."""
    return {"host": peer.host, "pid": peer.pid, "start": peer.started, "node": peer.node}


def peer_in(text: bytes | None) -> Peer | None:
    """Return the process that is written about, None if that cannot be read."""
    return _peer_of(_facts_in(text or b""))


def _peer_of(facts: dict[str, Any]) -> Peer | None:
    try:
        host, pid, start, node = (facts[key] for key in ("host", "pid", "start", "node"))
    except KeyError:
        return None
    right = isinstance(host, str) and isinstance(node, str) and type(pid) is type(start) is int
    return Peer(host, pid, start, node) if right and 0 < pid < 1 << 31 else None


def read_card(place: Place, owner: str) -> Card | None:
    """Return the card of an owner; None if there is none."""
    if (found := read_with_look(place.owners / owner)) is None:
        return None
    text, look = found
    facts = _facts_in(text)
    sign = Sign(
        (look.st_ino, look.st_mtime_ns),
        _seconds_of(facts.get("heartbeat"), _HEARTBEAT_MAX_S),
        _seconds_of(facts.get("extended"), DAY_S),
    )
    return Card(_peer_of(facts), sign, look.st_mtime)


def owners_in(place: Place) -> list[str]:
    """Return the names of the owners that have a card, in order."""
    names = os.listdir(place.owners)  # noqa: PTH208 - only names are wanted
    return sorted(name for name in names if not name.startswith("."))


def clock_of(place: Place) -> float:
    """Return the present time by the clock that gives the files of a folder theirs.

    On a network file system that is the server's, which no host has to agree with. If nothing can
    be written there, this host's is all that there is.
    """
    try:
        with tempfile.TemporaryFile(prefix=".", dir=place.owners) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()


def write_card(card: Path, facts: dict[str, Any]) -> None:
    """Write a card; the one that is there is replaced.

    Crash: it is there whole, or as it was.
    """
    draft = draft_of(card)
    draft.write_text(json.dumps(facts), encoding="utf-8")
    failpoints.point("folder.before_card")
    rename_over(draft, card)


def draft_of(card: Path) -> Path:
    """Return where a card is while it is written."""
    return card.with_name(f".{card.name}")


def _facts_in(text: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _seconds_of(said: Any, most: float) -> float:
    """Return a length of time that a card says, within bounds; 0 if it says none."""
    try:
        seconds = float(said) if type(said) in (int, float) else 0.0
    except OverflowError:
        return 0.0
    return min(seconds, most) if math.isfinite(seconds) and seconds > 0 else 0.0
