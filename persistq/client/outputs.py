"""What handlers made of their items: encoded at once, and joined into blocks for a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import sub
from time import monotonic as _now
from typing import Any, Final, Protocol

from persistq.blocks import BYTES_MAX, ITEMS_MAX, Block, Origin, blocks_of, with_digests
from persistq.naturalkeys import KeyedCodec
from persistq.ordering import OrderedCodec

Encoded = (
    tuple[int, bytes]
    | tuple[int, bytes, bytes]
    | tuple[int, bytes, bytes | None, int | None, int | None]
)
"""One item: the codec's number, the payload and, where its queue has natural keys, the digest of
its own. Where it has a place in an order, or waits, these come behind that; see `Block`."""


class Encoder(Protocol):
    """Encodes the items of a queue."""

    def encode(self, value: Any) -> Encoded:
        """Return an item encoded."""


_PLAIN: Final = 3
_NO_TERMS: Final = (None, None)

Made = Sequence[Encoded | Block]
"""What was made of one item, in order: little as it is, to share blocks with what was made of its
neighbours; much as blocks."""

Routed = Mapping[int, Made]
"""What was made of one item, by the queue that gets it, where not all goes the same way."""

SPOOLED_BLOCKS: Final = 16
SPOOLED_BYTES: Final = 1 << 18
"""So many blocks, or bytes, of what is made of one item are held before they are spooled."""

STREAMED_S: Final = 0.01
"""What is streamed waits no longer for company, unless nothing more comes for a while."""

STEP_MAX: Final = 255
"""How far apart the items may be that neighbours in one block were made of; see `Origin`."""


Spool = Callable[[list[Block]], None]
"""Takes blocks of what is made of an item while more of it is being made."""


class Send(Protocol):
    """Takes blocks of what is made of an item, to be put at once."""

    def __call__(self, blocks: list[Block], *, first: bool) -> None:
        """Take some; the first ones are those that begin an attempt."""


def encoded(values: Iterable[Any], codec: Encoder, spool: Spool | None = None) -> Made:
    """Encode values as they come: who makes them may change them afterwards.

    Args:
        values: What a handler makes of one item.
        codec: Encodes it.
        spool: Takes what is too much to be held until the end; None holds all of it.

    Returns:
        What was made, if nothing was spooled; otherwise all of it was.

    Raises:
        ItemNotStorable: One of them cannot be encoded.
        UsageError: One of them is an end of a queue.
    """
    heap = Heap(spool_for(codec, spool))
    run: list[Encoded] = []
    size = 0
    for value in values:
        one = codec.encode(value)
        run.append(one)
        size += len(one[1])
        if size >= BYTES_MAX or len(run) == ITEMS_MAX:
            heap.add(run)
            run, size = [], 0
    return heap.closed(run)


def spool_for(codec: Encoder, spool: Spool | None) -> Spool | None:
    """Return what takes what is too much to be kept; None where all of it has to be.

    Which of several natural keys are new is known when they are put, so not by one row for all; and
    each of several ranks has a row.
    """
    return None if isinstance(codec, KeyedCodec | OrderedCodec) else spool


def stream(values: Iterable[Any], codec: Encoder, send: Send) -> None:
    """Encode values as they come, and hand them on without waiting for the last one.

    Args:
        values: What a handler makes of one item.
        codec: Encodes it.
        send: Takes blocks of it.

    Raises:
        ItemNotStorable: One of them cannot be encoded; those before it are handed on.
        UsageError: One of them is an end of a queue.
    """
    run: list[Encoded] = []
    size, due, first = 0, 0.0, True
    for value in values:
        one = codec.encode(value)
        run.append(one)
        size += len(one[1])
        if size >= BYTES_MAX or len(run) == ITEMS_MAX or _now() >= due:
            send(blocks_of_run(run), first=first)
            run, size, due, first = [], 0, _now() + STREAMED_S, False
    if run:
        send(blocks_of_run(run), first=first)


class Heap:
    """Blocks of what is made of one item, in memory or spooled."""

    def __init__(self, spool: Spool | None) -> None:
        self._spool = spool
        self._spooled = False
        self._blocks: list[Block] = []
        self._bytes = 0

    def add(self, run: Sequence[Encoded]) -> None:
        """Take what was encoded one by one, at least one."""
        blocks = blocks_of_run(run)
        self._blocks += blocks
        self._bytes += sum(len(block.data) for block in blocks)
        many = self._bytes >= SPOOLED_BYTES or len(self._blocks) >= SPOOLED_BLOCKS
        if many and self._spool is not None:
            self._send(self._spool)

    def closed(self, rest: Sequence[Encoded]) -> Made:
        """Return all that was made, with the rest of it, unless it was spooled."""
        if self._spool is None or not self._spooled:
            return [*self._blocks, *rest]
        self._blocks += blocks_of_run(rest) if rest else []
        if self._blocks:
            self._send(self._spool)
        return ()

    def _send(self, spool: Spool) -> None:
        blocks, self._blocks, self._bytes = self._blocks, [], 0
        self._spooled = True
        spool(blocks)


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
        for block in blocks_of_run(run[start:stop]):
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


def blocks_of_run(run: Sequence[Encoded]) -> list[Block]:
    """Return what was encoded one by one, at least one, as blocks."""
    if len(run[0]) > _PLAIN:
        return blocks_on_terms(run)
    codecs, payloads, *digests = zip(*run, strict=True)
    blocks = blocks_of(codecs, payloads)
    return with_digests(blocks, *digests) if digests else blocks


def blocks_on_terms(run: Sequence[Encoded]) -> list[Block]:
    """Return as blocks what was encoded one by one, if some of it has a rank, or waits."""
    return [block for terms, alike in groupby(run, _terms_of) for block in _on(terms, [*alike])]


def _terms_of(one: Encoded) -> Sequence[Any]:
    """Return the rank of an item, and till when it waits."""
    return one[_PLAIN:] or _NO_TERMS


def _on(terms: Sequence[int | None], run: Sequence[Encoded]) -> Iterator[Block]:
    """Return items that are on the same terms as blocks."""
    rank, due = terms
    blocks = blocks_of_run([_bare(one) for one in run])
    return (block._replace(rank=rank, due=due) for block in blocks)


def _bare(one: Encoded) -> Encoded:
    """Return an item without its terms."""
    if len(one) > 2 and one[2] is not None:
        return one[0], one[1], one[2]
    return one[0], one[1]


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
