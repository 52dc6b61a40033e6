"""When a batch is handed out: as soon as it is full, or its first item has waited long enough."""

from __future__ import annotations

from collections import deque
from typing import Final

from persistq.broker.line import Line
from persistq.policy import Batching

PARTS: Final = 16
"""Items that came within such a part of ``linger`` count as having come together."""


class Filling:
    """What is known of the batch that fills at the front of a line.

    Args:
        rule: How large a batch is, and how long it waits.
    """

    def __init__(self, rule: Batching) -> None:
        self._rule = rule
        self._came: deque[tuple[int, float]] = deque()

    def note(self, line: Line, now: float) -> None:
        """Notice what has come since the last time: it came now."""
        left = line.entered - line.count
        while self._came and self._came[0][0] <= left:
            self._came.popleft()
        if not line.count:
            return
        if not self._came:
            self._came.append((line.entered, now))
        elif self._came[-1][0] < line.entered:
            last = self._came[-1][1]
            if now - last <= self._rule.linger / PARTS:
                self._came.pop()
                now = last
            self._came.append((line.entered, now))

    def is_full(self, line: Line) -> bool:
        """Return whether a full batch is there, by items or by bytes."""
        most, size = self._rule.batch, self._rule.batch_bytes
        return line.count >= most or (line.bytes > size and line.fitting(most, size) < line.count)

    def due(self) -> float:
        """Return when the first item will have waited long enough; at once if that is not known."""
        return self._came[0][1] + self._rule.linger if self._came else 0.0

    def count(self, line: Line, wanted: int) -> int:
        """Return how many items to hand out: full batches, or, if there is none, all there are.

        Args:
            line: The line, which is not empty.
            wanted: How many it would be by their pace, a multiple of a batch.
        """
        most = self._rule.batch
        fits = line.fitting(min(wanted, line.count), self._rule.batch_bytes)
        if fits < min(wanted, line.count):
            # More than one batch at a time is for small items only.
            return min(fits, most)
        return fits - fits % most or fits
