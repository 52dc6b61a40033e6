"""What a process has got from a queue and not reported on."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

ANY: Final = object()
"""Stands for the item that was got first."""


Held = tuple[int, Any, float]
"""An item in this process's hands: its id, what `get` returned, and when, on the monotonic clock.

A plain tuple, because a named one takes three times as long to make, for every item."""


class Unfinished:
    """The items in this process's hands, in the order in which it got them."""

    def __init__(self) -> None:
        self._held: deque[Held] = deque()

    def __len__(self) -> int:
        return len(self._held)

    def add(self, held: Held) -> int:
        """Note an item that was got; return how many there are now."""
        self._held.append(held)
        return len(self._held)

    def first(self) -> int:
        """Return the id of the item that was got first, 0 if there is none."""
        held = self._held
        return held[0][0] if held else 0

    def find(self, item: object, complaint: str) -> Held:
        """Return the item that is meant.

        Args:
            item: The very object, an equal one, or `ANY`.
            complaint: What to say if there is none.

        Raises:
            ValueError: There is none.
        """
        return self._held[self._position(item, complaint)]

    def take(self, item: object, complaint: str) -> Held:
        """Forget the item that is meant, and return it; see `find`."""
        held = self._held
        if item is ANY and held:
            return held.popleft()
        position = self._position(item, complaint)
        taken = held[position]
        del held[position]
        return taken

    def clear(self) -> None:
        """Forget all."""
        self._held.clear()

    def _position(self, item: object, complaint: str) -> int:
        if item is ANY and self._held:
            return 0
        for position, (_, value, _) in enumerate(self._held):
            if value is item:
                return position
        for position, (_, value, _) in enumerate(self._held):
            if value == item:
                return position
        raise ValueError(f"{complaint}: this process has no such item unfinished")
