"""Texts of a journal as a report has them: they may be a stranger's."""

from __future__ import annotations

from typing import Final

from persistq.text.masking import masked_text
from persistq.text.payloads import in_brief, shortened
from persistq.text.terminal import printable

LINE_MAX: Final = 500
"""Most characters of a name or a message."""

PAYLOAD_MAX: Final = 1000
"""Most characters of an item."""

LINES_MAX: Final = 4000
"""Most characters of a text with lines, from its end."""


def line(text: str, most: int = LINE_MAX) -> str:
    """Return a text in one line: masked, printable, and cut where it is long."""
    return shortened(printable(masked_text(text)), most)


def lines(text: str) -> str:
    """Return the end of a text that has lines, such as a traceback."""
    safe = "\n".join(printable(one) for one in masked_text(text).rstrip().splitlines())
    return safe if len(safe) <= LINES_MAX else f"…{safe[1 - LINES_MAX :]}"


def payload(codec: int, data: bytes) -> str:
    """Return an item in one line: secrets masked, pickles described."""
    return printable(in_brief(codec, data, PAYLOAD_MAX))
