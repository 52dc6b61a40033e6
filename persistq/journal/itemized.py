"""Items one by one, for people and commands: the broker never looks at them so."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from persistq.blocks import BlockDamaged
from persistq.errors import JournalCorrupt
from persistq.groups import unmarked
from persistq.items import DAMAGED, IdRange, Item

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from persistq.blocks import Slice


def items_in(slices: Iterable[Slice], path: str) -> Iterator[Item]:
    """Return the items of slices; blocks are taken apart once, however many slices they have.

    Args:
        slices: Slices in the order of their ids.
        path: The journal, for messages.

    Raises:
        JournalCorrupt: The bytes of a block are damaged.
    """
    for first_id, parts in groupby(slices, key=lambda part: part.first_id):
        yield from _items_of(first_id, list(parts), path)


def _items_of(first_id: int, parts: list[Slice], path: str) -> Iterator[Item]:
    block = parts[0].block
    try:
        payloads = block.payloads()
    except BlockDamaged as error:
        ids = named(IdRange(first_id, first_id + block.count - 1))
        raise JournalCorrupt(path, f"{ids} cannot be read, {error}: restore a backup") from error
    for part in parts:
        for position in range(part.start, part.stop):
            yield Item(first_id + position, block.codec, payloads[position])


def plain(items: Iterable[Item]) -> Iterator[Item]:
    """Return items without what is stored with them of their groups."""
    for item in items:
        try:
            _, codec, payload = unmarked(item.codec, item.payload)
        except ValueError:
            codec, payload = DAMAGED, b""
        yield Item(item.item_id, codec, payload)


def item_or_none(found: Slice | None) -> Item | None:
    """Return the one item of a slice, None if there is none or its block is damaged."""
    try:
        return next(plain(found.items())) if found is not None else None
    except BlockDamaged:
        return None


def named(ids: IdRange) -> str:
    """Return ids for people."""
    return f"item {ids.first}" if ids.count == 1 else f"items {ids.first} to {ids.last}"
