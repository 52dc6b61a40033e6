"""Blocks: items that lie together, encoded once, and stay together as long as nobody parts them.

A block of one item is its payload. A block of several is one JSON array of their values, or, of
pickles, one MessagePack array of their bytes. So most of the work on an item is done once for
hundreds of them, by whoever stores, sends or compares it; and JSON stays readable in the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, groupby, islice
from typing import Final, NamedTuple
from zlib import crc32

import msgspec

from persistq.items import IdRange, Item

JSON: Final = 0
"""The codec of payloads that are JSON; see `persistq.codec.Codec`."""

GROUPED: Final = 8
"""Added to the codec of payloads that say to which group their item belongs, see
`persistq.groups`."""

ITEMS_MAX: Final = 512
"""Most items of a block. Fewer cost messages and records, more are cut again by windows."""

BYTES_MAX: Final = 16_000
"""Most bytes of a block of several items: with its row it fits in one page of the file."""

DIGEST_BYTES: Final = 16
"""Bytes of the digest of a natural key; see `persistq.naturalkeys`."""

_raw_values: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_pickles: Final = msgspec.msgpack.Decoder(list[bytes]).decode
_as_array: Final = msgspec.msgpack.Encoder().encode


def is_json(codec: int) -> bool:
    """Return whether payloads are JSON, with or without a group."""
    return codec == JSON or codec == JSON | GROUPED


class BlockDamaged(ValueError):
    """The bytes of a block are not those that were encoded."""


class Block(NamedTuple):
    """Items encoded together.

    Attributes:
        count: How many.
        codec: How each is encoded, a `persistq.codec.Codec` number.
        data: The payload of the one, or the array of all of them.
        crc: CRC-32 of the data, made where it was encoded. Who decodes it compares: neither SQLite
            nor a socket does.
        digests: One after the other, `DIGEST_BYTES` for each item, the digests of their natural
            keys, on the way into a queue with such keys; None elsewhere.
        rank: The place of all of them in a queue with an order, the smallest first, see
            `persistq.ordering`; None elsewhere.
        due: Until when all of them wait, in milliseconds since 1970, on the way into a queue; None
            if they do not.
    """

    count: int  # type: ignore[assignment]  # not how often something is in it
    codec: int
    data: bytes
    crc: int
    digests: bytes | None = None
    rank: int | None = None
    due: int | None = None

    @property
    def bare(self) -> bool:
        """Whether it says nothing but what its items are."""
        return self.digests is None and self.rank is None and self.due is None

    @property
    def intact(self) -> bool:
        """Whether the data is what was encoded."""
        return crc32(self.data) == self.crc

    def payloads(self) -> list[bytes]:
        """Return the payload of each item.

        Raises:
            BlockDamaged: The data is not that of so many items.
        """
        if not self.intact:
            raise BlockDamaged("its checksum is wrong")
        if self.count == 1:
            return [self.data]
        try:
            found = (
                [*map(bytes, _raw_values(self.data))]
                if is_json(self.codec)
                else (_pickles(self.data))
            )
        except (msgspec.MsgspecError, RecursionError) as error:
            # Whoever made the checksum may have meant arrays in arrays in arrays.
            raise BlockDamaged(str(error)) from error
        if len(found) != self.count:
            raise BlockDamaged(f"it has {len(found):,} items instead of {self.count:,}")
        return found


class Origin(NamedTuple):
    """Of which items those of a block were made.

    Attributes:
        item_id: What the first one was made of.
        steps: How much greater the id is that each further one was made of, one byte for each. A
            single byte stands for all: ``00`` if all are of one item, ``01`` if each is of the
            item that follows.
    """

    item_id: int
    steps: bytes = b"\0"

    def of(self, position: int) -> int:
        """Return what the item at a position in the block was made of."""
        steps = self.steps
        further = steps[0] * position if len(steps) == 1 else sum(steps[:position])
        return self.item_id + further

    def each(self, count: int) -> Iterator[int]:
        """Return what each of so many items was made of."""
        steps = self.steps * (count - 1) if len(self.steps) == 1 else self.steps
        return accumulate(steps, initial=self.item_id)

    def last(self, count: int) -> int:
        """Return what the last of so many items was made of."""
        return self.of(count - 1)


def block_of(codec: int, payloads: Sequence[bytes]) -> Block:
    """Return one block of payloads that are encoded alike; at least one."""
    if len(payloads) == 1:
        data = payloads[0]
    elif is_json(codec):
        data = b"[" + b",".join(payloads) + b"]"
    else:
        data = _as_array(payloads)
    return Block(len(payloads), codec, data, crc32(data))


def blocks_of(codecs: Sequence[int], payloads: Sequence[bytes]) -> list[Block]:
    """Return payloads in as few blocks as their order, `ITEMS_MAX` and `BYTES_MAX` allow.

    Args:
        codecs: One codec number for each payload.
        payloads: The encoded items.
    """
    blocks: list[Block] = []
    start = 0
    for codec, alike in groupby(codecs):
        stop = start + len([*alike])
        blocks += [block_of(codec, part) for part in _parts(payloads[start:stop])]
        start = stop
    return blocks


def with_digests(blocks: Iterable[Block], digests: Sequence[bytes]) -> list[Block]:
    """Return blocks with the digests of the natural keys of their items.

    Args:
        blocks: The blocks.
        digests: One for each item, in order.
    """
    rest = iter(digests)
    return [block._replace(digests=b"".join(islice(rest, block.count))) for block in blocks]


def on_terms_of(block: Block, parts: Iterable[Block]) -> list[Block]:
    """Return what a block was cut into, with its rank, and waiting as long as it does."""
    if block.rank is None and block.due is None:
        return [*parts]
    return [part._replace(rank=block.rank, due=block.due) for part in parts]


def digest_at(digests: bytes, position: int) -> bytes:
    """Return the digest of the item at a position in its block."""
    return digests[position * DIGEST_BYTES : (position + 1) * DIGEST_BYTES]


def array_blocks(count: int, array: bytes) -> list[Block]:
    """Return the items of one JSON array in as few blocks as `BYTES_MAX` allows.

    Args:
        count: How many items, at least two and at most `ITEMS_MAX`.
        array: The array.
    """
    if len(array) <= BYTES_MAX:
        return [Block(count, JSON, array, crc32(array))]
    return blocks_of([JSON] * count, [*map(bytes, _raw_values(array))])


def _parts(payloads: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Cut payloads where a block would have too many items or bytes."""
    if len(payloads) <= ITEMS_MAX and sum(map(len, payloads)) + len(payloads) < BYTES_MAX:
        yield payloads
        return
    part: list[bytes] = []
    size = 1
    for payload in payloads:
        size += len(payload) + 1
        if part and (size > BYTES_MAX or len(part) == ITEMS_MAX):
            yield part
            part, size = [], len(payload) + 2
        part.append(payload)
    yield part


