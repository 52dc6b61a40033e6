"""Items as they are shown: decoded without running code, shortened, with secrets masked."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

import msgspec

from persistq.items import DAMAGED
from persistq.text.masking import masked_item

JSON: Final = 0
"""The codec number of payloads that are JSON, see `persistq.codec.Codec`."""

BRIEF_BYTES_MAX: Final = 64 << 10
"""Longer payloads are not decoded for one line: they are described like pickles."""


class Shown(NamedTuple):
    """An item as it may be shown.

    Attributes:
        value: The decoded value with secrets masked; None for what is not decoded, such as a
            pickle.
        pickle: Whether it is a pickle.
        masked: Whether something in it was masked.
        damaged: Whether its bytes cannot be read.
    """

    value: Any
    pickle: bool = False
    masked: bool = False
    damaged: bool = False


def shown(codec: int, payload: bytes) -> Shown:
    """Decode a payload, as far as that runs no code, and mask what is secret in it."""
    if codec != JSON:
        return Shown(None, pickle=codec != DAMAGED, damaged=codec == DAMAGED)
    try:
        value = msgspec.json.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Shown(None, damaged=True)
    safe = masked_item(value)
    return Shown(safe, masked=safe != value)


def in_brief(codec: int, payload: bytes, width: int = 200) -> str:
    """Return an item in one line.

    Args:
        codec: The payload's codec number.
        payload: The stored bytes.
        width: Most characters to return.
    """
    if codec == DAMAGED:
        return "<cannot be read: its bytes are damaged>"
    if codec != JSON:
        return f"<pickle, {len(payload):,} bytes>"
    if len(payload) > max(BRIEF_BYTES_MAX, width):
        return f"<JSON, {len(payload):,} bytes>"
    found = shown(codec, payload)
    # What is as it was put is shown as it was put.
    text = compact(found.value) if found.masked else payload.decode("utf-8", "backslashreplace")
    return shortened(text, width)


def compact(value: Any) -> str:
    """Return a value as JSON in as few characters as there can be."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def shortened(text: str, width: int) -> str:
    """Return a text cut at a width, with a mark where it was cut."""
    return text if len(text) <= width else text[: width - 1] + "…"
