"""Whose files the journals are: whoever can write one can plant items and commands that run here.

Trusted are oneself, root, and the users that ``PERSISTQ_TRUST_OWNER`` names. That is read from the
environment alone: files in the current directory may be the stranger's too.

A directory is looked at first. When it belongs to somebody trusted, and nobody else can write it,
no stranger can put another file in the place of one that was looked at.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from persistq.errors import JournalUnavailable

VARIABLE = "PERSISTQ_TRUST_OWNER"

_BESIDE = ("-wal", "-shm", "-journal")
_AROUND = (".lock", ".workers")


def trusted_owners() -> frozenset[int]:
    """Return the numbers of the users whose files are taken for harmless."""
    named = re.findall(r"\d+", os.environ.get(VARIABLE, ""))
    return frozenset({os.geteuid(), 0, *map(int, named)})


def require_own(journal: Path) -> None:
    """Refuse a journal, existing or not, that a stranger has made or could change.

    Args:
        journal: The journal file, without symbolic links.

    Raises:
        JournalUnavailable: The directory, the file, or one that belongs to it, is of somebody who
            is not trusted, can be written by others, or is not a file.
    """
    require_own_directory(journal.parent, journal)
    if (found := _look(journal, journal)) is not None:
        _require_private(found, journal, journal)
    for place in companions(journal):
        if (found := _look(place, journal)) is not None:
            _require_file(found, place, journal)


def require_own_directory(directory: Path, journal: Path | None = None) -> None:
    """Refuse a directory of journals that a stranger has made or could change.

    Args:
        directory: The directory, which may be missing.
        journal: The journal that is meant, for the message.

    Raises:
        JournalUnavailable: As for `require_own`.
    """
    journal = journal or directory
    if (found := _look(directory, journal, follow=True)) is not None:
        _require_private(found, directory, journal)


def open_own(place: Path, flags: int) -> int:
    """Open a file that belongs to a journal, or make it, readable by its owner only.

    Args:
        place: The file.
        flags: For `os.open`; a symbolic link is never followed.

    Raises:
        JournalUnavailable: It is of somebody who is not trusted, or not a file.
        OSError: It cannot be opened.
    """
    file = os.open(place, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        _require_file(os.fstat(file), place, place)
    except BaseException:
        os.close(file)
        raise
    return file


def companions(journal: Path) -> list[Path]:
    """Return the files that are opened together with a journal, wherever they exist."""
    beside = [Path(f"{journal}{ending}") for ending in _BESIDE]
    return beside + [journal.with_suffix(ending) for ending in _AROUND]


def _look(place: Path, journal: Path, *, follow: bool = False) -> os.stat_result | None:
    try:
        return place.stat(follow_symlinks=follow)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        reason = f"{error.strerror} at {place}: check who may read and write it"
        raise JournalUnavailable(str(journal), reason) from error


def _require_file(found: os.stat_result, place: Path, journal: Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        reason = f"{place.name} beside it is not a regular file: find out who put it there"
        raise JournalUnavailable(str(journal), reason)
    _require_private(found, place, journal)


def _require_private(found: os.stat_result, place: Path, journal: Path) -> None:
    what = "it" if place == journal else _name_of(place, journal)
    if found.st_uid not in trusted_owners():
        reason = (
            f"{what} belongs to {_user(found.st_uid)}, who could plant items and commands that run "
            f"here: use a journal of your own, or set {VARIABLE}={found.st_uid} if you trust them"
        )
        raise JournalUnavailable(str(journal), reason)
    # The sticky bit is no help: it keeps files from being replaced, not from being planted.
    if found.st_mode & (stat.S_IWOTH if _is_own_group(found) else stat.S_IWGRP | stat.S_IWOTH):
        reason = (
            f"other users can write {what}, and could plant items that run code here: "
            f"take that away with chmod go-w {place}, or keep journals elsewhere"
        )
        raise JournalUnavailable(str(journal), reason)


def _name_of(place: Path, journal: Path) -> str:
    return "its directory" if place == journal.parent else f"{place.name} beside it"


def _is_own_group(found: os.stat_result) -> bool:
    # Where each user has a group of his own, with the same number, group rights are nobody else's.
    return found.st_gid == found.st_uid or found.st_gid == os.getegid() == os.geteuid()


def _user(number: int) -> str:
    import pwd

    try:
        return f"user {pwd.getpwuid(number).pw_name} ({number})"
    except KeyError:
        return f"user {number}"
