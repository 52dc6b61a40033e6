"""Rows as lines: written and read as the standard library does, whoever does it."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import tempfile
import zlib
from collections import OrderedDict, namedtuple
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persistq.errors import ItemNotStorable
from persistq.folder import batchfile
from persistq.folder.batchfile import check_batch, read_lines
from persistq.folder.rowlines import row_in, row_line

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


class Colour(enum.StrEnum):
    """A text by another name."""

    RED = "red"


class Name(str):
    """A text of somebody's own kind."""

    __slots__ = ()


Point = namedtuple("Point", "x")

ODD = [
    (1, [2]),
    {1: "a"},
    {None: 1},
    {1.5: 1},
    Name("x"),
    Colour.RED,
    Point(1),
    OrderedDict(a=1),
    2**70,
    -(2**70),
    "\x00\x7f\u2028",
    [1e22, -0.0, 5e-324],
    float("nan"),
    {"deep": [float("inf")]},
    {1, 2},
    dt.date(2026, 3, 1),
    decimal.Decimal(1),
    b"x",
    "\ud800",
    Exception(),
]


def expected(row: Any) -> Any:
    """Return what the standard library makes of a row and reads from that; None of what it refuses.

    As a text, in which 1, 1.0 and True differ.
    """
    try:
        text = json.dumps(row, allow_nan=False, ensure_ascii=False)
        return repr(json.loads(text.encode()))
    except (TypeError, ValueError):
        return None


def written(row: Any) -> Any:
    """Return the same of what a line says."""
    try:
        line = row_line(row)
    except ItemNotStorable:
        return None
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert repr(row_in(line)) == repr(json.loads(line))
    return repr(json.loads(line))


@settings(max_examples=40, deadline=None)
@given(JSON)
def test_a_row_is_written_as_json(row: Any) -> None:
    """Whatever is a JSON value, and no number that is none."""
    assert written(row) == expected(row)


@pytest.mark.parametrize("row", ODD, ids=map(ascii, ODD))
def test_what_is_nearly_a_row_is_treated_as_the_standard_library_does(row: Any) -> None:
    """Refused or stored: nothing becomes another value on its way."""
    assert written(row) == expected(row)


@pytest.mark.parametrize(
    "line",
    [
        b"18446744073709551616\n",
        b"-0\n",
        b"1e400\n",
        b'"\\ud800"\n',
        b"NaN\n",
        b'{"a":1,"a":2}\n',
        b"\xef\xbb\xbf1\n",
        b" [1 , 2 ]\r\n",
        b"9007199254740993.0\n",
    ],
)
def test_lines_of_other_programs_are_read_as_the_standard_library_does(line: bytes) -> None:
    """Also such as only that can read."""
    assert repr(row_in(line)) == repr(json.loads(line))


@pytest.mark.parametrize(
    "line", [b"", b"1 2\n", b'"\xff"\n', b"{broken\n", b"\x00\n", b"[" * 10**5]
)
def test_what_is_no_json_is_none(line: bytes) -> None:
    """One of the two errors, whoever has read it."""
    with pytest.raises((ValueError, RecursionError)):
        row_in(line)


def test_values_that_cannot_be_compared_are_refused_like_others() -> None:
    """A class of the program's own may do anything when it is compared."""

    class Bad(dict[str, int]):
        def __eq__(self, other: object) -> bool:
            raise OSError("never")

        __hash__ = None  # type: ignore[assignment]

    assert row_line(Bad(a=1)) == b'{"a":1}\n'


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=5).map(lambda line: line.replace(b"\n", b"") + b"\n")))
def test_a_file_is_the_same_in_blocks_of_any_size(lines: list[bytes]) -> None:
    """Rows are counted and summed across the seams, and the last line is none of them."""
    crc = zlib.crc32(b"".join(lines))
    end = json.dumps({"end": {"rows": len(lines), "crc32": f"{crc:08x}"}}).encode()
    with pytest.MonkeyPatch.context() as patch:
        for block in (1, 2, 7):
            patch.setattr(batchfile, "_BLOCK", block)
            for last in (end, end + b"\n"):
                assert _lines_in(b"".join(lines) + last) == lines


def _lines_in(content: bytes) -> list[bytes]:
    """Return the rows of a file with such content, which is found whole."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "a")
        path.write_bytes(content)
        rows = check_batch(path)
        lines = list(read_lines(path, rows))
        assert list(read_lines(path)) == lines
        return lines
