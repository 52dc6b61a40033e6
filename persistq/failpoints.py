"""Named crash points: instants at which a test lets a process die.

``PERSISTQ_FAILPOINT="broker.before_commit@3:kill"`` kills the process with SIGKILL the third time
it reaches that point; several are separated by commas. Other actions are ``stop``, ``exit:CODE``
and ``error:ERRNO``, which raises an `OSError`. Child processes inherit the variable.

With ``PERSISTQ_FAILPOINT_HITS`` naming a directory, every point writes down in a file of its own
who has reached it, and the count is one over all processes. Unarmed, a point costs the look at two
empty variables.
"""

from __future__ import annotations

import errno
import os
import signal
from dataclasses import dataclass

VARIABLE = "PERSISTQ_FAILPOINT"
HITS_VARIABLE = "PERSISTQ_FAILPOINT_HITS"
HIT_BYTES = 10
"""Length of the line that one hit leaves: the number of its process."""


@dataclass(slots=True)
class _Armed:
    """One armed point: fires at its hit with this number."""

    fires_at: int
    action: str
    reached: int = 0

    def hit(self, name: str, number: int | None) -> None:
        self.reached = self.reached + 1 if number is None else number
        if self.reached == self.fires_at:
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
_hits = os.environ.get(HITS_VARIABLE, "")


def point(name: str) -> None:
    """Die here, if a test armed this point.

    Args:
        name: The point, as ``role.instant``, for example ``broker.before_commit``.

    Raises:
        OSError: When armed with ``error:ENOSPC`` or another errno name.
    """
    if _armed or _hits:
        _reach(name)


def _reach(name: str) -> None:
    number = _note(name) if _hits else None
    if name in _armed:
        _armed[name].hit(name, number)


def _note(name: str) -> int:
    """Leave one line, and return which one it is, whoever wrote those before."""
    path = os.path.join(_hits, name)  # noqa: PTH118 - pathlib would make `import persistq` dear
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, f"{os.getpid():{HIT_BYTES - 1}}\n".encode())
        # After an append, the offset is where this line ends.
        return os.lseek(file, 0, os.SEEK_CUR) // HIT_BYTES
    finally:
        os.close(file)
