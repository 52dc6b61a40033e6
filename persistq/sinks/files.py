"""Files as sinks: each is there whole or not at all, and what is appended is appended once.

A handler writes into a file of its own beside the one it names. When it has returned, that file is
synced, and then the item's receipt is committed: from this moment on the item is stored. Only then
the file takes its name, or is appended, and only then the item is reported as done. Whoever gets an
item whose receipt is there does what is left of that last step, which may be done any number of
times: the name of the file beside says what is to be done with it.

Crash: before the receipt, nothing has happened that anybody sees, and the handler runs again. After
it, the handler does not run again, and the files are finished by the next who gets the item, or who
appends to the same file.
"""

from __future__ import annotations

import fcntl
import gzip
import io
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from persistq import failpoints
from persistq.errors import UsageError
from persistq.sinks.faults import Fault

_PART: Final = "part"
_AT: Final = re.compile(r"\.(?P<skip>\d+)\.at-(?P<start>\d+)\Z")
_COPIED_BYTES: Final = 1 << 20


class FilesUnfinished(Exception):
    """Files of stored items could not be finished; the next who gets the items goes on with it."""

    fault = Fault.AWAY


class FileChanged(FilesUnfinished):
    """Somebody else has written to a file that items are appended to; it is left as it is."""

    def __init__(self, path: str, found: int, least: int, most: int) -> None:
        super().__init__(path, found, least, most)
        self._facts = path, found, least, most

    def __str__(self) -> str:
        path, found, least, most = self._facts
        return (
            f"{path} has {found:,} bytes, and {least:,} to {most:,} were expected after a process "
            "that died while it appended: somebody else has written to it"
        )


class Prepared(NamedTuple):
    """A file beside another one, written and synced.

    Attributes:
        path: The file that it is for, absolute.
        part: The file beside.
        append: Whether it is appended, or takes the other's place.
    """

    path: str
    part: str
    append: bool


@dataclass
class Outputs:
    """The files that one attempt has written.

    Attributes:
        key: Names the attempt's first item, and so the files beside.
        prepared: They, in the order in which they were closed.
    """

    key: str
    prepared: list[Prepared] = field(default_factory=list)


_current: ContextVar[Outputs | None] = ContextVar("persistq_outputs", default=None)


@contextmanager
def collecting(key: str) -> Iterator[Outputs]:
    """Collect the files that are written within; delete them if it raises.

    Args:
        key: Names the first item that they are for.
    """
    outputs = Outputs(key)
    token = _current.set(outputs)
    try:
        yield outputs
    except BaseException:
        discard(outputs.prepared)
        raise
    finally:
        _current.reset(token)


@contextmanager
def open_output(path: str | os.PathLike[str], mode: str = "w") -> Iterator[IO[Any]]:
    """Write a file that is there whole or not at all; one that is there is replaced.

    Within a handler it takes its name when the item is stored, elsewhere at the end of the block. A
    name that ends in ``.gz`` is compressed. The directory must be there, and stays on one file
    system with the file beside.

    Crash: see this module; the file beside begins with a dot and ends in ``.part``. One that is
    left by a killed process is written anew by the next attempt.

    Args:
        path: The file.
        mode: ``w`` for text as UTF-8, ``wb`` for bytes.

    Raises:
        UsageError: The mode is another, or the handler has written this file already.
    """
    with _written(path, mode, header="", append=False) as file:
        yield file


@contextmanager
def append_output(
    path: str | os.PathLike[str], mode: str = "w", *, header: str = ""
) -> Iterator[IO[Any]]:
    """Append to a file, once: CSV, JSON lines, or these compressed.

    Within a handler it is appended when the item is stored, elsewhere at the end of the block. Who
    appends holds a lock on the file, so any number of workers may. A name that ends in ``.gz`` gets
    a compressed member each time, as ``zcat`` and Python read them.

    Crash: see this module. What a killed process has appended in part is cut back and appended
    whole by the next who appends, or gets the item.

    Args:
        path: The file; it is made if it is missing.
        mode: ``w`` for text as UTF-8, ``wb`` for bytes.
        header: Written first if the file is empty, as the names of columns are.

    Raises:
        UsageError: The mode is another, or the handler has written this file already.
    """
    with _written(path, mode, header=header, append=True) as file:
        yield file


@contextmanager
def _written(
    path: str | os.PathLike[str], mode: str, *, header: str, append: bool
) -> Iterator[IO[Any]]:
    whole = Path(path).absolute()
    outputs = at_work()
    first = _encoded(header, whole) if header else b""
    key = outputs.key if outputs is not None else f"own-{os.getpid()}"
    part = whole.with_name(f".{whole.name}.{key}.{len(first)}.{_PART}")
    with written(Prepared(str(whole), str(part), append), mode, first) as file:
        yield file


def at_work() -> Outputs | None:
    """Return the files of the attempt that is at work here, None if none is."""
    return _current.get()


