"""Who is at the other end of a local socket: the kernel's word, not the peer's."""

from __future__ import annotations

import os
import socket
import struct
import sys
from typing import Final

_LINUX: Final = struct.Struct("=iII")
"""``struct ucred``: process, user, group."""

# Of macOS; Python has no names for them.
_SOL_LOCAL: Final = 0
_LOCAL_PEERCRED: Final = 1
_MACOS: Final = struct.Struct("=IIhxx16I")
"""``struct xucred``: version, user, number of groups, groups."""


def uid_of_peer(sock: socket.socket) -> int:
    """Return the effective user of the process that has connected, or that listens.

    Raises:
        OSError: The peer is gone, or the system does not tell.
    """
    if sys.platform == "linux":
        answer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _LINUX.size)
        return int(_LINUX.unpack(answer)[1])
    else:  # noqa: RET505 - a type checker looks at one of the two
        answer = sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _MACOS.size)
        version, uid, *_ = _MACOS.unpack(answer.ljust(_MACOS.size, b"\0"))
        if version:
            raise OSError(f"unknown version {version} of peer credentials")
        return int(uid)


def is_trusted(uid: int) -> bool:
    """Return whether a user may talk to this process's runs: oneself, and root, who can anyway."""
    return uid in {0, os.geteuid()}
