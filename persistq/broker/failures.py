"""How often the outstanding items of a load have failed, over all its runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from persistq.items import FailureKind, IdRange, ids_in


class FailureCounts:
    """Failures by item, for those that have any; crashes and time-outs count together."""

    def __init__(self) -> None:
        self._exceptions: dict[int, int] = {}
        self._crashes: dict[int, int] = {}

    def add(self, item_id: int, kind: FailureKind, times: int = 1) -> int:
        """Count failures of an item, and return how many of their sort it has now."""
        counts = self._exceptions if kind is FailureKind.EXCEPTION else self._crashes
        counts[item_id] = counts.get(item_id, 0) + times
        return counts[item_id]

    def of(self, ranges: Iterable[IdRange]) -> dict[int, int]:
        """Return how often items have failed, for whatever reason, if they have."""
        found: dict[int, int] = {}
        if self._exceptions or self._crashes:
            named = [*ranges]
            for counts in (self._exceptions, self._crashes):
                for item_id in filter(counts.__contains__, ids_in(named)):
                    found[item_id] = found.get(item_id, 0) + counts[item_id]
        return found

    def forget(self, ranges: Sequence[IdRange]) -> None:
        """Drop what is known of items that are settled."""
        for counts in (self._exceptions, self._crashes):
            if counts:
                for item_id in filter(counts.__contains__, ids_in(ranges)):
                    del counts[item_id]
