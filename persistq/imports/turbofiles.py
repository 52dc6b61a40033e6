"""The files of a turbo-queue directory: which are batches, since when, and who has them open.

Such a queue is a directory ``<root_path>/<queue_name>``. Each batch is a SQLite file in it, whose
name says its state, when it was begun, and which one it is: ``ready_1669852800_<uuid>.db``.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from persistq.errors import UsageError
from persistq.site.openers import Identity, identity_of, is_locked, openers
from persistq.text.terminal import printable

BESIDE: Final = ("-journal", "-wal", "-shm")
"""What SQLite keeps beside a file ends so."""

_STATES: Final = ("ready", "load", "unload", "loading", "chosen", "avail", "assigned")
"""Of versions 0.6 to 0.8, of 0.5, and of those before 0.2."""

_BATCH: Final = re.compile(rf"({'|'.join(_STATES)}|invalid_file)_(.+)", re.DOTALL)
_NAME: Final = re.compile(r"(\d{9,10})_([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})")
_RECOVERED: Final = "_recovered.db"
_SECOND_NS: Final = 1_000_000_000

# Where SQLite locks: a pending byte, a reserved one, and those of readers.
_LOCKED_AT: Final = 0x40000000
_LOCK_BYTES: Final = 512


@dataclass(frozen=True, slots=True)
class OldBatch:
    """A file that should be a batch.

    Attributes:
        path: The file.
        key: What names the batch, whatever state its name says.
        began: When it was begun, in seconds of the epoch; of one that was recovered, when it was
            written last, because its name says when it was recovered.
        found: How the file is.
    """

    path: Path
    key: str
    began: int
    found: os.stat_result

    @property
    def name(self) -> str:
        """What it is called, as it is shown: a name may have any bytes."""
        return printable(self.path.name)

    @property
    def mark(self) -> tuple[int, int, int]:
        """What stays as it is when the file is renamed."""
        return self.found.st_ino, self.found.st_size, self.found.st_mtime_ns

    @property
    def rank(self) -> tuple[int, int, str]:
        """Its place among the others; within a second, names say nothing, and the last write does.

        Of batches of one producer each was begun when the one before was written to its end.
        """
        return self.began, max(self.found.st_mtime_ns, 0), self.path.name

    def beside(self) -> list[str]:
        """Return which kinds of files SQLite has left beside it."""
        return [end for end in BESIDE if os.path.lexists(f"{self.path}{end}")]


@dataclass(slots=True)
class OldFiles:
    """What lies in a directory.

    Attributes:
        batches: What should be batches, the oldest first.
        orphans: Journals of SQLite whose file is not there.
        others: Names of all else.
    """

    batches: list[OldBatch] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def find(directory: Path) -> OldFiles:
    """Look into the directory of a queue.

    Raises:
        UsageError: It cannot be read, or is no queue's.
    """
    found = OldFiles()
    for name in _names(directory):
        batch = _batch_of(directory / name)
        if batch is not None:
            found.batches.append(batch)
        elif (owner := _owner_of(name)) is None:
            found.others.append(name)
        elif not os.path.lexists(directory / owner):
            found.orphans.append(name)
    found.batches.sort(key=lambda batch: batch.rank)
    _require_some(directory, found)
    return found


def users_of(batches: list[OldBatch]) -> Iterator[tuple[int, OldBatch]]:
    """Yield who has a batch open, and which; the number is 0 if only its lock is to be seen."""
    by_identity: dict[Identity, OldBatch] = {identity_of(it.found): it for it in batches}
    seen = set()
    for pid, identity in openers(by_identity):
        seen.add(identity)
        yield pid, by_identity[identity]
    unseen = (batch for identity, batch in by_identity.items() if identity not in seen)
    yield from ((0, batch) for batch in unseen if _is_locked(batch.path))


def open_regular(path: Path) -> int:
    """Open a regular file for reading, and no link, nor what would wait for a writer.

    Raises:
        OSError: It cannot be opened.
    """
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(errno.EINVAL, "it is no file", str(path))
    return file


def _names(directory: Path) -> list[str]:
    try:
        return sorted(os.listdir(directory))  # noqa: PTH208 - only names are wanted
    except OSError as error:
        raise UsageError(f"{directory} cannot be read: {error.strerror}") from error


def _batch_of(path: Path) -> OldBatch | None:
    named = _BATCH.fullmatch(path.name)
    if named is None or path.name.endswith(BESIDE):
        return None
    try:
        found = path.lstat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    known = _NAME.search(named[2])
    written = max(found.st_mtime_ns // _SECOND_NS, 0)
    if known is None:
        return OldBatch(path, _digest(named[2]), written, found)
    is_recovered = path.name.endswith(_RECOVERED)
    return OldBatch(path, known[0], written if is_recovered else int(known[1]), found)


def _digest(text: str) -> str:
    return sha256(os.fsencode(text)).hexdigest()[:32]


def _owner_of(name: str) -> str | None:
    """Return the file that something of SQLite's lies beside, by its name."""
    end = next((end for end in BESIDE if name.endswith(end)), "")
    return name.removesuffix(end) if end and _BATCH.fullmatch(name) else None


def _is_locked(path: Path) -> bool:
    try:
        file = open_regular(path)
    except OSError:
        return False
    try:
        return is_locked(file, _LOCKED_AT, _LOCK_BYTES)
    finally:
        os.close(file)


def _require_some(directory: Path, found: OldFiles) -> None:
    if found.batches or found.orphans:
        return
    below = [name for name in found.others if _is_queue(directory / name)]
    hint = f"; there are some in {directory / below[0]}" if below else ""
    raise UsageError(
        f"there are no batches of turbo-queue in {directory}: give <root_path>/<queue_name>, with "
        f"files that are called as ready_1669852800_0f…e1.db{hint}"
    )


def _is_queue(path: Path) -> bool:
    try:
        return path.is_dir() and any(_BATCH.fullmatch(name) for name in os.listdir(path))  # noqa: PTH208
    except OSError:
        return False
