"""Rows as lines of JSON, and back: what the standard library reads and writes, mostly without it.

It takes most of the time of a row, and msgspec next to none. But that writes more than JSON values,
NaN as null and a set as a list, and reads less, no NaN and no lone half of a character. So what it
has written counts where it reads back as equal, and what it cannot read is left to the library.
"""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from persistq.errors import ItemNotStorable

_write: Final = msgspec.json.Encoder().encode
_read: Final = msgspec.json.Decoder().decode


def row_line(row: Any) -> bytes:
    """Return a row as one line.

    Raises:
        ItemNotStorable: It is no JSON value.
    """
    try:
        line = _write(row)
        if _read(line) == row:
            return line + b"\n"
    except Exception:  # noqa: BLE001, S110 - what compares its values may be anybody's
        pass
    return _careful_line(row)


def row_in(line: bytes) -> Any:
    """Return the row that a line is.

    Raises:
        ValueError: It is no JSON.
        RecursionError: It is nested too deep.
    """
    try:
        return _read(line)
    except (ValueError, RecursionError):
        return json.loads(line)


def _careful_line(row: Any) -> bytes:
    try:
        text = json.dumps(row, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        return text.encode() + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise ItemNotStorable(type(row).__name__, f"rows are JSON values: {error}") from None
