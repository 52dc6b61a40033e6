"""Who is at the other end of a local socket: the kernel's word, not the peer's."""

from __future__ import annotations

import os
import socket
import struct
import sys
from typing import Final

from persistq.peer import Peer
from persistq.site.processes import peer_here

_LINUX: Final = struct.Struct("=iII")
"""``struct ucred``: process, user, group."""

# Of macOS; Python has no names for them.
_SOL_LOCAL: Final = 0
_LOCAL_PEERCRED: Final = 1
_LOCAL_PEERPID: Final = 2
_MACOS: Final = struct.Struct("=IIhxx16I")
"""``struct xucred``: version, user, number of groups, groups."""


def uid_of_peer(sock: socket.socket) -> int:
    """Return the effective user of the process that has connected, or that listens.

    Raises:
        OSError: The peer is gone, or the system does not tell.
    """
    if sys.platform == "linux":
        return _process_and_user(sock)[1]
    else:  # noqa: RET505 - a type checker looks at one of the two
        answer = sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _MACOS.size)
        version, uid, *_ = _MACOS.unpack(answer.ljust(_MACOS.size, b"\0"))
        if version:
            raise OSError(f"unknown version {version} of peer credentials")
        return int(uid)


def peer_of(sock: socket.socket) -> Peer | None:
    """Return the process at the other end of a Unix socket, as it is known here; else None.

    What a process calls itself is no use to somebody who sees other processes, or others by the
    same numbers: in another container, for example. The kernel translates, or says 0.
    """
    try:
        if sys.platform == "linux":
            pid = _process_and_user(sock)[0]
        else:
            pid = sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID)
    except OSError:
        return None
    return peer_here(pid) if pid > 0 else None


def is_trusted(uid: int) -> bool:
    """Return whether a user may talk to this process's runs: oneself, and root, who can anyway."""
    return uid in {0, os.geteuid()}


def _process_and_user(sock: socket.socket) -> tuple[int, int]:
    answer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _LINUX.size)
    pid, uid, _ = _LINUX.unpack(answer)
    return pid, uid
