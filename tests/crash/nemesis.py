"""The nemesis: picks a process by its role and kills it, at a moment of the load's progress."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from .evidence import FAULTS, Follower, Pen

COOKIE = "SOAK_COOKIE"
OF_ALL = (*["worker"] * 6, *["workers"] * 3, *["pause"] * 2)
ROLES = {
    "pipeline": (*OF_ALL, *["source"] * 3, "script", "broker", "everything"),
    "queue": (*OF_ALL, "script", "broker", "everything"),
}
"""Who may be hit; workers more often than others, because nothing has to be started again then."""
ENDS_SCRIPT = ("script", "broker", "everything")
START = ("launch", "process", ".lock", ".workers", ".db", ".db-wal")
"""Moments of a start: the script's first half second; a broker is there; it has this file open."""
LAUNCH_S = 0.5
POLL_S = 0.002


class Nemesis:
    """Does damage to one load.

    Args:
        home: The load's directory.
        cookie: What all of its processes carry in their environment.
        follower: The effects, as far as they have happened.
        dice: Decides everything.
    """

    def __init__(self, home: Path, cookie: str, follower: Follower, dice: random.Random) -> None:
        self._cookie = cookie
        self._follower = follower
        self._dice = dice
        self._log = Pen(home / FAULTS)
        self.faults: list[str] = []

    def await_progress(self, lines: int, alive: Callable[[], bool]) -> bool:
        """Wait until the load has come so far; False if it ended before.

        A random moment is added, so that what is hit is not always the same instruction.
        """
        while self._follower.catch_up() < lines:
            if not alive():
                return False
            time.sleep(POLL_S)
        self._linger(self._dice.uniform(0, POLL_S))
        return alive()

    def await_start(self, moment: str, alive: Callable[[], bool]) -> bool:
        """Wait until a start has come to a moment of `START`; False if the load ended before."""
        if moment == "launch":
            time.sleep(self._dice.uniform(0, LAUNCH_S))
            return alive()
        while not any(_has_come(pid, moment) for pid in self._brokers()):
            if not alive():
                return False
            time.sleep(POLL_S)
        self._linger(self._dice.expovariate(1 / 0.01))
        return alive()

    def strike(self, role: str, script: int) -> bool:
        """Do one fault; False if nobody plays that role now."""
        targets = self._targets(role, script)
        self._dice.shuffle(targets)
        number = signal.SIGSTOP if role == "pause" else signal.SIGKILL
        hit = [pid for pid in targets if _send(pid, number)]
        if not hit:
            return False
        self._log.write(time.time(), role, *hit)
        self.faults.append(role)
        if role == "pause":
            self._linger(self._dice.uniform(0.005, 0.1))
            _send(hit[0], signal.SIGCONT)
        return True

    def _targets(self, role: str, script: int) -> list[int]:
        match role:
            case "worker" | "pause":
                recent = self._workers()
                return [self._dice.choice(recent)] if recent else []
            case "workers":
                recent = self._workers()
                most = len(recent)
                return self._dice.sample(recent, self._dice.randint(2, most)) if most > 1 else []
            case "source":
                pid = self._follower.roles.get("source", 0)
                return [pid] if pid and self._ours(pid) else []
            case "script":
                return [script]
            case "broker":
                return self._brokers()
            case _:
                return list(living(self._cookie))

    def _workers(self) -> list[int]:
        ours = living(self._cookie)
        return [pid for pid in list(self._follower.started)[-4:] if pid in ours]

    def _brokers(self) -> list[int]:
        return [pid for pid, line in living(self._cookie).items() if "persistq.broker" in line]

    def _ours(self, pid: int) -> bool:
        return pid in living(self._cookie)

    @staticmethod
    def _linger(seconds: float) -> None:
        # Spun: a sleep would round all moments up to the same ticks.
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass


def living(cookie: str) -> dict[int, str]:
    """Return the processes that carry a cookie, with their command lines; zombies are not alive."""
    mark = f"{COOKIE}={cookie}".encode()
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
        except OSError:
            # It has ended since, or is somebody else's.
            continue
    return found


def _has_come(broker: int, moment: str) -> bool:
    """Return whether a broker's process is there, or has the file with this suffix open."""
    if moment == "process":
        return True
    try:
        files = [link.readlink().name for link in Path(f"/proc/{broker}/fd").iterdir()]
    except OSError:
        return False
    return any(name.endswith(moment) for name in files)


def _send(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
