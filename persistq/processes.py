"""What the kernel says of a process."""

from __future__ import annotations

import os
from pathlib import Path


def lives(pid: int) -> bool:
    """Return whether there is such a process, be it only one that nobody has collected yet."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def has_ended(pid: int) -> bool:
    """Return whether a process is gone, or its main thread has ended while others still end.

    Where there is no ``/proc``, only a process that is gone is known to have ended.
    """
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return not lives(pid)
    return state in {b"Z", b"X"}
