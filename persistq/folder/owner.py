"""Owners: who has claimed files, and is writing some; one for each queue object in each process."""

from __future__ import annotations

import json
import os
import re
import secrets
import threading
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from persistq import failpoints, forking
from persistq.folder.place import Place, read_small
from persistq.folder.renames import rename_over
from persistq.peer import Peer
from persistq.site.processes import has_ended, this_process

BEAT_S: Final = 5.0
"""How often an owner shows other hosts that it lives."""

LOAD: Final = "load~"
"""Begins the name of an owner that is a load: no host has such a character in its name."""

FROM: Final = ".from."
"""Stands in the name of a directory that its owner has from a dead one."""


@dataclass(frozen=True)
class Owner:
    """This process, as the owner of files of one folder.

    Attributes:
        name: Its name, unique in all the world; it has no dot.
        peer: The process.
        place: The folder.
    """

    name: str
    peer: Peer
    place: Place

    @cached_property
    def taken(self) -> Path:
        """Where its claims are."""
        return self.place.taken / self.name

    @cached_property
    def tmp(self) -> Path:
        """Where it writes."""
        return self.place.tmp / self.name

    @cached_property
    def card(self) -> Path:
        """The file that says who it is."""
        return self.place.owners / self.name

    def register(self) -> None:
        """Say who this is, and make its directories.

        Crash: the file is there before the directories, so what is in these has an owner whose
        death can be known.
        """
        draft = self.place.owners / f".{self.name}"
        draft.write_text(json.dumps(facts_of(self.peer)), encoding="utf-8")
        failpoints.point("folder.before_register")
        rename_over(draft, self.card)
        failpoints.point("folder.after_register")
        for directory in (self.taken, self.tmp):
            directory.mkdir(exist_ok=True)
        _beat.add(self.card)

    def withdraw(self) -> None:
        """Be no owner any more; what is left in its directories is recovered by others.

        Crash: what is left is an empty directory, or a file about a dead process.
        """
        _beat.remove(self.card)
        if _removed(self.taken) and _removed(self.tmp):
            failpoints.point("folder.before_withdraw")
            self.card.unlink(missing_ok=True)


def load_of(owner: str) -> str:
    """Return the load that an owner is, by its name; empty if it is a process."""
    name = owner.removeprefix(LOAD)
    return "" if name == owner else name.replace("~", ".")


def new_owner(place: Place) -> Owner:
    """Return this process as an owner that nobody knows yet."""
    peer = this_process()
    node = re.sub(r"[^A-Za-z0-9_-]", "-", peer.node)[:40]
    return Owner(f"{node}-{peer.pid}-{secrets.token_hex(4)}", peer, place)


def facts_of(peer: Peer) -> dict[str, Any]:
    """Return what is written about a process."""
    return {"host": peer.host, "pid": peer.pid, "start": peer.started, "node": peer.node}


def peer_in(text: bytes | None) -> Peer | None:
    """Return the process that is written about, None if that cannot be read."""
    try:
        facts = json.loads(text or b"")
        host, pid, start, node = (facts[key] for key in ("host", "pid", "start", "node"))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    right = isinstance(host, str) and isinstance(node, str) and type(pid) is type(start) is int
    return Peer(host, pid, start, node) if right and 0 < pid < 1 << 31 else None


@dataclass
class Watch:
    """Tells dead owners from live ones.

    On this host the kernel knows. On another one an owner is dead when its file has not been
    touched for a time, measured here: two clocks are never compared.

    Attributes:
        place: The folder.
        lease: That time, in seconds.
    """

    place: Place
    lease: float
    _seen: dict[str, tuple[int, float]] = field(default_factory=dict)
    _peers: dict[str, Peer] = field(default_factory=dict)

    def peer_of(self, owner: str) -> Peer | None:
        """Return the process that an owner was, None if nothing is known.

        It is read once: no other process ever has this name.
        """
        peer = self._peers.get(owner) or peer_in(read_small(self.place.owners / owner))
        if peer is not None:
            self._peers[owner] = peer
        return peer

    def is_dead(self, owner: str) -> bool | None:
        """Return whether an owner has died; None if that is not known, or not yet."""
        peer = self.peer_of(owner)
        if peer is None:
            return None
        ended = has_ended(peer)
        return self._is_silent(owner) if ended is None else ended

    def has_died(self, peer: Peer, owner: str) -> bool | None:
        """Return whether a process has died that was an owner, also one that is no more."""
        ended = has_ended(peer)
        if ended is not None:
            return ended
        return self._is_silent(owner) if (self.place.owners / owner).exists() else True

    def _is_silent(self, owner: str) -> bool | None:
        try:
            touched = (self.place.owners / owner).stat().st_mtime_ns
        except OSError:
            return None
        last, since = self._seen.get(owner, (0, 0.0))
        if touched != last:
            self._seen[owner] = touched, time.monotonic()
            return None
        return True if time.monotonic() - since >= self.lease else None


class _Beat:
    """A thread that touches the files of this process's owners; none while there are none."""

    def __init__(self) -> None:
        self._cards: set[Path] = set()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, card: Path) -> None:
        self._cards.add(card)
        self.start()

    def remove(self, card: Path) -> None:
        self._cards.discard(card)

    def start(self) -> None:
        if self._cards and self._thread is None:
            self._stop = threading.Event()
            name = "persistq-folder-beat"
            self._thread = threading.Thread(
                target=self._run, args=(self._stop,), name=name, daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stop.set()
            thread.join()

    def forget(self) -> None:
        """Be without cards in a forked child: they are the parent's."""
        self._cards, self._thread = set(), None

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(BEAT_S):
            for card in list(self._cards):
                _touch(card)


def _touch(card: Path) -> None:
    try:
        os.utime(card, follow_symlinks=False)
    except OSError:
        # Its folder may be gone for a moment, or for good: who claims next is told.
        return


def _removed(directory: Path) -> bool:
    """Remove a directory if it is empty; return whether it is gone."""
    try:
        directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


_beat = _Beat()

forking.at_fork(
    forking.Step.BEATS,
    before=_beat.stop,
    after_in_parent=_beat.start,
    after_in_child=_beat.forget,
)
