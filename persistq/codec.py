"""Item to bytes and back.

A value that JSON holds without loss is stored as JSON, so that a journal can be read with any tool;
everything else is pickled. "Without loss" is judged by exact type: a tuple, an ``IntEnum`` member,
an ``OrderedDict`` or a NaN would come back as something else, so they are pickled.
"""

from __future__ import annotations

import enum
import math
import pickle
from collections.abc import Collection, Sequence
from typing import Any, Final, Literal

import msgspec

from persistq.blocks import (
    BYTES_MAX,
    GROUPED,
    ITEMS_MAX,
    Block,
    BlockDamaged,
    array_blocks,
    blocks_of,
)
from persistq.errors import ItemNotReadable, ItemNotStorable, UsageError
from persistq.groups import unmarked
from persistq.items import DONE, FAILED, Sentinel
from persistq.pickles import OwnModules, own_modules, pickled, unpickled

CodecName = Literal["auto", "json", "pickle"]

ITEM_BYTES_MAX: Final = 256 * 1024 * 1024
"""Default bound of one encoded item, in bytes."""


class Codec(enum.IntEnum):
    """How a payload is encoded; the numbers are stored in the put-log."""

    JSON = 0
    PICKLE = 1
    PICKLE_OF_PROGRAM = 2
    """A pickle with names of the program's own modules, see `persistq.pickles`."""
    GROUPED_JSON = GROUPED
    """These with the group of their item, see `persistq.groups`."""
    GROUPED_PICKLE = GROUPED | 1
    GROUPED_PICKLE_OF_PROGRAM = GROUPED | 2


VALUE: Final = -1
"""Stands for a codec where what is called a payload is the value itself, decoded before."""

UNREADABLE: Final = -2
"""Stands for a codec where what is called a payload is the reason why there is none."""

_JSON: Final = int(Codec.JSON)
_PICKLE: Final = int(Codec.PICKLE)
_PICKLE_OF_PROGRAM: Final = int(Codec.PICKLE_OF_PROGRAM)
_TEXTUAL: Final = frozenset({str, bool, type(None)})
_INTEGERS: Final = frozenset({int})

# Versions of msgspec differ in what they do with larger integers, and equal values need equal
# bytes.
_INT_MIN: Final = -(2**63)
_INT_MAX: Final = 2**64 - 1

TOGETHER_FIRST: Final = 16
"""How many values are encoded together until it is known how many bytes they take."""

_BYTES_AIMED_AT: Final = BYTES_MAX * 15 // 16
"""Sizes vary: what is too large for one block costs a second look at each of its items."""

_NO_ITEM: Final = {
    DONE: "DONE is no item: every consumer is told by itself when all is done; say that nothing "
    "more comes with close(), or in a source or handler by returning",
    FAILED: "FAILED is no item: every consumer is told by itself when somebody gives up; do that "
    "with fail(), or in a source or handler by raising an error",
}

_json_encode: Final = msgspec.json.Encoder().encode
_json_decode: Final = msgspec.json.Decoder().decode
_json_values: Final = msgspec.json.Decoder(list[Any]).decode


def _lossless(value: object) -> bool:
    """Return whether JSON gives exactly this value back."""
    kind = type(value)
    if kind is int:
        return _INT_MIN <= value <= _INT_MAX  # type: ignore[operator]
    if kind in _TEXTUAL:
        return True
    if kind is float:
        return math.isfinite(value)  # type: ignore[arg-type]
    if kind is list:
        return _all_lossless(value)  # type: ignore[arg-type]
    return kind is dict and _row_lossless(value)  # type: ignore[arg-type]


def _all_lossless(values: Collection[object]) -> bool:
    """Return whether JSON gives exactly these values back; most are of one simple type."""
    kinds = set(map(type, values))
    if kinds <= _TEXTUAL:
        return True
    if kinds == _INTEGERS:
        return min(values) >= _INT_MIN and max(values) <= _INT_MAX  # type: ignore[type-var, operator]
    return all(map(_lossless, values))


