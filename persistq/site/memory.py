"""How much memory processes take."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from typing import Final

_PAGE: Final = resource.getpagesize()


def resident() -> int:
    """Return how much memory this process takes, in bytes; where that is not told, its most."""
    if (now := _told("self")) is not None:
        return now
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def resident_of(pid: int) -> int | None:
    """Return how much memory a process of this host takes, in bytes; None if that is not told."""
    return _told(str(pid))


def _told(process: str) -> int | None:
    with contextlib.suppress(OSError):
        file = os.open(f"/proc/{process}/statm", os.O_RDONLY)
        try:
            return int(os.read(file, 256).split()[1]) * _PAGE
        finally:
            os.close(file)
    return None
