"""Files come into a folder whole, by a rename that replaces nothing."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final

from persistq import failpoints
from persistq.errors import UsageError
from persistq.folder.claims import Claims
from persistq.folder.place import Place
from persistq.folder.recovery import COPY, MOVED, OFFERED, PUTTING
from persistq.folder.renames import (
    CannotRefuse,
    rename_at_once,
    rename_free,
    rename_new,
    rename_over,
    sync_directory,
)

_NOT_BY_RENAME: Final = {errno.EXDEV, errno.EPERM}


class Putter:
    """Puts files into a folder, for one queue object of this process.

    Args:
        place: The folder.
        claims: Says who this process is.
        require_open: Raises if nothing more may be put.
    """

    def __init__(self, place: Place, claims: Claims, require_open: Callable[[], None]) -> None:
        self._place = place
        self._claims = claims
        self._require_open = require_open
        self._numbers = count(1)

    @contextmanager
    def announced(self) -> Iterator[int]:
        """Let readers see that something is being put; yields a number for it.

        Who sees all producers done, and then no such sign, has everything in the listing after
        that: the sign was there before it was asked whether the queue is closed.

        Crash: the sign is removed by recovery.

        Raises:
            QueueClosed: It is.
        """
        number = next(self._numbers)
        sign = self._claims.owner.tmp / f"{number}.{PUTTING}"
        sign.touch()
        failpoints.point("folder.after_sign")
        try:
            self._require_open()
            yield number
        finally:
            sign.unlink(missing_ok=True)

    def put(self, source: Path, name: str, *, copy: bool) -> None:
        """Put a file.

        Crash: it is in the folder whole, or not at all; the source goes last.

        Args:
            source: The file.
            name: What it is called in the folder.
            copy: Whether the source stays.

        Raises:
            FileExistsError: A file of this name waits there; the source is untouched.
            QueueClosed: Nothing more may be put.
            UsageError: The source is no file.
        """
        _require_file(source, copy=copy)
        with self.announced() as number:
            failpoints.point("folder.before_put")
            if copy or not self._moved(source, number, name):
                self._copied(source, number, name)
                if not copy:
                    failpoints.point("folder.before_unlink")
                    source.unlink(missing_ok=True)
            failpoints.point("folder.after_put")

    def _moved(self, source: Path, number: int, name: str) -> bool:
        """Rename the source into the folder; False if only a copy of it can come there."""
        _sync(source)
        try:
            is_moved = self._renamed(source, number, name)
        except FileExistsError:
            raise _taken(self._place, name) from None
        except OSError as error:
            if error.errno not in _NOT_BY_RENAME:
                raise
            return False
        sync_directory(self._place.path)
        return is_moved

    def _renamed(self, source: Path, number: int, name: str) -> bool:
        try:
            rename_at_once(source, self._place.path / name)
        except CannotRefuse:
            if source.lstat().st_nlink > 1:
                # How many names it has has to tell whether it was put.
                return False
            self._offered(source, number, name)
        return True

    def _offered(self, source: Path, number: int, name: str) -> None:
        """Put by a link, which refuses a name that is taken, and an unlink.

        Others may have finished it before the unlink. So the source goes first: what is not there
        is not put again.

        Crash: recovery puts it, if nobody can have seen it; or removes the second name; or, where
        it has only one because finished files are deleted, parks it.
        """
        target = self._place.path / name
        if os.path.lexists(target):
            raise _taken(self._place, name)
        moved, offered = (self._draft(number, name, end) for end in (MOVED, OFFERED))
        rename_over(source, moved)
        failpoints.point("folder.before_offer")
        rename_over(moved, offered)
        failpoints.point("folder.after_offer")
        try:
            rename_new(offered, target)
        except OSError:
            _move_back(offered, source)
            raise

    def _draft(self, number: int, name: str, end: str) -> Path:
        return self._claims.owner.tmp / f"{number}.{name}{end}"

    def _copied(self, source: Path, number: int, name: str) -> None:
        draft = self._draft(number, name, COPY)
        try:
            shutil.copyfile(source, draft)
            failpoints.point("folder.within_copy")
            shutil.copystat(source, draft)
            _sync(draft)
            failpoints.point("folder.before_publish")
            rename_new(draft, self._place.path / name)
        except FileExistsError:
            draft.unlink(missing_ok=True)
            raise _taken(self._place, name) from None
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        sync_directory(self._place.path)
        failpoints.point("folder.after_publish")


def _move_back(draft: Path, source: Path) -> None:
    try:
        rename_new(draft, source)
    except FileExistsError:
        rename_free(draft, source.parent, source.name)


def _require_file(source: Path, *, copy: bool) -> None:
    found = source.stat() if copy else source.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise UsageError(f"{source} is a symbolic link: put the file it leads to, or copy=True")
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{source} is not a file: a folder has files as its items")


def _taken(place: Place, name: str) -> FileExistsError:
    what = "a file of this name waits in the folder"
    return FileExistsError(errno.EEXIST, what, str(place.path / name))


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
