"""The journals of a PyMPX ``PersistentQueue``: what was requested, and what was completed.

Each process of such a queue wrote ``<prefix>_requested_PID<pid>.tsv`` or
``<prefix>_completed_PID<pid>.tsv``, with a line for each message and its fields separated by tabs.
A completed line names no request: it has the same text.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from persistq.errors import UsageError

Message = str | tuple[str, ...]
"""A message as a PyMPX consumer got it: a text, or a tuple where it had several fields."""


@dataclass(slots=True)
class Journals:
    """What the journals of one directory say.

    Attributes:
        files: Those that were read, in order.
        messages: What was requested, in order.
        done: For each of ``messages``, whether it was completed.
        torn: Last lines that have no end: their process died while it wrote them. One of a request
            was never on the queue, one of a completion is done again.
        unrequested: How many completions there are of what was not requested.
    """

    files: list[Path] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    done: list[bool] = field(default_factory=list)
    torn: int = 0
    unrequested: int = 0


def read(directory: Path, prefix: str, encoding: str = "utf-8") -> Journals:
    """Read the journals of one queue.

    Equal messages are counted: of two requests, one completion completes the first. (PyMPX itself
    compared sets, so that both were done.)

    Args:
        directory: Where they are, ``current_pickup_dir`` of the run that was the last.
        prefix: What their names begin with, ``pickup_file_prefix``.
        encoding: How they are written; PyMPX took that of the locale.

    Raises:
        UsageError: There are none, or a line of one is not in this encoding.
    """
    found = Journals()
    completed = Counter(line for line in _lines(found, directory, prefix, "completed"))
    for line in _lines(found, directory, prefix, "requested"):
        found.messages.append(_message(line, directory, encoding))
        found.done.append(completed[line] > 0)
        completed[line] -= found.done[-1]
    found.unrequested = completed.total()
    if not found.messages:
        raise UsageError(
            f"there are no requests of {prefix!r} in {directory}: files are expected that are "
            f"called as {prefix}_requested_PID1234.tsv"
        )
    return found


def _lines(found: Journals, directory: Path, prefix: str, kind: str) -> list[bytes]:
    """Return the whole lines of all journals of one kind, the oldest file first."""
    lines: list[bytes] = []
    for path in _files(directory, prefix, kind):
        *whole, torn = path.read_bytes().split(b"\n")
        found.files.append(path)
        found.torn += bool(torn)
        lines += [line.removesuffix(b"\r") for line in whole]
    return lines


def _files(directory: Path, prefix: str, kind: str) -> list[Path]:
    name = re.compile(rf"{re.escape(prefix)}_{kind}_PID\d+\.tsv")
    try:
        paths = [path for path in directory.iterdir() if name.fullmatch(path.name)]
    except OSError as error:
        raise UsageError(f"{directory} cannot be read: {error.strerror}") from error
    return sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path.name))


def _message(line: bytes, directory: Path, encoding: str) -> Message:
    try:
        text = line.decode(encoding)
    except UnicodeDecodeError as error:
        raise UsageError(
            f"a request in {directory} is not in {encoding} ({line[:60]!r}): name the encoding "
            "that the old program wrote, as in --encoding latin-1"
        ) from error
    fields = text.split("\t")
    return fields[0] if len(fields) == 1 else tuple(fields)
