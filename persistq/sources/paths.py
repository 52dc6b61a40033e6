"""Files as items, each with what tells whether it has changed since."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from glob import iglob
from pathlib import Path
from typing import Any, Final, Literal, TypedDict

from persistq.errors import UsageError

Order = Literal["name", "largest", "oldest"]


class File(TypedDict):
    """A file as it was found.

    ``size`` is in bytes, ``modified`` in nanoseconds since 1970.
    """

    path: str
    size: int
    modified: int


class FileChanged(UsageError):
    """A file is not what it was when it was put, or is gone."""


_KEYS: Final[dict[Order, Callable[[File], Any]]] = {
    "name": lambda file: file["path"],
    "largest": lambda file: (-file["size"], file["path"]),
    "oldest": lambda file: (file["modified"], file["path"]),
}


def files(pattern: str, *, order: Order = "name") -> Iterator[File]:
    """Yield the files that a pattern matches.

    A handler that asks `unchanged` for the path is told if a file has changed since then. A load
    that is carried on finds it changed as well, and puts it again as what it is now.

    Example:
        >>> @pipeline.source                                    # doctest: +SKIP
        ... def found():
        ...     return files("incoming/**/*.csv", order="largest")
        >>> @pipeline.stage                                     # doctest: +SKIP
        ... def load(file):
        ...     with open(unchanged(file)) as lines: ...

    Args:
        pattern: As for `glob.glob`; ``**`` stands for any directories.
        order: ``name``, ``largest`` first or ``oldest`` first; those that are alike by name.

    Raises:
        UsageError: The order is unknown.
    """
    if order not in _KEYS:
        raise UsageError(f"order={order!r} is unknown: use {', '.join(map(repr, _KEYS))}")
    paths = filter(os.path.isfile, iglob(pattern, recursive=True))  # noqa: PTH207 - any pattern
    yield from sorted(map(fingerprint, paths), key=_KEYS[order])


def fingerprint(path: str | os.PathLike[str]) -> File:
    """Return a file with what tells whether it changes.

    Raises:
        OSError: It cannot be looked at.
    """
    found = Path(path).stat()
    return {"path": os.fspath(path), "size": found.st_size, "modified": found.st_mtime_ns}


def unchanged(file: File) -> str:
    """Return the path of a file that is still what it was.

    Raises:
        FileChanged: It has changed since it was put, or is gone.
    """
    path = file["path"]
    try:
        found = fingerprint(path)
    except FileNotFoundError as error:
        raise FileChanged(f"{path} is gone since it was put") from error
    if found != file:
        raise FileChanged(
            f"{path} has changed since it was put: it had {file['size']:,} bytes, and has "
            f"{found['size']:,}"
            + (" as well, written later" if found["size"] == file["size"] else "")
        )
    return path