@contextmanager
def written(
    prepared: Prepared,
    mode: str,
    first: bytes = b"",
    finish: Callable[[list[Prepared]], None] | None = None,
) -> Iterator[IO[Any]]:
    """Write a file beside another one, for the attempt that is at work.

    Args:
        prepared: What it is for, and where it is written.
        mode: ``w`` for text as UTF-8, ``wb`` for bytes.
        first: What it begins with, encoded.
        finish: What is done with it at once if no attempt is at work.

    Raises:
        UsageError: The mode is another, or the attempt has written this file already.
    """
    if mode not in {"w", "wb"}:
        raise UsageError(f"mode={mode!r}: give 'w' for text or 'wb' for bytes")
    outputs = at_work()
    if outputs is not None and any(one.path == prepared.path for one in outputs.prepared):
        raise UsageError(f"{prepared.path} is written twice by one attempt: open it once")
    part = Path(prepared.part)
    try:
        with part.open("wb") as raw:
            raw.write(first)
            with _layers(raw, Path(prepared.path), mode) as file:
                yield file
            raw.flush()
            os.fsync(raw.fileno())
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if outputs is None:
        (finish or _finish)([prepared])
    else:
        outputs.prepared.append(prepared)


@contextmanager
def _layers(raw: IO[bytes], whole: Path, mode: str) -> Iterator[IO[Any]]:
    """Put text and compression on a file of bytes, and take them off without closing it."""
    with _compressed(raw, whole) as binary:
        if mode == "wb":
            yield binary
            return
        # As `csv` wants it, and everybody who writes the same bytes everywhere.
        text = io.TextIOWrapper(binary, encoding="utf-8", newline="")
        yield text
        text.flush()
        text.detach()


@contextmanager
def _compressed(raw: IO[bytes], whole: Path) -> Iterator[Any]:
    if whole.suffix != ".gz":
        yield raw
        return
    with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as member:
        yield member


def _encoded(header: str, whole: Path) -> bytes:
    return gzip.compress(header.encode(), mtime=0) if whole.suffix == ".gz" else header.encode()


def discard(prepared: list[Prepared]) -> None:
    """Delete files beside: what they were written for has not come about."""
    for one in prepared:
        Path(one.part).unlink(missing_ok=True)


def sync_directories(prepared: list[Prepared]) -> None:
    """Make sure that files beside are found after a power cut, before anybody relies on them."""
    for directory in {Path(one.part).parent for one in prepared}:
        _sync_directory(directory)


def finish(prepared: list[Prepared]) -> None:
    """Let files take their names, or append them; those with which that is done are passed over.

    Crash: the same call does what is left.

    Raises:
        FilesUnfinished: It could not be done; raised from the `OSError`.
    """
    try:
        for one in prepared:
            _append(one) if one.append else _take_name(one)
    except OSError as error:
        raise FilesUnfinished(str(error)) from error


_finish = finish


def _take_name(one: Prepared) -> None:
    failpoints.point("sink.before_rename")
    with suppress(FileNotFoundError):
        Path(one.part).replace(one.path)
    failpoints.point("sink.after_rename")
    _sync_directory(Path(one.path).parent)


def _append(one: Prepared) -> None:
    whole = Path(one.path)
    with _locked(whole) as file:
        _go_on(whole, file)
        part = Path(one.part)
        if part.exists():
            start = os.fstat(file.fileno()).st_size
            # From now on whoever appends next knows where this one began.
            part = part.rename(part.with_name(part.name.removesuffix(_PART) + f"at-{start}"))
            _sync_directory(whole.parent)
            failpoints.point("sink.before_append")
            _copy(whole, part, file)


@contextmanager
def _locked(whole: Path) -> Iterator[IO[bytes]]:
    """Open a file to append to, with nobody else at it."""
    while True:
        with os.fdopen(os.open(whole, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):
                # Another may have taken its place while this one was waited for.
                if os.path.samestat(os.fstat(file.fileno()), whole.stat()):
                    yield file
                    return


def _go_on(whole: Path, file: IO[bytes]) -> None:
    """Append what dead processes had begun to append."""
    for part in whole.parent.glob(f".{_escaped(whole.name)}.*.at-*"):
        _copy(whole, part, file)


def _escaped(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


def _copy(whole: Path, part: Path, file: IO[bytes]) -> None:
    """Append one file from where it was begun to be appended, and delete it."""
    found = _AT.search(part.name)
    if found is None:
        return
    start = int(found["start"])
    skip = int(found["skip"]) if start else 0
    size, most = os.fstat(file.fileno()).st_size, start + part.stat().st_size - skip
    if not start <= size <= most:
        raise FileChanged(str(whole), size, start, most)
    file.truncate(start)
    file.seek(start)
    with part.open("rb") as source:
        source.seek(skip)
        while piece := source.read(_COPIED_BYTES):
            file.write(piece)
            file.flush()
            failpoints.point("sink.within_append")
    os.fsync(file.fileno())
    failpoints.point("sink.after_append")
    part.unlink()
    _sync_directory(whole.parent)


def _sync_directory(directory: Path) -> None:
    number = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def as_text(prepared: list[Prepared]) -> str | None:
    """Return what a receipt keeps of files."""
    return json.dumps(prepared) if prepared else None


def from_text(text: str | None) -> list[Prepared]:
    """Return the files of a receipt."""
    return [Prepared(*one) for one in json.loads(text)] if text else []
