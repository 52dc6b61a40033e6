"""What the kernel says of processes, and which host this is.

A host is where numbers of processes mean something: one boot of a machine and, on Linux, one
namespace of numbers in it, of which each container has its own. ``PERSISTQ_HOST`` gives it another
name: two that differ tell two places apart, the same one declares two places to be one. It is read
from the environment alone, because a file is seen from several places.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Final

from persistq.peer import Peer

VARIABLE: Final = "PERSISTQ_HOST"
HOST_PATTERN: Final = r"[A-Za-z0-9._-]{1,100}"

_PROC: Final = Path("/proc")
_BOOT: Final = _PROC / "sys/kernel/random/boot_id"
_STARTED: Final = 19
"""Where the start stands in ``stat``, behind the command's name."""


def this_process() -> Peer:
    """Return the process that asks."""
    return peer_here(os.getpid())


def peer_here(pid: int) -> Peer:
    """Return a process by its number on this host."""
    return Peer(this_host(), pid, _start_of(pid), this_node())


def this_host() -> str:
    """Return where this process's number means something.

    ``<boot>/<namespace>`` on Linux, the boot alone on macOS, what ``PERSISTQ_HOST`` says where it
    is set; and the machine's name where the system tells no more.
    """
    return _declared() or _boot_and_namespace() or os.uname().nodename


def this_node() -> str:
    """Return what people call this host; text that can be stored."""
    return _declared() or os.uname().nodename.encode("utf-8", "backslashreplace").decode()


def shares_kernel(host: str) -> bool:
    """Return whether another host is in the same boot, so that its sockets can be reached."""
    return host.partition("/")[0] == this_host().partition("/")[0]


def has_ended(peer: Peer) -> bool | None:
    """Return whether a process is gone, or its main thread has ended while others still end.

    None is for not knowing, because it is on another host. Where there is no ``/proc``, only a
    process that is gone is known to have ended.
    """
    if peer.host != this_host():
        return None
    fields = _stat(peer.pid)
    if fields is not None and fields[0] in {b"Z", b"X"}:
        return True
    if not _exists(peer.pid):
        return True
    return 0 not in (peer.started, now := _start_of(peer.pid)) and now != peer.started


def _declared() -> str:
    """Return what the environment calls this host; what cannot name one is refused elsewhere."""
    named = os.environ.get(VARIABLE, "")
    return named if re.fullmatch(HOST_PATTERN, named) else ""


def _boot_and_namespace() -> str:
    if sys.platform == "darwin":
        return _boot_session()
    try:
        boot = _BOOT.read_text(encoding="ascii").strip()
        return f"{boot}/{re.sub(r'[^0-9]', '', str(Path('/proc/self/ns/pid').readlink()))}"
    except (OSError, ValueError):
        return ""


def _start_of(pid: int) -> int:
    if sys.platform == "darwin":
        return _start_on_macos(pid)
    fields = _stat(pid)
    return 0 if fields is None else int(fields[_STARTED])


def _stat(pid: int) -> list[bytes] | None:
    """Return what ``stat`` says of a process from its state on; None where nothing does."""
    try:
        # A /proc of another namespace speaks of other processes.
        if os.readlink("/proc/self") != str(os.getpid()):  # noqa: PTH115 - a path would cost more
            return None
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return fields if len(fields) > _STARTED else None


def _exists(pid: int) -> bool:
    """Return whether there is such a process, be it only one that nobody has collected yet."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


# --- macOS ----------------------------------------------------------------------------------------

_PROC_PIDTBSDINFO: Final = 3
_BSDINFO_BYTES: Final = 136
_START_AT: Final = 120
"""Where ``pbi_start_tvsec`` and ``pbi_start_tvusec`` are in ``struct proc_bsdinfo``."""


def _boot_session() -> str:
    """Return the ``kern.bootsessionuuid`` of macOS; empty if the system does not tell."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    text, size = ctypes.create_string_buffer(64), ctypes.c_size_t(64)
    nothing = None, ctypes.c_size_t(0)
    if libc.sysctlbyname(b"kern.bootsessionuuid", text, ctypes.byref(size), *nothing) != 0:
        return ""
    return text.value.decode("ascii", "replace")


def _start_on_macos(pid: int) -> int:
    """Return when a process started, in microseconds since the epoch; 0 if it is unknown."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    info = ctypes.create_string_buffer(_BSDINFO_BYTES)
    arguments = pid, _PROC_PIDTBSDINFO, ctypes.c_uint64(0), info, _BSDINFO_BYTES
    if libc.proc_pidinfo(*arguments) != _BSDINFO_BYTES:
        return 0
    seconds = int.from_bytes(info.raw[_START_AT : _START_AT + 8], sys.byteorder)
    return seconds * 1_000_000 + int.from_bytes(info.raw[_START_AT + 8 :], sys.byteorder)
