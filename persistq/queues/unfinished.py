"""What a process has got from a queue and not reported on."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

ANY: Final = object()
"""Stands for the item that was got first."""


Held = tuple[int, Any, float, int]
"""An item in this process's hands: its id, what `get` returned, when, on the monotonic clock, and
how often it had failed before.

A plain tuple, because a named one takes three times as long to make, for every item."""


class Unfinished(deque[Held]):
    """The items in this process's hands, in the order in which it got them.

    It is a `deque`: threads append and take at the same time, and no lock is taken for each item.

    Attributes:
        extended: Until when items may be in hand, on the monotonic clock, where more time was asked
            for: by id, and when it was got.
    """

    def __init__(self) -> None:
        super().__init__()
        self.extended: dict[tuple[int, float], float] = {}

    def prolong(self, held: Held, until: float) -> None:
        """Keep that more time was asked for an item, and forget those that are finished."""
        item_id, _, got_at, _ = held
        kept = {(it[0], it[2]): self.extended.get((it[0], it[2]), 0.0) for it in [*self]}
        self.extended = kept | {(item_id, got_at): max(until, kept.get((item_id, got_at), 0.0))}

    def oldest(self) -> tuple[int, float]:
        """Return the id of the item that was got first, and when; 0 if there is none."""
        try:
            item_id, _, got_at, _ = self[0]
        except IndexError:
            return 0, 0.0
        return item_id, got_at

    def find(self, item: object, complaint: str) -> Held:
        """Return the item that is meant.

        Args:
            item: The very object, an equal one, or `ANY`.
            complaint: What to say if there is none.

        Raises:
            ValueError: There is none.
        """
        return self[self._position(item, complaint)]

    def take(self, item: object, complaint: str) -> Held:
        """Forget the item that is meant, and return it; see `find`."""
        position = self._position(item, complaint)
        taken = self[position]
        del self[position]
        return taken

    def _position(self, item: object, complaint: str) -> int:
        if item is ANY and self:
            return 0
        for position, (_, value, _, _) in enumerate(self):
            if value is item:
                return position
        for position, (_, value, _, _) in enumerate(self):
            if value == item:
                return position
        raise ValueError(f"{complaint}: this process has no such item unfinished")
