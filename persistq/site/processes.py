"""What the kernel says of a process."""

from __future__ import annotations

import os
import socket
import struct
import sys
from pathlib import Path

_LINUX = sys.platform == "linux"
_UCRED = struct.Struct("3i")
_SOL_LOCAL, _LOCAL_PEERPID = 0, 2


def peer_of(sock: socket.socket) -> int:
    """Return the process at the other end of a Unix socket, by the number it has here; else 0.

    What a process calls itself is no use to somebody who sees other processes, or others by the
    same numbers: in another container, for example. The kernel translates, or says 0.
    """
    try:
        if _LINUX:
            peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
            return int(_UCRED.unpack(peer)[0])
        return sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID)
    except OSError:
        return 0


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
