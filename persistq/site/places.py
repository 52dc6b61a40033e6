"""Where else a journal may be: above a directory, as far as one's own ground goes.

Known to clients too, so it imports no database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from persistq.site.naming import journal_path
from persistq.site.ownership import trusted_owners

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
    """Return whether a path, and what it leads to, belong to users who are trusted."""
    try:
        return {path.lstat().st_uid, path.stat().st_uid} <= trusted_owners()
    except OSError:
        return False


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
    return found.st_dev if found.st_uid in trusted_owners() else None
