"""Named crash points: instants at which a test lets a process die.

``PERSISTQ_FAILPOINT="done.before_commit@3:kill"`` kills the process with SIGKILL the third time it
reaches that point; several are separated by commas. Child processes inherit the variable. Unarmed,
a point costs one look-up in an empty dictionary.
"""

from __future__ import annotations

import errno
import os
import signal
from dataclasses import dataclass

VARIABLE = "PERSISTQ_FAILPOINT"


@dataclass(slots=True)
class _Armed:
    """One armed point: fires when its countdown reaches zero."""

    countdown: int
    action: str

    def hit(self, name: str) -> None:
        self.countdown -= 1
        if self.countdown == 0:
            _fire(name, self.action)


def _fire(name: str, action: str) -> None:
    verb, _, detail = action.partition(":")
    match verb:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "exit":
            os._exit(int(detail or 0))
        case "error":
            number = getattr(errno, detail or "EIO")
            raise OSError(number, f"{os.strerror(number)} (failpoint {name})")
        case _:
            raise ValueError(f"{VARIABLE}: unknown action {action!r} at {name}")


def _parse(text: str) -> dict[str, _Armed]:
    armed = {}
    for entry in filter(None, text.split(",")):
        place, _, action = entry.partition(":")
        name, _, nth = place.partition("@")
        armed[name] = _Armed(int(nth or 1), action or "kill")
    return armed


_armed = _parse(os.environ.get(VARIABLE, ""))


def point(name: str) -> None:
    """Die here, if a test armed this point.

    Args:
        name: The point, as ``place.instant``, for example ``done.before_commit``.

    Raises:
        OSError: When armed with ``error:ENOSPC`` or another errno name.
    """
    if _armed and name in _armed:
        _armed[name].hit(name)
