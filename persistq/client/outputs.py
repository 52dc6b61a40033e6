"""What handlers made of their items: encoded at once, and joined into blocks for a report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import sub
from typing import Any, Final

from persistq.blocks import BYTES_MAX, ITEMS_MAX, Block, Origin, blocks_of
from persistq.codec import ItemCodec

Encoded = tuple[int, bytes]
"""One item as `ItemCodec.encode` returns it: the codec's number and the payload."""

Made = Sequence[Encoded | Block]
"""What was made of one item, in order: little as it is, to share blocks with what was made of its
neighbours; much as blocks."""

STEP_MAX: Final = 255
"""How far apart the items may be that neighbours in one block were made of; see `Origin`."""


def encoded(values: Iterable[Any], codec: ItemCodec) -> Made:
    """Encode values as they come: who makes them may change them afterwards.

    Args:
        values: What a handler makes of one item.
        codec: Encodes it.

    Raises:
        ItemNotStorable: One of them cannot be encoded.
        UsageError: One of them is an end of a queue.
    """
    made: list[Encoded | Block] = []
    waiting: list[Encoded] = []
    size = 0
    for value in values:
        one = codec.encode(value)
        waiting.append(one)
        size += len(one[1])
        if size >= BYTES_MAX or len(waiting) == ITEMS_MAX:
            made += _blocks(waiting)
            waiting, size = [], 0
    return [*made, *waiting]


def joined(made: Mapping[int, Made]) -> tuple[list[Block], list[Origin]]:
    """Return what was made of items as blocks, ordered by the items, and the origin of each block.

    Args:
        made: What was made, by item.
    """
    blocks: list[Block] = []
    origins: list[Origin] = []
    item_ids: list[int] = []
    run: list[Encoded] = []
    for item_id in sorted(made):
        for one in made[item_id]:
            if not isinstance(one, Block):
                item_ids.append(item_id)
                run.append(one)
                continue
            _join(item_ids, run, blocks, origins)
            item_ids, run = [], []
            blocks.append(one)
            origins.append(Origin(item_id))
    _join(item_ids, run, blocks, origins)
    return blocks, origins


def _join(
    item_ids: list[int], run: list[Encoded], blocks: list[Block], origins: list[Origin]
) -> None:
    """Add what was encoded one by one to the blocks and their origins."""
    for start, stop in _near(item_ids):
        for block in _blocks(run[start:stop]):
            blocks.append(block)
            origins.append(origin_of(item_ids[start : start + block.count]))
            start += block.count  # noqa: PLW2901 - the blocks lie one behind the other


def origin_of(item_ids: Sequence[int]) -> Origin:
    """Return of which items those of a block were made.

    Args:
        item_ids: The one for each, in order, none more than `STEP_MAX` greater than that before it.
    """
    steps = bytes(_steps(item_ids)) or b"\0"
    alike = not steps.strip(b"\0") or not steps.strip(b"\1")
    return Origin(item_ids[0], steps[:1] if alike else steps)


def _blocks(run: Sequence[Encoded]) -> list[Block]:
    codecs, payloads = zip(*run, strict=True)
    return blocks_of(codecs, payloads)


def _steps(item_ids: Sequence[int]) -> Iterator[int]:
    return map(sub, item_ids[1:], item_ids)


def _near(item_ids: Sequence[int]) -> list[tuple[int, int]]:
    """Return where to cut so that no step is too long, as positions from and to."""
    if not item_ids:
        return []
    cuts: list[int] = []
    if max(_steps(item_ids), default=0) > STEP_MAX:
        cuts = [n for n, step in enumerate(_steps(item_ids), 1) if step > STEP_MAX]
    return [*zip([0, *cuts], [*cuts, len(item_ids)], strict=True)]
