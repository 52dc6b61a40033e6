"""Text from items and errors, made safe to show."""

from __future__ import annotations

import shlex

TEXT_MAX = 16_000
"""Most characters of a message or traceback that are kept, from its end."""

SHOWN_MAX = 100
"""Most characters of an item in a message."""


def text_of(error: BaseException) -> str:
    """Return what an exception says, whatever its author did to its text."""
    try:
        return excerpt(str(error))
    except Exception as second:  # noqa: BLE001 - the first error is the one to report
        return f"(its text cannot be had: {type(second).__name__})"


def encodable(text: str) -> str:
    """Return a text that every encoding takes: lone surrogates are escaped."""
    try:
        text.encode()
    except UnicodeEncodeError:
        # Names from the system that are no UTF-8 hold them.
        return "".join(_escaped(char) if "\ud800" <= char <= "\udfff" else char for char in text)
    return text


def excerpt(text: str) -> str:
    """Return the end of a text, as much as is kept of one, as every encoding takes it."""
    return encodable(text)[-TEXT_MAX:]


def shown(item: object) -> str:
    """Return an item for a message; its own `repr` may raise, or be long."""
    try:
        text = excerpt(repr(item))
    except Exception:  # noqa: BLE001 - the item is the user's
        text = f"an item of type {type(item).__qualname__}"
    return text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 1] + "…"


def printable(text: str) -> str:
    """Return a text with everything escaped that could move a terminal's cursor or break a line."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def quoted(word: str) -> str:
    """Return a word as one types it in a shell; bytes that have no key are written for bash."""
    if word.isprintable():
        return shlex.quote(word)
    return "$'" + "".join(map(_in_ansi_quotes, word)) + "'"


def _in_ansi_quotes(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    if char.isprintable():
        return char
    return "".join(f"\\{byte:03o}" for byte in char.encode("utf-8", "surrogateescape"))


def _escaped(char: str) -> str:
    if "\udc80" <= char <= "\udcff":
        # So Python has a byte of a path or an argument that is no UTF-8.
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")
