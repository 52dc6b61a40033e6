"""Files that others write in place are claimed when they have not changed for a time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

from persistq.folder.place import Place

Look = tuple[int, int]


class Ageing:
    """Tells the files that have not changed between two looks.

    The time of a file is compared with itself, and never with a clock: that of another host, or
    what `cp -p` has left, may be anything.

    Args:
        place: The folder.
        min_age: How far apart the looks are at least, in seconds; 0 lets everything pass.
    """

    def __init__(self, place: Place, min_age: float) -> None:
        self._place = place
        self._min_age = min_age
        self._seen: dict[str, tuple[Look, float]] = {}

    def ripe(self, names: Iterable[str]) -> list[str]:
        """Return those that are old enough."""
        if not self._min_age:
            return [*names]
        now = time.monotonic()
        seen, self._seen = self._seen, {}
        return [name for name in names if self._is_ripe(name, seen.get(name), now)]

    def _is_ripe(self, name: str, before: tuple[Look, float] | None, now: float) -> bool:
        try:
            found = os.lstat(self._place.path / name)
        except FileNotFoundError:
            return False
        look = found.st_size, found.st_mtime_ns
        since = before[1] if before is not None and before[0] == look else now
        self._seen[name] = look, since
        return now - since >= self._min_age
