"""Rows of CSV and lines of JSON, behind an offset; plain files, and such as end in ``.gz``."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypedDict, cast

from persistq.errors import UsageError
from persistq.put import Put
from persistq.sources.paths import File, fingerprint, unchanged


class Place(TypedDict):
    """How far a file was read: the cursor of these sources.

    ``offset`` counts bytes of what is read, so of a compressed file those that it unpacks to.
    """

    file: File
    offset: int


def csv_rows(
    path: str, cursor: Place | None = None, *, encoding: str = "utf-8", delimiter: str = ","
) -> Iterator[Put]:
    """Yield each row of a CSV file as a dict, by the names in its first line.

    Example:
        >>> @pipeline.source                                    # doctest: +SKIP
        ... def rows(path, cursor):
        ...     return csv_rows(path, cursor, delimiter=";")

    Args:
        path: The file; one that ends in ``.gz`` is unpacked.
        cursor: Where to go on; None begins with the first row.
        encoding: How texts are encoded: any in which a line ends with the byte 10.
        delimiter: What is between two fields.

    Raises:
        FileChanged: The file is not the one that the cursor is of.
        UsageError: A row has more or fewer fields than the first line, or the cursor another file.
    """
    with _Lines(path, cursor, encoding) as lines:
        try:
            yield from _rows(lines, csv.reader(lines, delimiter=delimiter, strict=True))
        except csv.Error as error:
            raise UsageError(f"{path} is no CSV at byte {lines.offset:,}: {error}") from error


def _rows(lines: _Lines, rows: Iterator[list[str]]) -> Iterator[Put]:
    names = next(rows, [])
    lines.go_on()
    for row in filter(None, rows):
        if len(row) != len(names):
            raise UsageError(
                f"{lines.path} has a row of {len(row)} fields, and {len(names)} names in its first "
                f"line; the row ends at byte {lines.offset:,}"
            )
        yield Put(dict(zip(names, row, strict=True)), cursor=lines.place)


def json_lines(path: str, cursor: Place | None = None, *, encoding: str = "utf-8") -> Iterator[Put]:
    """Yield the value of each line of a file of JSON lines; empty ones are left out.

    Args:
        path: The file; one that ends in ``.gz`` is unpacked.
        cursor: Where to go on; None begins with the first line.
        encoding: How texts are encoded: any in which a line ends with the byte 10.

    Raises:
        FileChanged: The file is not the one that the cursor is of.
        UsageError: A line is not JSON, or the cursor of another file.
    """
    import msgspec

    with _Lines(path, cursor, encoding) as lines:
        lines.go_on()
        for line in lines:
            if not line.strip():
                continue
            try:
                value: Any = msgspec.json.decode(line)
            except msgspec.DecodeError as error:
                place = f"the line of {path} that ends at byte {lines.offset:,}"
                raise UsageError(f"{place} is not JSON: {error}") from error
            yield Put(value, cursor=lines.place)


class _Lines:
    """The lines of a file as texts, with how many bytes were read.

    Args:
        path: The file.
        cursor: Where `go_on` goes to.
        encoding: How texts are encoded.

    Attributes:
        path: The file.
        offset: Bytes read so far.
    """

    def __init__(self, path: str, cursor: Place | None, encoding: str) -> None:
        if cursor is not None and cursor["file"]["path"] != path:
            raise UsageError(
                f"this load has read a part of {cursor['file']['path']}, and is to go on with "
                f"{path}: begin anew with --fresh (fresh=True)"
            )
        self.path = path
        self.offset = 0
        self._found = fingerprint(path) if cursor is None else cursor["file"]
        self._go_on_at = 0 if cursor is None else cursor["offset"]
        self._encoding = encoding
        unchanged(self._found)
        self._file = _opened(path)

    @property
    def place(self) -> Place:
        """How far the file was read."""
        return {"file": self._found, "offset": self.offset}

    def go_on(self) -> None:
        """Go to where the cursor stands, if that is further on."""
        if self._go_on_at > self.offset:
            self.offset = self._file.seek(self._go_on_at)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline()
        if not line:
            # Who writes on while it is read would get what is behind this into no load.
            unchanged(self._found)
            raise StopIteration
        try:
            text = line.decode(self._encoding).removeprefix("" if self.offset else "\ufeff")
        except UnicodeDecodeError as error:
            place = f"the line of {self.path} behind byte {self.offset:,}"
            raise UsageError(f"{place} is not {self._encoding}: {error.reason}") from error
        self.offset += len(line)
        return text

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _opened(path: str) -> BinaryIO:
    if path.endswith(".gz"):
        return cast("BinaryIO", gzip.open(path))
    return Path(path).open("rb")