def _row_lossless(row: dict[object, object]) -> bool:
    """Return whether JSON gives exactly this object back; most are rows, of texts and numbers."""
    for key, value in row.items():
        if type(key) is not str:
            return False
        kind = type(value)
        # No call for what is most frequent.
        if kind is int and _INT_MIN <= value <= _INT_MAX:  # type: ignore[operator]
            continue
        if kind not in _TEXTUAL and not _lossless(value):
            return False
    return True


def _as_json(value: object) -> bytes | None:
    """Return the value as JSON, or None where JSON would lose something."""
    try:
        return _json_encode(value) if _lossless(value) else None
    except (UnicodeEncodeError, RecursionError, msgspec.MsgspecError):
        # Lone surrogates and self-references: pickle holds them.
        return None


def decoded(block: Block) -> tuple[int, Sequence[Any]]:
    """Return the items of a block, as far as they are decoded together.

    JSON is, because it is data. A pickle runs code whose errors belong to its item, and a block of
    one need not be decoded before its item is wanted.

    Returns:
        What to give `ItemCodec.decode`: the codec's number, and a payload for each of the items.
    """
    if not block.intact:
        return _unreadable(block, "its block is damaged: the checksum is wrong")
    if block.count == 1:
        return block.codec, (block.data,)
    if block.codec == _JSON:
        try:
            values = _json_values(block.data)
            if len(values) == block.count:
                return VALUE, values
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # one of them may be at fault alone
    try:
        return block.codec, block.payloads()
    except (BlockDamaged, RecursionError) as error:
        return _unreadable(block, f"its block is damaged: {error}")


def _unreadable(block: Block, reason: str) -> tuple[int, Sequence[str]]:
    return UNREADABLE, [reason] * block.count


