"""The directories of one folder that is a queue, and whose they have to be.

Who can write the folder puts items there, which is what it is for; so it may be open to a group.
The directories below it are its owner's alone: whoever could plant a link there would have files
moved to where they want.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from persistq.errors import FolderError, UsageError
from persistq.site import register
from persistq.site.ownership import VARIABLE, trusted_owners

DELETE: Final = "delete"
_SMALL: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """The directories of a folder.

    Attributes:
        path: The folder: an absolute path without symbolic links.
        done: Where finished files go; None if they are deleted.
    """

    path: Path
    done: Path | None

    @property
    def tmp(self) -> Path:
        """What is being written, by owner."""
        return self.path / ".tmp"

    @property
    def taken(self) -> Path:
        """What is claimed, by owner."""
        return self.path / ".taken"

    @property
    def parked(self) -> Path:
        """What has failed for good, each with its reason beside it."""
        return self.path / ".parked"

    @property
    def rounds(self) -> Path:
        """A record of each of the last rounds that are over."""
        return self.path / ".rounds"

    @property
    def owners(self) -> Path:
        """Who each owner is; the time of such a file says that its owner lived then."""
        return self.path / ".owners"

    @property
    def crashes(self) -> Path:
        """How often a process has died with an item."""
        return self.path / ".crashes"

    def prepare(self) -> None:
        """Make the directories that are missing, and note the folder in this user's register.

        Crash: some are made, and it is noted or not; the next start does the rest.

        Raises:
            FolderError: One is a stranger's, or no directory, or cannot be made.
        """
        _make(self.path, self.path, parents=True)
        self.require_own()
        for directory in self._parts():
            _make(directory, self.path)
        self.require_own()
        if self.done is not None and self.done.stat().st_dev != self.path.stat().st_dev:
            raise FolderError(
                str(self.path), f"done={self.done} is on another file system: give one on the same"
            )
        register.remember(self.path, register.FOLDERS)

    def require_own(self) -> None:
        """Refuse directories that a stranger has made or could exchange.

        Raises:
            FolderError: There are such.
        """
        _require_directory(self.path, self.path, stat.S_IWOTH)
        for directory in self._parts():
            if directory.exists() or directory.is_symlink():
                _require_directory(directory, self.path, stat.S_IWOTH)

    def _parts(self) -> list[Path]:
        done = [] if self.done is None else [self.done]
        return [self.tmp, self.taken, self.parked, self.rounds, self.owners, self.crashes, *done]


def place_of(path: str | os.PathLike[str], done: str = ".done") -> Place:
    """Return the directories of a folder, which may be missing.

    Args:
        path: The folder.
        done: ``delete``, or a directory, as seen from the folder.

    Raises:
        UsageError: The path or ``done`` is no path.
    """
    try:
        folder = Path(path).resolve()
        if not isinstance(done, str) or not done:
            raise TypeError
        return Place(folder, None if done == DELETE else folder / done)
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        message = f"{path!r} with done={done!r} is no folder: give a path, and a name or 'delete'"
        raise UsageError(message) from error


def read_small(path: Path) -> bytes | None:
    """Return what a small regular file says; None if it is none, or cannot be read.

    A symbolic link is not followed, and what waits for a writer is not waited for.
    """
    found = read_with_look(path)
    return None if found is None else found[0]


def read_with_look(path: Path) -> tuple[bytes, os.stat_result] | None:
    """Do the same, and return with it what the system says of that very file."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        file = os.open(path, flags)
    except OSError:
        return None
    try:
        found = os.fstat(file)
        return (os.read(file, _SMALL), found) if stat.S_ISREG(found.st_mode) else None
    except OSError:
        return None
    finally:
        os.close(file)


def _make(directory: Path, folder: Path, *, parents: bool = False) -> None:
    try:
        directory.mkdir(parents=parents, exist_ok=True)
    except OSError as error:
        reason = f"{directory} cannot be made: {error.strerror}"
        raise FolderError(str(folder), reason) from error


def _require_directory(directory: Path, folder: Path, forbidden: int) -> None:
    what = "it" if directory == folder else directory.name
    try:
        found = directory.lstat()
    except OSError as error:
        raise FolderError(str(folder), f"{what} cannot be read: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode):
        raise FolderError(str(folder), f"{what} is not a directory: move it away")
    if found.st_uid not in trusted_owners():
        reason = (
            f"{what} belongs to user {found.st_uid}, who could have files moved elsewhere: use a "
            f"folder of your own, or set {VARIABLE}={found.st_uid} if you trust them"
        )
        raise FolderError(str(folder), reason)
    if found.st_mode & forbidden:
        reason = f"everybody can write {what}: take that away with chmod o-w {directory}"
        raise FolderError(str(folder), reason)
