"""Text from items and errors, made safe to show."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return a text with everything escaped that could move a terminal's cursor or break a line."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
