"""The bytes of a block without what makes them an array, so that bodies can follow each other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import msgspec

from persistq.blocks import Block, Slice, block_of, is_json

_FIXARRAY: Final = 0x90
"""First half of the one byte before up to 15 elements of MessagePack; before more are three."""

_as_array: Final = msgspec.msgpack.Encoder().encode


@dataclass(slots=True, frozen=True)
class Body:
    """Items of a block, from some of them on, as bytes that stand for their values.

    Of JSON these are the texts with commas between them, of pickles the elements of a MessagePack
    array. Neither depends on how many items a block has. And where two bodies are equal up to the
    end of one of them, which is the end of an item in the other as well, their items are equal.

    Attributes:
        block: The block.
        data: Bytes with the body in them.
        start: Where the body begins.
        stop: Where it ends.
        left: How many items it has.
    """

    block: Block
    data: bytes
    start: int
    stop: int
    left: int

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return self.stop - self.start

    def payloads(self) -> list[bytes]:
        """Return the payload of each item.

        Raises:
            BlockDamaged: The block is not what was encoded.
        """
        return self.block.payloads()[self.block.count - self.left :]

    def behind(self, count: int, size: int) -> Body | None:
        """Return what is left behind so many items and bytes, None if these are no whole items."""
        if size == self.size:
            return replace(self, start=self.stop, left=0) if count == self.left else None
        gap = b"," if is_json(self.block.codec) else b""
        start = self.start + size
        if count >= self.left or not self.data.startswith(gap, start):
            return None
        return replace(self, start=start + len(gap), left=self.left - count)


def body_of(part: Slice) -> Body:
    """Return the body of a slice.

    Raises:
        BlockDamaged: It is no whole block, and its block cannot be taken apart.
    """
    block = part.block
    if part.count < block.count:
        block = block_of(block.codec, block.payloads()[part.start : part.stop])
    count, data = block.count, block.data
    if is_json(block.codec):
        brackets = 1 if count > 1 else 0
        return Body(block, data, brackets, len(data) - brackets, count)
    if count == 1:
        data = _as_array([data])
    return Body(block, data, 1 if data[0] & 0xF0 == _FIXARRAY else 3, len(data), count)


def behind_common(one: Body, other: Body) -> tuple[Body, Body] | None:
    """Return what is left of two bodies behind all items of the shorter one.

    None if the longer one does not begin with these.
    """
    size = min(one.size, other.size)
    begins = memoryview(one.data)[one.start : one.start + size]
    same_codec = one.block.codec == other.block.codec
    if not same_codec or size <= 0 or not other.data.startswith(begins, other.start):
        return None
    count = one.left if size == one.size else other.left
    mine, theirs = one.behind(count, size), other.behind(count, size)
    return None if mine is None or theirs is None else (mine, theirs)
