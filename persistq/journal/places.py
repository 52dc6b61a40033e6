"""Where else a journal may be: above a directory, as far as one's own ground goes.

Known to clients too, so it imports no database.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from persistq.journal.naming import journal_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


def upwards(start: Path, home: Path | None) -> Iterator[Path]:
    """Yield a directory and those above it.

    It ends with the home directory, and before another file system or somebody else's directory:
    what lies beyond is not this user's, nor about this program.

    Args:
        start: An absolute path without symbolic links.
        home: The home directory, if there is one.
    """
    first = _device_of_own(start)
    for directory in (start, *start.parents):
        if first is None or (directory != start and _device_of_own(directory) != first):
            return
        yield directory
        if directory == home:
            return


def is_own(path: Path) -> bool:
    """Return whether a path, and what it leads to, belongs to this user or to root."""
    try:
        return is_trusted(path.lstat().st_uid) and is_trusted(path.stat().st_uid)
    except OSError:
        return False


def is_trusted(owner: int) -> bool:
    """Return whether a user may lay something in this one's way: only oneself and root."""
    return owner in {os.geteuid(), 0}


def home_directory() -> Path | None:
    """Return this user's home directory; None if the system knows none."""
    from pathlib import Path

    try:
        return Path.home()
    except RuntimeError:
        return None


def journals_of(name: str, directories: Iterable[Path]) -> Iterator[Path]:
    """Yield the files that may be the journal of a name, without symbolic links, each once."""
    seen = set()
    for directory in directories:
        path = journal_path(directory, name)
        # First what is false nearly always: this is done at each start.
        if path.is_file() and is_own(directory) and is_own(path):
            real = path.resolve()
            if real not in seen:
                seen.add(real)
                yield real


def _device_of_own(directory: Path) -> int | None:
    try:
        found = directory.stat()
    except OSError:
        return None
    return found.st_dev if is_trusted(found.st_uid) else None
