"""What is made of items at work and is too much to wait for their reports: kept, and no items yet.

A spool is of one attempt. It is published when that ends well, and void if it ends in any other
way: then nobody ever reads it, and it is deleted some time later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from persistq.blocks import Block
from persistq.items import IdRange
from persistq.journal.batch import Spooled

OUTPUTS_MAX: Final = (1 << 36) - 1
"""Most outputs of one spool; see `persistq.journal.schema`."""


@dataclass(slots=True)
class Spool:
    """What was made so far at one attempt.

    Attributes:
        spool_id: Its number in the journal, which no other attempt has.
        item_id: The item at work.
        queue_id: The queue that gets it; 0 for each one that the stage feeds.
        count: How many outputs there are.
        size: How many bytes their blocks have.
    """

    spool_id: int
    item_id: int
    queue_id: int = 0
    count: int = 0
    size: int = 0


class Spools:
    """The spools of attempts that go on, by who makes them; pure.

    Args:
        next_id: The first number that no spool has.
    """

    def __init__(self, next_id: int) -> None:
        self._next_id = next_id
        self._held: dict[int, dict[tuple[int, int], Spool]] = {}

    def __iter__(self) -> Iterator[Spool]:
        return (spool for held in self._held.values() for spool in held.values())

    def count_of(self, consumer_id: int, item_id: int, queue_id: int = 0) -> int:
        """Return how many outputs of an item a consumer has spooled for a queue."""
        spool = self._held.get(consumer_id, {}).get((item_id, queue_id))
        return 0 if spool is None else spool.count

    def add(
        self, consumer_id: int, item_id: int, blocks: Sequence[Block], queue_id: int = 0
    ) -> list[Spooled]:
        """Add outputs to a spool of a consumer's attempt at an item, and return their records."""
        held, key = self._held.setdefault(consumer_id, {}), (item_id, queue_id)
        if key not in held:
            held[key] = Spool(self._next_id, item_id, queue_id)
            self._next_id += 1
        spool, records = held[key], []
        for block in blocks:
            records.append(Spooled(spool.spool_id, spool.count, block, item_id))
            spool.count += block.count
            spool.size += len(block.data)
        return records

    def end(self, consumer_id: int, ranges: Sequence[IdRange]) -> list[Spool]:
        """Attempts at items have ended; return what was spooled of them, by item."""
        held = self._held.get(consumer_id)
        if not held:
            return []
        ended = [n for n in sorted(held) if any(first <= n[0] <= last for first, last in ranges)]
        return [held.pop(key) for key in ended]

    def leave(self, consumer_id: int) -> None:
        """A consumer is gone: all that it has not finished is void."""
        self._held.pop(consumer_id, None)
