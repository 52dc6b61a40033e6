"""Text from items and errors, made safe to show."""

from __future__ import annotations

TEXT_MAX = 16_000
"""Most characters of a message or traceback that are kept, from its end."""


def text_of(error: BaseException) -> str:
    """Return what an exception says, whatever its author did to its text."""
    try:
        return storable(str(error))
    except Exception as second:  # noqa: BLE001 - the first error is the one to report
        return f"(its text cannot be had: {type(second).__name__})"


def storable(text: str) -> str:
    """Return a text that every encoding takes, and not too much of it."""
    # File names from the system can hold lone surrogates.
    return text.encode("utf-8", "backslashreplace").decode()[-TEXT_MAX:]


def printable(text: str) -> str:
    """Return a text with everything escaped that could move a terminal's cursor or break a line."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
