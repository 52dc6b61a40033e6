"""Renames that replace nothing, and what is true of them on a network file system.

Linux and macOS rename without replacing in one step, where the file system can. Others can link,
which refuses a name that is taken as well, but takes two steps. What may lie anywhere, because its
name is free to choose, needs neither: a new name is never taken.

An answer of a network file system can be lost: the rename was made, is asked for again, and the
source is missing then. So who is told that looks whether the file lies where it was to go.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from persistq import failpoints
from persistq.folder.names import candidates, unique

_UNKNOWN: Final = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
_AT_FDCWD: Final = -100
_NOREPLACE: Final = 1
_EXCL: Final = 4


class CannotRefuse(OSError):
    """The file system cannot rename without replacing."""


def rename_new(source: Path, target: Path) -> None:
    """Give a file a name that is free.

    Crash: it has the one name or the other. Where the file system needs a link for that, it may
    have both.

    Raises:
        FileExistsError: The name is taken; nothing was changed.
        OSError: It cannot be done.
    """
    found = source.lstat()
    try:
        _rename_or_link(source, target, found)
    except FileNotFoundError:
        if not is_at(target, found):
            raise


def rename_at_once(source: Path, target: Path) -> None:
    """Give a file a name that is free, in one step.

    Crash: it has the one name or the other.

    Raises:
        CannotRefuse: The file system has no such step; nothing was changed.
        FileExistsError: The name is taken; nothing was changed.
        OSError: It cannot be done.
    """
    found = source.lstat()
    try:
        _rename(source, target)
    except FileNotFoundError:
        if not is_at(target, found):
            raise


def rename_free(
    source: Path, directory: Path, name: str, found: os.stat_result | None = None
) -> Path:
    """Move a file or a directory into a directory, under its name or one like it; replace nothing.

    Crash: it is at the one place or the other.

    Args:
        source: What is moved.
        directory: Where it goes.
        name: Its name there, if that is free.
        found: How the source was just found by `os.lstat`; None looks.

    Returns:
        Where it is.

    Raises:
        FileNotFoundError: The source is gone, and is not there either.
        OSError: It cannot be done.
    """
    found = found or os.lstat(source)
    for candidate in candidates(name):
        target = directory / candidate
        try:
            _rename(source, target)
        except FileExistsError:
            continue
        except FileNotFoundError:
            if is_at(target, found):
                return target
            raise
        except CannotRefuse:
            target = directory / unique(name)
            rename_over(source, target)
            return target
        else:
            return target
    raise AssertionError("candidates have no end")


def rename_over(source: Path, target: Path) -> None:
    """Give a file or a directory a name that nobody else gives; a file that has it is replaced.

    Crash: it has the one name or the other.

    Raises:
        FileNotFoundError: The source is gone, and is not there either.
        OSError: It cannot be done.
    """
    found = source.lstat()
    try:
        source.rename(target)
    except FileNotFoundError:
        if not is_at(target, found):
            raise


def remove_directory(directory: Path) -> None:
    """Remove an empty directory, if somebody has not done so.

    Raises:
        OSError: It is not empty, or cannot be removed.
    """
    with suppress(FileNotFoundError):
        directory.rmdir()


def refuses(directory: Path) -> bool:
    """Return whether the file system of a directory renames without replacing, in one step."""
    source, target = (directory / unique("probe") for _ in range(2))
    try:
        for path in (source, target):
            path.touch()
        _rename(source, target)
    except FileExistsError:
        return True
    except CannotRefuse:
        return False
    finally:
        for path in (source, target):
            path.unlink(missing_ok=True)
    return False


def sync_directory(directory: Path) -> None:
    """Have the names in a directory survive a power cut."""
    number = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _rename_or_link(source: Path, target: Path, found: os.stat_result) -> None:
    try:
        _rename(source, target)
    except CannotRefuse:
        _link(source, target, found)
        failpoints.point("folder.between_links")
        source.unlink(missing_ok=True)


def _link(source: Path, target: Path, found: os.stat_result) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        # It may be the very file: who died between the two steps goes on with the second.
        if not is_at(target, found):
            raise


def _rename(source: Path, target: Path) -> None:
    """Rename in one step without replacing.

    Raises:
        CannotRefuse: The system or the file system has no such step.
    """
    call = _system_call()
    if call is None or call(os.fsencode(source), os.fsencode(target)) != 0:
        number = ctypes.get_errno() if call is not None else errno.ENOSYS
        if number in _UNKNOWN:
            raise CannotRefuse(number, os.strerror(number))
        raise OSError(number, os.strerror(number), str(source), None, str(target))


@functools.cache
def _system_call() -> Callable[[bytes, bytes], int] | None:
    libc: Any = ctypes.CDLL(None, use_errno=True)
    try:
        if sys.platform == "darwin":
            return functools.partial(_call_on_macos, libc.renamex_np)
        return functools.partial(_call_on_linux, libc.renameat2)
    except AttributeError:
        return None


def _call_on_linux(renameat2: Any, source: bytes, target: bytes) -> int:
    here = ctypes.c_int(_AT_FDCWD)
    return int(renameat2(here, source, here, target, ctypes.c_uint(_NOREPLACE)))


def _call_on_macos(renamex_np: Any, source: bytes, target: bytes) -> int:
    return int(renamex_np(source, target, ctypes.c_uint(_EXCL)))


def is_at(target: Path, found: os.stat_result) -> bool:
    """Return whether a name is that of a file which was found before."""
    try:
        return os.path.samestat(target.lstat(), found)
    except OSError:
        return False
