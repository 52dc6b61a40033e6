"""What was handed to this process, and when it asks for more."""

from __future__ import annotations

import contextlib
from collections import deque
from itertools import repeat

from persistq.wire.messages import Items

Delivery = tuple[int, int, bytes, int]
"""An item as it was handed to this process: its id, codec, payload, and attempts made before.

A plain tuple: a named one costs 100 ns to make, for each item.
"""

NEVER = -1


class Window:
    """Items handed to this process that nobody got yet.

    Threads take from its front at the same time without a lock, which `deque` allows. All else is
    called by one thread at a time.

    Attributes:
        items: The items, next one first.
        seen: How many windows have come, for requests.
        ask_at: The next window is asked for when so many are left, so that work never pauses; or
            ``NEVER``: it has been, or there is one item only.
        asked: Whether it was asked for, and has not come.
    """

    def __init__(self) -> None:
        self.items: deque[Delivery] = deque()
        self.seen = 0
        self.ask_at = NEVER
        self.asked = False
        self._received = 0

    @property
    def taken(self) -> int:
        """How many items were taken so far, by whomever."""
        return self._received - len(self.items)

    def add(self, handed: Items) -> bool:
        """Take in what the broker hands out; return whether it is several items."""
        count = len(handed.item_ids)
        self.seen += 1
        self.asked = False
        self.ask_at = count // 2 if count > 1 else NEVER
        self._received += count
        failed = handed.attempts
        attempts = map(failed.get, handed.item_ids, repeat(0)) if failed else repeat(0)
        # One of them is endless.
        self.items.extend(zip(handed.item_ids, handed.codecs, handed.payloads, attempts))  # noqa: B905
        return count > 1

    def note_asked(self) -> bool:
        """Note that the next window is asked for now; False if it has been already."""
        if self.ask_at is NEVER:
            return False
        self.ask_at = NEVER
        self.asked = True
        return True

    def take_back(self) -> tuple[list[int], bool]:
        """Empty it from its end, while another thread may take from its front.

        Returns:
            The ids of the items that nobody got, in order, and whether more had been asked for.
        """
        taken: list[int] = []
        with contextlib.suppress(IndexError):
            while True:
                taken.append(self.items.pop()[0])
        asked, self.asked = self.asked, False
        return taken[::-1], asked
