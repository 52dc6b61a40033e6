"""Lanes of a time line: who replaces a worker gets the lane that has become free."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from persistq.report.figures import WorkerFigures


def lanes_of(workers: Iterable[WorkerFigures]) -> list[list[WorkerFigures]]:
    """Return workers in as few lanes as there can be, so that none overlap in one.

    Of several lanes that are free the upper one is taken.

    Args:
        workers: The workers of one stage.
    """
    lanes: list[list[WorkerFigures]] = []
    free: list[int] = []
    busy: list[tuple[float, int]] = []
    for worker in sorted(workers, key=lambda one: one.began):
        began = worker.began.timestamp()
        while busy and busy[0][0] <= began:
            heappush(free, heappop(busy)[1])
        if not free:
            lanes.append([])
            free.append(len(lanes) - 1)
        number = heappop(free)
        lanes[number].append(worker)
        heappush(busy, (worker.until.timestamp(), number))
    return lanes
