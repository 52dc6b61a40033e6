"""Whether the disk has less room than is to be left on it: looked at now and then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

LOOK_S: Final = 0.25


class Space:
    """The room on a disk.

    Args:
        least: How many bytes are to be left; 0 never looks.
        free: Returns how many there are.

    Attributes:
        short: Whether there were fewer when it was looked at last.
    """

    def __init__(self, least: int = 0, free: Callable[[], int] = int) -> None:
        self.short = False
        self._least = least
        self._free = free
        self._looked_at: float | None = None

    @property
    def due(self) -> float | None:
        """When to look again although nothing has happened; None if nobody waits for that."""
        return self._looked_at + LOOK_S if self.short and self._looked_at is not None else None

    def look(self, now: float) -> None:
        """Look, unless that was a moment ago.

        Raises:
            OSError: The disk does not say.
        """
        if self._least and (self._looked_at is None or now >= self._looked_at + LOOK_S):
            self._looked_at = now
            self.short = self._free() < self._least
