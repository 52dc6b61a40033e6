"""Batch files: JSON lines, and behind them one line that says how many they are, and their CRC-32.

A row is written to the kernel at once, so it survives its process; the file is synced before it
takes its name in the folder. The last line tells a whole file from a half one, whoever wrote it.
It may be compressed as a whole when it has that line; readers look at its bytes, not at its name.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, NoReturn, cast

from persistq import failpoints
from persistq.folder.renames import rename_over

SUFFIX: Final = ".jsonl"
GZIP: Final = ".gz"
"""Ends the name of one that is compressed, behind the other ending."""

PACKING: Final = ".packing"
"""Ends the draft of a compressed file: what is in it is in the other one still."""

MATCH: Final = (f"*{SUFFIX}", f"*{SUFFIX}{GZIP}")

_GZIP_MAGIC: Final = b"\x1f\x8b"
_LINE_MAX: Final = 1 << 28
"""Longest line, in bytes: a small compressed file could have any."""
_BLOCK: Final = 1 << 20


class BatchFault(ValueError):
    """A file is not a whole batch file."""


class End(NamedTuple):
    """What the last line says.

    Attributes:
        rows: How many rows are before it.
        crc: The CRC-32 of their bytes; None if it is not said.
    """

    rows: int
    crc: int | None


class BatchWriter:
    """Writes one batch file.

    Args:
        path: The file, which is made.

    Attributes:
        path: The file.
        rows: How many rows it has.
        size: How many bytes these are.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = self.size = self._crc = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._file = os.fdopen(os.open(path, flags, 0o666), "wb", buffering=0)

    def add(self, line: bytes) -> None:
        """Write a row.

        Crash: the row is in the file, or it is half a line, which is cut off.
        """
        size = len(line)
        try:
            if self._file.write(line) != size:
                self._raise_full()
        except OSError:
            self._cut()
            raise
        failpoints.point("folder.after_row")
        self.rows += 1
        self.size += size
        self._crc = zlib.crc32(line, self._crc)

    def finish(self, *, sync: bool = True) -> None:
        """Write the last line, and have the file survive a power cut; again after an error.

        Crash: the last line is there or not; who salvages the file writes the same.

        Args:
            sync: Whether it has to; a half file is told from a whole one in any case.
        """
        if not self._file.closed:
            try:
                self._write(_end_line(self.rows, self._crc))
                if sync:
                    os.fsync(self._file.fileno())
            except OSError:
                # More rows may be put before it is tried again, and belong where it stands.
                self._cut()
                raise
            self._file.close()

    @property
    def is_finished(self) -> bool:
        """Whether it is whole, so that no more rows go into it."""
        return self._file.closed

    def _write(self, line: bytes) -> None:
        if self._file.write(line) != len(line):
            self._raise_full()

    def _raise_full(self) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    def _cut(self) -> None:
        """Cut off what is no whole row."""
        os.ftruncate(self._file.fileno(), self.size)
        os.lseek(self._file.fileno(), self.size, os.SEEK_SET)

    def abandon(self) -> None:
        """Close the file as it is."""
        self._file.close()


def is_batch(name: str) -> bool:
    """Return whether a file has the name of a batch file."""
    return name.endswith((SUFFIX, SUFFIX + GZIP))


def stem_of(name: str) -> str:
    """Return the name of a batch file without its ending."""
    return name.removesuffix(GZIP).removesuffix(SUFFIX)


def compress(path: Path, *, sync: bool = True) -> None:
    """Compress a whole batch file where it lies; one that is compressed stays as it is.

    Crash: it is as it was, or compressed. There is one file of that name at every moment.

    Args:
        path: The file.
        sync: Whether it has to survive a power cut.
    """
    import gzip

    if is_compressed(path):
        return
    draft = path.with_name(path.name + PACKING)
    with path.open("rb") as plain, draft.open("wb") as written:
        with gzip.GzipFile("", "wb", 6, written, mtime=0) as packed:
            shutil.copyfileobj(plain, packed)
        written.flush()
        if sync:
            os.fsync(written.fileno())
    failpoints.point("folder.before_packed")
    rename_over(draft, path)
    failpoints.point("folder.after_packed")