class ItemCodec:
    """Encodes and decodes the items of one queue.

    Args:
        name: ``auto`` (JSON where lossless, else pickle), ``json`` or ``pickle`` (always).
        allow_pickle: Whether pickle may be written and read at all. Unpickling runs code, so say
            False where others can write to the journal.
        item_bytes_max: Largest encoded item, in bytes.
        own: The program's own modules; by default its main module.

    Attributes:
        fitting: How many values like the last ones fit in one block.

    Raises:
        UsageError: The name is unknown, or asks for the pickle that ``allow_pickle`` forbids.
    """

    def __init__(
        self,
        name: CodecName = "auto",
        *,
        allow_pickle: bool = True,
        item_bytes_max: int = ITEM_BYTES_MAX,
        own: OwnModules | None = None,
    ) -> None:
        if name not in {"auto", "json", "pickle"}:
            raise UsageError(f"codec {name!r} is unknown: use 'auto', 'json' or 'pickle'")
        if name == "pickle" and not allow_pickle:
            raise UsageError("codec='pickle' contradicts allow_pickle=False")
        self.name = name
        self.allow_pickle = allow_pickle
        self.item_bytes_max = item_bytes_max
        self.own = own_modules() if own is None else own
        self.fitting = TOGETHER_FIRST

    def encode(self, value: object) -> tuple[int, bytes]:
        """Encode one value.

        Returns:
            The codec's number and the payload.

        Raises:
            ItemNotStorable: The value cannot be encoded under this queue's rules, or is too large.
            UsageError: It is one of the two ends of a queue, and no item.
        """
        payload = None if self.name == "pickle" else _as_json(value)
        if payload is not None:
            return _JSON, self.measured(value, payload)
        if isinstance(value, Sentinel):
            raise UsageError(_NO_ITEM[value])
        if self.name == "json" or not self.allow_pickle:
            raise ItemNotStorable(
                type(value).__qualname__,
                "JSON cannot hold it without loss, and this queue does not allow pickle",
            )
        try:
            payload, has_own_names = pickled(value, self.own)
        except Exception as error:  # the value's own code may raise anything
            reason = f"it cannot be pickled ({type(error).__name__}: {error})"
            raise ItemNotStorable(type(value).__qualname__, reason) from error
        return _PICKLE_OF_PROGRAM if has_own_names else _PICKLE, self.measured(value, payload)

    def encode_many(self, values: Sequence[object]) -> list[Block]:
        """Encode values, all of them or none; those that JSON holds at one stroke for each block.

        Raises:
            ItemNotStorable: One of the values cannot be encoded.
            UsageError: One of them is an end of a queue.
        """
        blocks: list[Block] = []
        start = 0
        while start < len(values):
            part = values[start : start + self.fitting]
            blocks += self._encode_part(part)
            start += len(part)
        return blocks

    def _encode_part(self, values: Sequence[object]) -> list[Block]:
        """Encode a few values, and learn how many of their kind fit in one block."""
        array = self._as_array(values)
        if array is None:
            pairs = [self.encode(value) for value in values]
            blocks = blocks_of([codec for codec, _ in pairs], [payload for _, payload in pairs])
        else:
            blocks = array_blocks(len(values), array)
        size = sum(len(block.data) for block in blocks) // len(values) + 1
        self.fitting = max(1, min(ITEMS_MAX, _BYTES_AIMED_AT // size))
        return blocks

    def _as_array(self, values: Sequence[object]) -> bytes | None:
        """Return values as one JSON array, None where one of them has to be looked at by itself."""
        array = None if self.name == "pickle" or len(values) == 1 else _as_json(list(values))
        # None of them is longer than the array without its brackets.
        return array if array and len(array) - 2 <= self.item_bytes_max else None

    def decode(self, item_id: int, codec: int, payload: Any) -> Any:
        """Turn a stored payload back into a value.

        Args:
            item_id: The item, for messages.
            codec: A `Codec` number, `VALUE` or `UNREADABLE`.
            payload: What that makes of it: bytes, the value or the reason why there is none.

        Raises:
            ItemNotReadable: The payload cannot be decoded here, for example because its class is
                gone, or because it is a pickle and ``allow_pickle`` is False.
        """
        try:
            if codec == _JSON:
                return _json_decode(payload)
            if codec == _PICKLE and self.allow_pickle:
                return pickle.loads(payload)  # noqa: S301 - allow_pickle guards it
            if codec == _PICKLE_OF_PROGRAM and self.allow_pickle:
                return unpickled(payload, self.own)
            if codec == VALUE:
                return payload
            if codec > 0 and codec & GROUPED:
                _, codec, payload = unmarked(codec, payload)
                return self.decode(item_id, codec, payload)
        except ItemNotReadable:
            raise
        except Exception as error:  # unpickling runs code that may raise anything
            reason = f"{type(error).__name__}: {error}"
            raise ItemNotReadable(item_id, reason) from error
        raise ItemNotReadable(item_id, _why_unreadable(codec, payload))

    def measured(self, value: object, payload: bytes) -> bytes:
        """Return a payload.

        Raises:
            ItemNotStorable: It is too large.
        """
        if len(payload) > self.item_bytes_max:
            raise ItemNotStorable(
                type(value).__qualname__,
                f"encoded it has {len(payload):,} bytes, over the limit of "
                f"{self.item_bytes_max:,} (setting item_bytes_max)",
            )
        return payload


def _why_unreadable(codec: int, payload: Any) -> str:
    if codec == UNREADABLE:
        return str(payload)
    if codec in {_PICKLE, _PICKLE_OF_PROGRAM}:
        return "it is a pickle, and this queue does not allow pickle"
    return f"unknown codec {codec}"


def readable(codec: int, payload: bytes, width: int = 200) -> str:
    """Return a payload as text for people; a pickle is described, never loaded.

    Args:
        codec: The payload's codec number.
        payload: The stored bytes.
        width: Most characters to return.
    """
    if codec != _JSON:
        return f"<pickle, {len(payload):,} bytes>"
    text = payload.decode("utf-8", errors="backslashreplace")
    return text if len(text) <= width else text[: width - 1] + "…"
