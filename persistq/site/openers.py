"""Who has files open, as far as the system tells it: other users' processes are not to be seen."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import sys
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Final

Identity = tuple[int, int]
"""What tells a file from all others: its device, and its number there."""

_FLOCK: Final = struct.Struct("hhqqi4x")


def identity_of(found: os.stat_result) -> Identity:
    """Return what tells a file from all others."""
    return found.st_dev, found.st_ino


def openers(files: Container[Identity]) -> Iterator[tuple[int, Identity]]:
    """Yield the number of each process that has one of these files open, and which one."""
    for pid in _processes():
        # One that ends meanwhile has nothing open.
        with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as links:
            found = {identity for link in links if (identity := _led_to(link)) is not None}
            yield from ((pid, identity) for identity in found if identity in files)


def is_locked(file: int, first: int, count: int) -> bool:
    """Return whether another process has locked some of a file's bytes, whosever process that is.

    Where it cannot be asked, nobody is known to.

    Args:
        file: A descriptor. Closing it gives up what this process has locked of the file.
        first: The first byte.
        count: How many there are.
    """
    if sys.platform != "linux":
        return False
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, first, count, 0)
    try:
        found = fcntl.fcntl(file, fcntl.F_GETLK, asked)
    except OSError:
        return False
    return int(_FLOCK.unpack(found)[0]) != fcntl.F_UNLCK


def _processes() -> list[int]:
    try:
        return [int(one.name) for one in Path("/proc").iterdir() if one.name.isdecimal()]
    except OSError:
        return []


def _led_to(link: os.DirEntry[str]) -> Identity | None:
    with contextlib.suppress(OSError):
        return identity_of(link.stat())
    return None
