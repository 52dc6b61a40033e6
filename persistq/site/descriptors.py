"""Descriptors of a file that SQLite reads in this process as well.

POSIX takes all locks of a process off a file when the process closes any descriptor of it, also
those that SQLite has taken by another one. Then whoever closes the file elsewhere finds nobody
there, and deletes the log beside it; what is open here would never see another commit. So who is
done with such a descriptor lets it wait here until nothing in this process reads the file.
"""

from __future__ import annotations

import os
import threading
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

Identity = tuple[int, int]
"""What tells a file from all others: its device, and its number there."""

_lock = threading.Lock()
_readers: Counter[Identity] = Counter()
_waiting: defaultdict[Identity, list[int]] = defaultdict(list)


def begin_reading(path: Path) -> Identity:
    """SQLite is going to open a file; give what this returns to `end_reading`.

    Raises:
        OSError: There is none.
    """
    identity = _identity(path.stat())
    with _lock:
        _readers[identity] += 1
    return identity


def end_reading(identity: Identity) -> None:
    """SQLite has closed it; in a process that was forked since, nothing was open."""
    over: list[int] = []
    with _lock:
        _readers[identity] -= 1
        if _readers[identity] <= 0:
            del _readers[identity]
            over = _waiting.pop(identity, [])
    for file in over:
        os.close(file)


def close(file: int) -> bool:
    """Close a descriptor, now or when SQLite reads its file no more; return whether now."""
    identity = _identity(os.fstat(file))
    with _lock:
        if is_read := identity in _readers:
            _waiting[identity].append(file)
    if not is_read:
        os.close(file)
    return not is_read


def _identity(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino


def _begin_anew() -> None:
    """Forget what the parent reads: a forked child has none of its locks."""
    global _lock  # noqa: PLW0603 - whoever held it is not here
    _lock = threading.Lock()
    _readers.clear()
    _waiting.clear()


os.register_at_fork(after_in_child=_begin_anew)
