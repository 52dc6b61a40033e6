"""Where this user has journals: a directory of symbolic links, one for each directory of journals.

Commands look here for a journal that is not where they are typed. Making a link is one step, so
the register needs no lock and is never half-written. It is a convenience: where it cannot be kept,
nothing fails. Nothing is believed of it but that there may be journals at a place, and of that only
what belongs to this user or to root. Directories that are queues have a register like it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path
from typing import Final

from persistq import failpoints
from persistq.site.places import home_directory, is_own

JOURNALS: Final = "journals"
FOLDERS: Final = "folders"


def remember(directory: Path, kind: str = JOURNALS) -> None:
    """Note a directory of journals, or one that is a queue.

    Crash: it is noted or not; each start on it notes it again.

    Args:
        directory: An absolute path without symbolic links.
        kind: `JOURNALS` or `FOLDERS`.
    """
    from hashlib import blake2b  # it brings OpenSSL, which no command needs

    with contextlib.suppress(OSError):
        place = _place(kind)
        link = place / blake2b(os.fsencode(directory), digest_size=16).hexdigest()
        if link.is_symlink():
            return
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _is_safe(place):
            failpoints.point("broker.before_remember")
            link.symlink_to(directory)
            _targets(kind)


def known() -> list[Path]:
    """Return the directories of journals that are still there; forget those that are not."""
    return [target for target in _targets(JOURNALS) if is_own(target)]


def known_folders() -> list[Path]:
    """Return the directories that are queues and still there; forget those that are not.

    Whose they are has to be looked at: they may be a stranger's by now.
    """
    return _targets(FOLDERS)


def _targets(kind: str) -> list[Path]:
    try:
        place = _place(kind)
        links = sorted(place.iterdir()) if _is_safe(place) else []
    except OSError:
        return []
    return sorted(filter(None, map(_target, links)))


def _place(kind: str) -> Path:
    """Return where a register is.

    Raises:
        FileNotFoundError: This user has no home directory.
    """
    state = os.environ.get("XDG_STATE_HOME", "")
    # The specification: what is not absolute is to be ignored.
    if Path(state).is_absolute():
        return Path(state, "persistq", kind)
    home = home_directory()
    if home is None:
        raise FileNotFoundError
    usual = ("Library", "Application Support") if sys.platform == "darwin" else (".local", "state")
    return home.joinpath(*usual, "persistq", kind)


def _is_safe(place: Path) -> bool:
    """Return whether nobody else can have written the register; root has one of its own."""
    found = place.lstat()
    private = not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and private


def _target(link: Path) -> Path | None:
    try:
        target = link.readlink()
        if target.is_absolute() and target.is_dir():
            return target
        if not target.exists():
            link.unlink()
    except OSError:
        pass
    return None
