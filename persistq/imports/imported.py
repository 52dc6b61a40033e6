"""Batch files that are made of files elsewhere: each of these is imported into a folder once.

A folder forgets what was finished, so that a file waits in it does not tell whether it was imported
before. A record does, in ``.imported``: it gets its name when all batch files of it lie beside it,
and only then they are published. So what has a record and still lies there is yet to be
published, and what lies there without one is made again.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Final

import msgspec

from persistq import failpoints
from persistq.errors import FolderError
from persistq.folder.batchfile import SUFFIX, BatchWriter
from persistq.folder.place import Place
from persistq.folder.renames import rename_free, sync_directory
from persistq.site.ownership import trusted_owners

ROWS_MAX: Final = 1000
"""Most rows of a batch file: if its reader dies, so many come again."""

_RECORD: Final = ".json"
_DRAFT: Final = ".draft"
_STAGED: Final = ".rows"


class Record(msgspec.Struct, frozen=True):
    """What is known of a file that was imported.

    Attributes:
        file: Its name, as it was then.
        mark: Inode, size and time, which stay when it is renamed.
        rows: How many rows it had.
        bad_rows: How many more it had that could not be read.
        is_damaged: Whether it could not be read to its end.
        problems: What was wrong, in sentences.
    """

    file: str
    mark: tuple[int, int, int]
    rows: int
    bad_rows: int
    is_damaged: bool
    problems: list[str]


class Imported:
    """What was imported into a folder.

    Args:
        place: The folder, which may be missing as long as nothing is brought.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._path = place.imported

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the only one who imports into the folder, and carry on what was begun.

        Crash: the lock is the kernel's, and goes with the process.

        Raises:
            FolderError: Another process imports, or the folder cannot be used.
        """
        self._place.prepare()
        self._path.mkdir(mode=0o700, exist_ok=True)
        file = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            self._require_own(file)
            self._lock(file)
            self._carry_on()
            yield
        finally:
            os.close(file)

    def records(self) -> dict[str, Record]:
        """Return what is known of each file that was imported, by its key."""
        if not self._path.is_dir():
            return {}
        paths = sorted(self._path.glob(f"*{_RECORD}"))
        return {path.name.removesuffix(_RECORD): _record_in(path, self._place) for path in paths}

    def bring(
        self, key: str, stem: str, lines: Iterable[bytes], record: Callable[[], Record]
    ) -> None:
        """Import one file; who calls this has looked that there is no record of it.

        Crash: nothing of it is published, or it is recorded, and the next import publishes the
        rest. A file without rows leaves no record.

        Args:
            key: What names the file.
            stem: What its batch files are called, without their numbers; others sort by it.
            lines: The rows.
            record: Gives what is to be recorded, when the last row was read.
        """
        draft = self._path / f"{key}{_DRAFT}"
        draft.mkdir()
        try:
            count = _write(draft, stem, lines)
        except Exception:
            shutil.rmtree(draft)
            raise
        if not count:
            draft.rmdir()
            return
        staged = self._path / f"{key}{_STAGED}"
        draft.rename(staged)
        sync_directory(self._path)
        failpoints.point("importing.before_record")
        self._note(key, record())
        failpoints.point("importing.after_record")
        self._publish(staged)

    def _note(self, key: str, record: Record) -> None:
        draft = self._path / f"{key}{_RECORD}{_DRAFT}"
        with draft.open("xb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(record), indent=1))
            file.flush()
            os.fsync(file.fileno())
        draft.rename(self._path / f"{key}{_RECORD}")
        sync_directory(self._path)

    def _publish(self, staged: Path) -> None:
        """Let batch files be seen, in their order, each by one rename."""
        for path in sorted(staged.iterdir()):
            rename_free(path, self._place.path, path.name)
            failpoints.point("importing.within_publish")
        sync_directory(self._place.path)
        staged.rmdir()

    def _carry_on(self) -> None:
        for path in sorted(self._path.iterdir()):
            key, end = path.stem, path.suffix
            if end == _STAGED and (self._path / f"{key}{_RECORD}").exists():
                self._publish(path)
            elif end in (_STAGED, _DRAFT):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _lock(self, file: int) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            reason = "another process imports into it: wait until that is done"
            raise FolderError(str(self._place.path), reason) from None

    def _require_own(self, file: int) -> None:
        """Refuse what a stranger has made: they would have rows published that are none."""
        found = os.fstat(file)
        if found.st_uid not in trusted_owners() or found.st_mode & 0o022:
            reason = f"{self._path.name} is not yours alone: move it away, and import anew"
            raise FolderError(str(self._place.path), reason)


def _write(directory: Path, stem: str, lines: Iterable[bytes]) -> int:
    """Write rows into batch files that survive a power cut; return how many files."""
    left, count = iter(lines), 0
    for first in left:
        count += 1
        path = directory / f"{stem}-{count:06}{SUFFIX}"
        _write_one(path, chain([first], islice(left, ROWS_MAX - 1)))
    failpoints.point("importing.after_write")
    sync_directory(directory)
    return count


def _write_one(path: Path, lines: Iterable[bytes]) -> None:
    writer = BatchWriter(path)
    try:
        for line in lines:
            writer.add(line)
        writer.finish()
    finally:
        writer.abandon()


def _record_in(path: Path, place: Place) -> Record:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError) as error:
        reason = f"{path} cannot be read ({error}): look what is imported, and begin a new folder"
        raise FolderError(str(place.path), reason) from error
