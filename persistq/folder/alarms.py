"""Alarms of who waits: somebody on another host gives no sign of life, counts as dead, is back."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Final

from persistq import logs
from persistq.folder.controls import read_controls
from persistq.folder.listing import directories_in, owned
from persistq.folder.names import control_of
from persistq.folder.place import Place
from persistq.folder.recovery import owner_of
from persistq.folder.rounds import last_round
from persistq.leases import Life, Silence
from persistq.peer import Peer
from persistq.text.streams import say
from persistq.text.terminal import printable

_RANKS: Final = {Life.ALIVE: 0, Life.SILENT: 1, Life.DEAD: 2}


class Alarms:
    """Tells each once, on standard error and in the log, of owners on whom something depends.

    These have something in hand, are writing something, or are a producer that is not done. Who
    has nothing may be silent for ever.

    Args:
        place: The folder.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._told: dict[str, Life] = {}

    def notice(self, owner: str, peer: Peer, silence: Silence) -> None:
        """Tell what has changed since the owner was looked at last.

        Args:
            owner: Its name.
            peer: Its process.
            silence: How long it has been silent.
        """
        life, told = silence.life, self._told.get(owner, Life.ALIVE)
        if life is told:
            return
        if _RANKS[life] < _RANKS[told]:
            if silence.beats:
                self._tell(owner, life, f"{peer} gives signs of life again")
        elif stake := ", ".join(self._at_stake(owner)):
            self._tell(owner, life, f"{peer} {_complaint(silence)}: {stake}")

    def _tell(self, owner: str, life: Life, text: str) -> None:
        self._told[owner] = life
        line = printable(f"folder {self._place.path}: {text}")
        logs.log(logging.INFO if life is Life.ALIVE else logging.WARNING, line)
        say(f"persistq: {line}")

    def _at_stake(self, owner: str) -> Iterator[str]:
        """Yield what others wait for of an owner."""
        for what, directory in (
            ("in hand", self._place.taken),
            ("being written", self._place.tmp),
        ):
            mine = [name for name in directories_in(directory) if owner_of(name) == owner]
            if count := sum(1 for _ in owned(directory, mine)):
                yield f"{count} {what}"
        yield from (f"producer {name!r} is not done" for name in self._producers(owner))

    def _producers(self, owner: str) -> list[str]:
        names = os.listdir(self._place.path)  # noqa: PTH208 - only names are wanted
        controls = read_controls(
            self._place.path,
            [name for name in names if control_of(name)[0]],
            last_round(self._place).void,
        )
        return [name for name in controls.unfinished if controls.helos[name].owner == owner]


def _complaint(silence: Silence) -> str:
    if silence.life is Life.DEAD:
        return f"counts as dead, having given no sign of life for {silence.seconds:.3g} s"
    return (
        f"has given no sign of life for {silence.seconds:.3g} s, and counts as dead after "
        f"{silence.lease:g} s"
    )
