"""Which items of a load did not go well, or something that came of them did not.

Who was dropped or is parked taints what it was made of, up to what was put. Of each item one bit is
kept, so that a load of millions takes little memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from persistq.blocks import Origin
from persistq.items import number_of, queue_of
from persistq.journal import queries
from persistq.journal.pages import queue_range

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from persistq.journal.queuerow import QueueRow
    from persistq.journal.writer import Writer

_ITEMS: Final = 256
"""Items that are looked at in one part."""


class Taint:
    """Follows what did not go well in a settled load back to where it came from.

    An item that was edited is what was put for it: it counts neither as dropped nor as done, and
    what was put for it was made of what it was made of.

    Args:
        writer: The journal's connection.
        rows: The queues of the load.

    Attributes:
        rows: As given.
    """

    def __init__(self, writer: Writer, rows: Sequence[QueueRow]) -> None:
        self.rows = rows
        self._writer = writer
        self._bits = {row.queue_id: bytearray((row.put >> 3) + 1) for row in rows}
        self._edited = dict[int, int]()
        self._replaced = set[int]()
        self._block: tuple[int, int, Origin | None] = (0, 0, None)

    def spread(self) -> Iterator[None]:
        """Find them all; each item of this is a part that was done."""
        for row in self.rows:
            bounds = _bounds(row.queue_id)
            self._edited |= dict(self._writer.read(queries.EDITED, **bounds))
        self._replaced = set(self._edited.values())
        for row in self.rows:
            for first, last in self._writer.read(queries.NOT_DONE, **_bounds(row.queue_id)):
                for start in range(first, last + 1, _ITEMS):
                    for item_id in range(start, min(start + _ITEMS, last + 1)):
                        if item_id not in self._replaced:
                            self._follow(item_id)
                    yield

    def within(self, first_id: int, last_id: int) -> list[int]:
        """Return those items from one id to another that do not count as done, in order.

        Among them is what was edited: its key counts for what was put instead.
        """
        bits, low, high = self._bits[queue_of(first_id)], number_of(first_id), number_of(last_id)
        own = any(bits[low >> 3 : (high >> 3) + 1])
        if not own and not self._edited:
            return []
        return [n for n in range(first_id, last_id + 1) if self._is_wrong(n)]

    def _is_wrong(self, item_id: int) -> bool:
        if item_id in self._replaced:
            return True
        # What had come of it before it was edited counts as well.
        chain: int | None = item_id
        while chain is not None:
            if self._is_set(chain):
                return True
            chain = self._edited.get(chain)
        return False

    def _follow(self, item_id: int) -> None:
        """Taint an item, and all that it came of."""
        current: int | None = item_id
        while current is not None and not self._is_set(current):
            number = number_of(current)
            self._bits[queue_of(current)][number >> 3] |= 1 << (number & 7)
            current = self._edited.get(current) or self._made_of(current)

    def _is_set(self, item_id: int) -> bool:
        number = number_of(item_id)
        return bool(self._bits[queue_of(item_id)][number >> 3] >> (number & 7) & 1)

    def _made_of(self, item_id: int) -> int | None:
        first_id, count, origin = self._block
        if not first_id <= item_id < first_id + count:
            first_id, count, origin = self._block = self._block_of(item_id)
        return None if origin is None else origin.of(item_id - first_id)

    def _block_of(self, item_id: int) -> tuple[int, int, Origin | None]:
        [(first_id, count, origin, steps)] = self._writer.read(queries.MADE_OF, of_item=item_id)
        return first_id, count, None if origin is None else Origin(origin, steps)


def _bounds(queue_id: int) -> dict[str, int]:
    after_id, last_id = queue_range(queue_id)
    return {"after_id": after_id, "last_id": last_id}