class Slice(NamedTuple):
    """Consecutive items of one block: what is handed out, held and put back.

    Attributes:
        first_id: Id of the block's first item, whether it is in the slice or not.
        block: The block, whole.
        start: Position in the block of the first item of the slice.
        stop: Position behind its last one; greater than ``start``.
    """

    first_id: int
    block: Block
    start: int
    stop: int

    @property
    def count(self) -> int:  # type: ignore[override]  # as above
        """How many items."""
        return self.stop - self.start

    @property
    def ids(self) -> IdRange:
        """Their ids."""
        return IdRange(self.first_id + self.start, self.first_id + self.stop - 1)

    @property
    def size(self) -> int:
        """How many bytes its items have, about."""
        block = self.block
        return len(block.data) * (self.stop - self.start) // block.count

    def within(self, first: int, last: int) -> Slice:
        """Return the items with these ids, which are all in the slice."""
        return self._replace(start=first - self.first_id, stop=last + 1 - self.first_id)

    def split(self, count: int) -> tuple[Slice, Slice]:
        """Return the first so many items, and the others; there are more."""
        middle = self.start + count
        return self._replace(stop=middle), self._replace(start=middle)

    def apart(self) -> list[Slice]:
        """Return each item as a block by itself, so that no bytes of others travel with it.

        Raises:
            BlockDamaged: The block cannot be taken apart.
        """
        codec, rank, first = self.block.codec, self.block.rank, self.ids.first
        payloads = self.block.payloads()[self.start : self.stop]
        return [
            Slice(first + n, Block(1, codec, payload, crc32(payload), None, rank), 0, 1)
            for n, payload in enumerate(payloads)
        ]

    def items(self) -> Iterator[Item]:
        """Return the items one by one.

        Raises:
            BlockDamaged: The block cannot be taken apart.
        """
        codec, first = self.block.codec, self.ids.first
        payloads = islice(self.block.payloads(), self.start, self.stop)
        return (Item(first + n, codec, payload) for n, payload in enumerate(payloads))


def whole(first_id: int, block: Block) -> Slice:
    """Return all items of a block."""
    return Slice(first_id, block, 0, block.count)


def count_of(slices: Iterable[Slice]) -> int:
    """Return how many items slices have together."""
    return sum(part.stop - part.start for part in slices)


def items_of(slices: Iterable[Slice]) -> Iterator[Item]:
    """Return the items of slices, one by one."""
    for part in slices:
        yield from part.items()
