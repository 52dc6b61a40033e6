"""Whether bytes are what their codec reads, found out without running any code that they name."""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from io import BytesIO
from typing import Any, Final
from zlib import crc32

import msgspec

from persistq import pickles
from persistq.blocks import JSON, is_json
from persistq.codec import Codec
from persistq.groups import unmarked

_json: Final = msgspec.json.Decoder().decode
_array: Final = msgspec.json.Decoder(list[Any]).decode
_raw_values: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_pickles: Final = msgspec.msgpack.Decoder(list[bytes]).decode

_NOTHING: Final = object()

_CODECS: Final = frozenset(map(int, Codec))
_OWN: Final = {pickles.of_main.__name__, pickles.of_pipeline.__name__}


def flaw_of(count: int, codec: int, data: bytes, crc: int) -> str | None:
    """Return what is wrong with a block, None if nothing is.

    Args:
        count: How many items it says to have.
        codec: How each is encoded.
        data: Its bytes.
        crc: Their checksum, as it was stored.
    """
    if crc32(data) != crc:
        return "checksum is wrong"
    if codec not in _CODECS:
        return "codec does not exist"
    if count == 1:
        return None if is_readable(codec, data) else "item cannot be decoded"
    found = _items(codec, data)
    if found is None:
        return "items cannot be decoded"
    return None if found == count else "items are more or fewer than it says"


def is_readable(codec: int, payload: bytes) -> bool:
    """Tell whether a payload is what its codec reads; a pickle is followed, and never loaded."""
    try:
        _, codec, payload = unmarked(codec, payload)
    except (ValueError, RecursionError):
        return False
    if codec == JSON:
        return _decoded(_json, payload) is not _NOTHING
    return _is_pickle(payload, own=codec == Codec.PICKLE_OF_PROGRAM)


def _decoded(decode: Callable[[bytes], Any], data: bytes) -> Any:
    try:
        return decode(data)
    except (ValueError, RecursionError):  # What msgspec raises are ValueErrors.
        return _NOTHING


def _items(codec: int, data: bytes) -> int | None:
    """Return how many items an array has, None if one cannot be decoded."""
    if is_json(codec) and codec != JSON:
        payloads = _decoded(_raw_values, data)
        fine = payloads is not _NOTHING and all(is_readable(codec, bytes(it)) for it in payloads)
        return len(payloads) if fine else None
    items = _decoded(_array if codec == JSON else _pickles, data)
    if items is _NOTHING:
        return None
    return len(items) if codec == JSON or all(is_readable(codec, item) for item in items) else None


def _is_pickle(payload: bytes, *, own: bool) -> bool:
    """Tell whether a pickle is whole, and has names of the program exactly if its codec says so."""
    stream = BytesIO(payload)
    texts: list[object] = [None, None]
    has_module = has_name = False
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            if isinstance(argument, str):
                texts = [texts[-1], argument]
                has_module |= argument == pickles.__name__
            elif opcode.name == "STACK_GLOBAL":
                has_name |= texts[0] == pickles.__name__ and texts[1] in _OWN
    except Exception:  # noqa: BLE001 - it reads what somebody may have made up
        return False
    # A name that a value has in it as well may be repeated by number.
    return stream.tell() == len(payload) and (has_module if own else not has_name)
