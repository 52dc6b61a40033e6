"""Which directories that are queues this user has."""

from __future__ import annotations

import os
import stat
from itertools import islice
from pathlib import Path
from typing import Final

from persistq.errors import JournalError
from persistq.site import register
from persistq.site.ownership import require_own_directory

LOOKED_AT: Final = 10_000
"""So many entries of a directory are looked at, at most."""


def folders_of(*journals: Path) -> list[Path]:
    """Return the folders of this user, and those that lie beside journals; sorted, each once.

    Some may be a stranger's by now: `Place.require_own` says so.

    Args:
        journals: Directories of journals, which may be missing: folders directly below one are
            found, and those directly below the directory that it is in.
    """
    found = {path for path in register.known_folders() if _is_directory(path)}
    for directory in {above for one in journals for above in (one, one.parent)}:
        found.update(folders_in(directory))
    return sorted(found)


def folders_in(directory: Path) -> list[Path]:
    """Return the folders directly below a directory; none of one where strangers can plant some.

    Links are not followed.
    """
    try:
        require_own_directory(directory)
        with os.scandir(directory) as entries:
            return [Path(one.path) for one in islice(entries, LOOKED_AT) if _is_folder(one)]
    except (JournalError, OSError):
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    if not entry.is_dir(follow_symlinks=False):
        return False
    return all(_is_directory(Path(entry.path, name)) for name in (".owners", ".taken"))


def _is_directory(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False
