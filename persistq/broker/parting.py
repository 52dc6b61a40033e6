"""When a block is taken apart: where so little of it is wanted that most of its bytes are ballast.

A slice travels with its whole block, which costs nothing while blocks are handed out as they came.
But of slow items each consumer gets one or two, and a worker that dies leaves some here and there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final

from persistq.blocks import BlockDamaged, Slice, count_of

BALLAST: Final = 8
"""A block is sent so many times at most; what would be a smaller part of it goes by itself."""

_block_id_of: Final = itemgetter(0)


def is_small(count: int, part: Slice) -> bool:
    """Return whether so many items are too small a part of a slice's block."""
    return count * BALLAST < part.block.count


def parted(slices: Iterable[Slice]) -> list[Slice]:
    """Return slices with each small part of a block taken apart, in the same order.

    Neighbours of one block are looked at together: each of many pieces would carry all of it. A
    damaged block stays as it is, for its consumer to report.
    """
    return [piece for _, same in groupby(slices, _block_id_of) for piece in _light([*same])]


def _light(pieces: list[Slice]) -> list[Slice]:
    """Return pieces of one block as they are, or each of their items by itself."""
    first_id, block, *_ = pieces[0]
    if count_of(pieces) * BALLAST >= len(pieces) * block.count:
        return pieces
    start, stop = min(piece.start for piece in pieces), max(piece.stop for piece in pieces)
    try:
        apart = Slice(first_id, block, start, stop).apart()
    except BlockDamaged:
        return pieces
    return [apart[n - start] for piece in pieces for n in range(piece.start, piece.stop)]


def divided(slices: Sequence[Slice], count: int) -> tuple[list[Slice], list[Slice]]:
    """Return the first so many items, and the others, of either of which there may be none."""
    first, rest = list[Slice](), [*reversed(slices)]
    while rest and count:
        part = rest.pop()
        if part.count > count:
            part, other = part.split(count)
            rest.append(other)
        first.append(part)
        count -= part.count
    return first, rest[::-1]
