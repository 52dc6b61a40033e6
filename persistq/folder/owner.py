"""Owners: who has claimed files, and is writing some; one for each queue object in each process."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from persistq import failpoints
from persistq.folder.cards import clock_of, draft_of, facts_of, owners_in, peer_in, read_card
from persistq.folder.heartbeat import Pulse, heart
from persistq.folder.place import Place, read_small
from persistq.leases import Leases, Life, Silence, lease_of
from persistq.peer import Peer
from persistq.site.processes import has_ended, this_process

Notice = Callable[[str, Peer, Silence], None]

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

    def register(self, heartbeat: float) -> None:
        """Say who this is, and make its directories.

        Crash: the file is there before the directories, so what is in these has an owner whose
        death can be known.

        Args:
            heartbeat: How often to show that it lives, in seconds.
        """
        pulse = Pulse(self.card, facts_of(self.peer), heartbeat)
        pulse.begin()
        failpoints.point("folder.after_register")
        for directory in (self.taken, self.tmp):
            directory.mkdir(exist_ok=True)
        heart.add(self.card, pulse)

    def extend(self, seconds: float) -> None:
        """Ask other hosts to wait for so long without a heartbeat.

        Crash: on this host its death is known all the same; another one waits as long as was said.
        """
        if (pulse := heart.pulse(self.card)) is not None:
            pulse.extend(seconds)

    def withdraw(self) -> None:
        """Be no owner any more; what is left in its directories is recovered by others.

        Crash: what is left is an empty directory, or a file about a dead process.
        """
        heart.remove(self.card)
        if _removed(self.taken) and _removed(self.tmp):
            failpoints.point("folder.before_withdraw")
            forget(self.card)


def forget(card: Path) -> None:
    """Remove the card of an owner that is no more, and what may be left of writing it."""
    for path in (draft_of(card), card):
        path.unlink(missing_ok=True)


def load_of(owner: str) -> str:
    """Return the load that an owner is, by its name; empty if it is a process."""
    name = owner.removeprefix(LOAD)
    return "" if name == owner else name.replace("~", ".")


def new_owner(place: Place) -> Owner:
    """Return this process as an owner that nobody knows yet."""
    peer = this_process()
    node = re.sub(r"[^A-Za-z0-9_-]", "-", peer.node)[:40]
    return Owner(f"{node}-{peer.pid}-{secrets.token_hex(4)}", peer, place)


class Watch:
    """Tells dead owners from live ones.

    On this host the kernel knows. On another one an owner is dead when its card has not changed
    for the length of its lease, measured here: two clocks are never compared.

    Args:
        place: The folder.
        lease: How long an owner on another host may be silent, in seconds, if it has not asked for
            more.
        notice: Called with what is seen of an owner on another host, each time that it is looked
            at: its name, its process, and how long it has been silent.

    Attributes:
        place: The folder.
        leases: Counts for how long owners have been silent.
    """

    def __init__(self, place: Place, lease: float, notice: Notice | None = None) -> None:
        self.place = place
        self.leases = Leases(lease)
        self._notice = notice
        self._peers: dict[str, Peer] = {}

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
        ended = None if peer is None else has_ended(peer)
        return self._is_silent(owner, peer) if peer is not None and ended is None else ended

    def has_died(self, peer: Peer, owner: str) -> bool | None:
        """Return whether a process has died that was an owner, also one that is no more."""
        ended = has_ended(peer)
        if ended is None and not (self.place.owners / owner).exists():
            return True
        return self._is_silent(owner, peer) if ended is None else ended

    def patience(self) -> float:
        """Return how long one has to watch to know who is dead on other hosts, in seconds.

        Those are not meant who have asked for more time.
        """
        cards = filter(None, (read_card(self.place, owner) for owner in owners_in(self.place)))
        unseen = [card for card in cards if card.peer and has_ended(card.peer) is None]
        signs = (card.sign._replace(extended=0.0) for card in unseen)
        return max((lease_of(self.leases.lease, sign) for sign in signs), default=0.0)

    def silence_of(self, owner: str) -> Silence | None:
        """Return how long an owner on another host has been silent, by the clock of the folder.

        One look is enough for that, and so it is for people: nothing is decided by it. None if
        the kernel knows how it is, or nobody does.
        """
        card = read_card(self.place, owner)
        if card is None or card.peer is None or has_ended(card.peer) is not None:
            return None
        silent = max(0.0, clock_of(self.place) - card.touched)
        return Silence(silent, lease_of(self.leases.lease, card.sign))

    def _is_silent(self, owner: str, peer: Peer) -> bool | None:
        """Return whether a lease has run out; None while no heartbeat was seen either."""
        card = read_card(self.place, owner)
        if card is None:
            return None
        silence = self.leases.look(owner, card.sign)
        if self._notice is not None:
            self._notice(owner, peer, silence)
        if silence.life is Life.DEAD:
            return True
        return False if silence.beats else None


def _removed(directory: Path) -> bool:
    """Remove a directory if it is empty; return whether it is gone."""
    try:
        directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
