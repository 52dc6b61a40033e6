"""The heartbeat of this process's owners: other hosts see by it that they live."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from persistq import failpoints, forking
from persistq.folder.cards import write_card
from persistq.leases import boottime


class Pulse:
    """Shows others that one owner lives.

    Args:
        card: Its card.
        facts: What that says of the process.
        every: How often it is touched, in seconds.

    Attributes:
        every: The same.
    """

    def __init__(self, card: Path, facts: dict[str, Any], every: float) -> None:
        self.every = every
        self._card = card
        self._facts = facts | {"heartbeat": every}
        self._lock = threading.Lock()
        self._until = 0.0
        self._asks = self._ended = False

    def begin(self) -> None:
        """Write the card.

        Crash: it is there, or nobody knows of this owner.
        """
        self._write()

    def beat(self) -> None:
        """Show that the owner lives; what it has asked for beyond its lease shrinks meanwhile.

        Crash: others wait for it as long as the card said before.
        """
        with self._lock:
            try:
                if not self._ended:
                    self._touch()
            except OSError:
                # Its folder may be gone for a moment, or for good: who claims next is told.
                return

    def extend(self, seconds: float) -> None:
        """Ask others to wait for so long, if no longer time was asked for.

        Crash: others wait for a dead owner on another host as long as the card says.

        Raises:
            OSError: The card cannot be written; it is as before.
        """
        with self._lock:
            until = boottime() + seconds
            if until > self._until and not self._ended:
                failpoints.point("folder.before_extend")
                self._write(until)
                failpoints.point("folder.after_extend")
                self._until = until

    def end(self) -> None:
        """Write the card no more."""
        with self._lock:
            self._ended = True

    def _touch(self) -> None:
        if self._asks:
            self._write(self._until)
            return
        try:
            os.utime(self._card, follow_symlinks=False)
        except FileNotFoundError:
            # It was taken for dead, and is not.
            self._write()

    def _write(self, until: float = 0.0) -> None:
        left = until - boottime()
        write_card(self._card, self._facts | ({"extended": left} if left > 0 else {}))
        self._asks = left > 0


class _Heart:
    """A thread that lets the owners of this process be seen; none while there are none."""

    def __init__(self) -> None:
        self._pulses: dict[Path, Pulse] = {}
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def add(self, card: Path, pulse: Pulse) -> None:
        self._pulses[card] = pulse
        self.start()
        # It may wait for longer than this one does.
        self._wake.set()

    def remove(self, card: Path) -> None:
        if (pulse := self._pulses.pop(card, None)) is not None:
            pulse.end()

    def pulse(self, card: Path) -> Pulse | None:
        return self._pulses.get(card)

    def start(self) -> None:
        if self._pulses and self._thread is None:
            self._stopping = False
            name = "persistq-folder-beat"
            self._thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stopping = True
            self._wake.set()
            thread.join()

    def forget(self) -> None:
        """Be without owners in a forked child: they are the parent's."""
        self._pulses, self._thread, self._wake = {}, None, threading.Event()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(min((one.every for one in [*self._pulses.values()]), default=1.0))
            self._wake.clear()
            for pulse in [*self._pulses.values()]:
                pulse.beat()


heart = _Heart()

forking.at_fork(
    forking.Step.BEATS,
    before=heart.stop,
    after_in_parent=heart.start,
    after_in_child=heart.forget,
)
