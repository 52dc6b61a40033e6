"""Which loads that have ended keep their rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from persistq.journal.load import EndedLoad


class Keep(NamedTuple):
    """How much is kept.

    Attributes:
        loads: Most loads.
        size: Most bytes of their items, of all of them together.
    """

    loads: int
    size: int


Where = TypeVar("Where")


def beyond(keep: Keep, loads: Iterable[tuple[Where, EndedLoad]]) -> list[tuple[Where, EndedLoad]]:
    """Return the loads that are too many, or have too many bytes with those that ended later.

    Loads that were abandoned with outstanding items are neither counted nor returned: people may
    still want these.

    Args:
        keep: How much is kept.
        loads: Loads with the journals that they are in.
    """
    candidates = [one for one in loads if not one[1].outstanding]
    candidates.sort(key=lambda one: (one[1].ended_at, one[1].load_id), reverse=True)
    size = kept = 0
    for _, load in candidates:
        size += load.bytes
        if kept == keep.loads or size > keep.size:
            break
        kept += 1
    return candidates[kept:][::-1]
