"""How often the outstanding items of a load have failed, over all its runs."""

from __future__ import annotations

from collections.abc import Sequence

from persistq.items import FailureKind


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

    def of(self, item_ids: Sequence[int]) -> dict[int, int]:
        """Return how often items have failed, for whatever reason, if they have."""
        raised, killed = self._exceptions, self._crashes
        if not raised and not killed:
            return {}
        known = ((item_id, raised.get(item_id, 0) + killed.get(item_id, 0)) for item_id in item_ids)
        return {item_id: count for item_id, count in known if count}

    def forget(self, item_ids: Sequence[int]) -> None:
        """Drop what is known of items that are settled."""
        for counts in (self._exceptions, self._crashes):
            if counts:
                for item_id in item_ids:
                    counts.pop(item_id, None)
