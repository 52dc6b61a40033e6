"""How a command writes: tables on a terminal, plain lines elsewhere, JSON when asked."""

from __future__ import annotations

import enum
import io
import json
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from persistq.text.streams import reader_gone, say
from persistq.text.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

CLEAR_SCREEN: Final = "\x1b[H\x1b[2J"

_GAP: Final = 2
_LAST_COLUMN_MIN: Final = 20


class Column(NamedTuple):
    """One column of a table.

    Attributes:
        title: Its heading.
        right: Whether its cells are numbers, which line up on the right.
        width: Its width in cells; 0 fits it to what is in it.
        wrap: Whether a terminal shows all of a long cell, on several lines.
    """

    title: str
    right: bool = False
    width: int = 0
    wrap: bool = False


class Failing(str):
    """A text that tells of a failure: red on a terminal that shows colours."""

    __slots__ = ()


class Quiet(str):
    """A text beside what matters: dim on a terminal."""

    __slots__ = ()


class Form(enum.Enum):
    """How what was asked for is written."""

    PEOPLE = "people"
    JSON = "json"
    JSONL = "jsonl"


def on_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout.isatty()


def note(text: str) -> None:
    """Say something beside the data, on standard error."""
    say(f"persistq: {printable(text)}")


@contextmanager
def until_closed() -> Iterator[None]:
    """Write to standard output; that its reader has seen enough and closed it is no error.

    Raises:
        click.FileError: It cannot be written for another reason.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        gone = reader_gone(sys.stdout, error)
        _let_go()
        if not gone:
            raise click.FileError("standard output", error.strerror) from error


def _let_go() -> None:
    """Throw away what is left to write, which the interpreter would try once more at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def write_lines(lines: Iterable[str]) -> None:
    """Write lines to standard output, in constant memory."""
    with until_closed():
        for line in lines:
            sys.stdout.write(f"{line}\n")


def write_fields(rows: Iterable[Sequence[str]]) -> None:
    """Write rows with tabs between their fields, for other programs."""
    write_lines("\t".join(map(printable, row)) for row in rows)


def write_json(document: Mapping[str, Any]) -> None:
    """Write one JSON document, as UTF-8 whatever the locale says."""
    write_jsonl([document])


def write_jsonl(objects: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object on each line, in constant memory."""
    with until_closed():
        for entry in objects:
            sys.stdout.buffer.write(_json(entry) + b"\n")
        sys.stdout.buffer.flush()


def write_raw(document: bytes) -> None:
    """Write a document as it is to standard output."""
    with until_closed():
        sys.stdout.buffer.write(document)
        sys.stdout.buffer.flush()


def write_document(head: Mapping[str, Any], member: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON document whose last member is an array, in constant memory.

    Args:
        head: Its other members.
        member: The name of the array.
        rows: What is in it.
    """
    with until_closed():
        out = sys.stdout.buffer
        out.write(_json(head)[:-1] + (b", " if head else b"") + _json(member) + b": [")
        for number, row in enumerate(rows):
            out.write((b",\n " if number else b"\n ") + _json(row))
        out.write(b"]}\n")
        out.flush()


def write_rows(
    form: Form, head: Mapping[str, Any], member: str, rows: Iterable[Mapping[str, Any]]
) -> None:
    """Write rows as ``--json`` or ``--jsonl`` wants them; ``head`` is in the document only."""
    if form is Form.JSONL:
        write_jsonl(rows)
    else:
        write_document(head, member, rows)


def _json(value: Any) -> bytes:
    # Paths may hold bytes that are no text; they come out as JSON's own escapes.
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")


def write_table(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], *, titles: bool = True
) -> None:
    """Write a table for people; on a terminal it fits the window, elsewhere nothing is cut off.

    Args:
        columns: The columns; the last one gets the room that is left.
        rows: A text for each column; a `Failing` one is red, a `Quiet` one dim.
        titles: Whether to write the headings.
    """
    clean = [[_cleaned(cell) for cell in row] for row in rows]
    with until_closed():
        if on_terminal():
            _draw(columns, clean, titles=titles)
            return
        heading = [[column.title for column in columns]] if titles else []
        for line in _aligned(columns, [*heading, *clean]):
            sys.stdout.write(f"{line}\n")


def _cleaned(cell: str) -> str:
    return type(cell)(printable(cell))


def _aligned(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, columns, widths, strict=True)
        padded = (
            cell.rjust(width) if col.right else cell.ljust(width) for cell, col, width in cells
        )
        yield (" " * _GAP).join(padded).rstrip()


def _draw(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, titles: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    table = Table(
        box=None, show_header=titles, header_style="bold", padding=(0, _GAP, 0, 0), pad_edge=False
    )
    widths = _widths(columns, rows, console.width, titles=titles)
    # On a narrow terminal lines wrap: an id or a time that is cut short is worth nothing.
    console.width = max(console.width, sum(widths) + _GAP * (len(widths) - 1))
    for column, width in zip(columns, widths, strict=True):
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            width=width,
            no_wrap=not column.wrap,
            overflow="fold" if column.wrap else "ellipsis",
        )
    for row in rows:
        table.add_row(*(Text(cell, _style(cell)) for cell in row))
    console.print(table)


def _style(cell: str) -> str:
    return "red" if isinstance(cell, Failing) else "dim" if isinstance(cell, Quiet) else ""


def _widths(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int, *, titles: bool
) -> list[int]:
    from rich.cells import cell_len

    heads = [column.title if titles else "" for column in columns]
    widths = [
        column.width or max(cell_len(cell) for cell in (head, *cells))
        for column, head, *cells in zip(columns, heads, *rows, strict=True)
    ]
    taken = sum(widths[:-1]) + _GAP * (len(widths) - 1)
    widths[-1] = min(widths[-1], max(room - taken, _LAST_COLUMN_MIN))
    return widths