def is_compressed(path: Path) -> bool:
    """Return whether a file is compressed, by its first bytes: no line of JSON has these."""
    with path.open("rb") as file:
        return file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC


def published_name(path: Path) -> str:
    """Return what a batch file is called when it is published."""
    return f"{path.name}{GZIP}" if is_compressed(path) else path.name


def check_batch(path: Path) -> int:
    """Return how many rows a batch file has.

    Raises:
        BatchFault: It is cut short, or was changed.
    """
    with _reading(path) as file:
        found = _measured(file)
    end = _end_in(found.last)
    if end is None:
        raise BatchFault('it has no last line {"end": {"rows": …}}: it was not written to its end')
    if end.rows != found.rows:
        raise BatchFault(f"it has {found.rows:,} rows, and its last line says {end.rows:,}")
    if end.crc not in (None, found.crc):
        raise BatchFault("its rows are not those that its last line was made for")
    return found.rows


def read_lines(path: Path, rows: int | None = None) -> Iterator[bytes]:
    """Yield the rows of a whole batch file, undecoded.

    Args:
        path: The file.
        rows: How many it has, where `check_batch` has said so; None is all but the last line.

    Raises:
        BatchFault: It is compressed, and cut short or damaged.
    """
    with _reading(path) as file:
        if rows is None:
            rows = _measured(file).rows
            file.seek(0)
        yield from islice(file, rows)


def salvage(path: Path) -> int:
    """Make a whole batch file of what a dead process has written; return how many rows it has.

    Crash: the next who does it finds it whole, or as it was.

    Raises:
        BatchFault: It is compressed, as only whole files are, and damaged.
    """
    if is_compressed(path):
        return check_batch(path)
    with path.open("r+b") as file:
        rows, crc, last = _measured(file)
        # A row may say the same, but never in these very bytes.
        if last == _end_line(rows, crc):
            return rows
        if last.endswith(b"\n"):
            rows, crc = rows + 1, zlib.crc32(last, crc)
            last = b""
        file.truncate(file.seek(0, os.SEEK_END) - len(last))
        file.seek(0, os.SEEK_END)
        failpoints.point("folder.within_salvage")
        file.write(_end_line(rows, crc))
        file.flush()
        os.fsync(file.fileno())
    return rows


class _Measured(NamedTuple):
    """What is in a batch file.

    Attributes:
        rows: How many lines are before the last.
        crc: Their CRC-32.
        last: The last line; it may have no end.
    """

    rows: int
    crc: int
    last: bytes


def _measured(file: BinaryIO) -> _Measured:
    """Look at a file, block by block: line by line it takes five times as long.

    Raises:
        BatchFault: A line is too long.
    """
    rows, crc = 0, 0
    last: list[bytes] = []
    while block := file.read(_BLOCK):
        # A line is one of those before the last when something follows it.
        whole = block.rfind(b"\n", 0, -1) + 1
        followed = bool(last) and last[-1].endswith(b"\n")
        rows += followed + block.count(b"\n", 0, whole)
        if followed or whole:
            crc = zlib.crc32(memoryview(block)[:whole], reduce(_crc, last, crc))
            last = [block[whole:]]
        elif len(last) * _BLOCK < _LINE_MAX:
            last.append(block)
        else:
            raise BatchFault(f"it has a line of more than {_LINE_MAX:,} bytes")
    return _Measured(rows, crc, b"".join(last))


def _crc(before: int, data: bytes) -> int:
    return zlib.crc32(data, before)


@contextmanager
def _reading(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading, unpacked.

    Raises:
        BatchFault: It is compressed, and what is read of it is cut short or damaged.
    """
    if not is_compressed(path):
        with path.open("rb") as plain:
            yield plain
        return
    import gzip

    try:
        with gzip.open(path) as packed:
            yield cast("BinaryIO", packed)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BatchFault(f"gzip cannot read it to its end: {error}") from error


def _end_line(rows: int, crc: int) -> bytes:
    return json.dumps({"end": {"rows": rows, "crc32": f"{crc:08x}"}}).encode() + b"\n"


def _end_in(line: bytes) -> End | None:
    """Return what a last line says; None if it is none."""
    try:
        end = json.loads(line)["end"]
        rows, crc = end["rows"], end.get("crc32")
        return End(int(rows), None if crc is None else int(crc, 16))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
