"""Attempts that have failed in a way that tells only something if they are tried alone."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from persistq.blocks import Slice, count_of
from persistq.broker.parting import divided
from persistq.broker.window import Window

if TYPE_CHECKING:
    from collections.abc import Sequence


class Suspects(deque[list[Slice]]):
    """The attempts, in the order in which they are handed out, each of them alone."""

    def halve(self, attempt: Sequence[Slice]) -> None:
        """Line up what its worker has died of: several items in halves, until it is one alone."""
        halves = divided(attempt, (count_of(attempt) + 1) // 2)
        self.extend(half for half in halves if half)

    def take_apart(self, attempt: list[Slice]) -> None:
        """Line up what an attempt has failed with: each item as an attempt by itself."""
        while attempt:
            first, attempt = divided(attempt, 1)
            self.append(first)

    def next(self, together: int) -> Window:
        """Take the first attempt; of one of more items than may be begun together, so many."""
        attempt, rest = divided(self.popleft(), together)
        if rest:
            self.appendleft(rest)
        count = count_of(attempt)
        return Window(attempt, count, (count,) if count > 1 else (), suspect=True)
