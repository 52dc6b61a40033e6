"""How many workers of a run are there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from persistq.pool.crew import Place


class Attendance(NamedTuple):
    """How many workers are there at one moment; sources are none.

    Attributes:
        alive: Those that live.
        places: Those that there should be; less when a stage is over.
        died: Those that have died in this run.
    """

    alive: int
    places: int
    died: int


def attendance_at(places: Iterable[Place]) -> Attendance:
    """Return how many workers of some places are there."""
    workers = [place for place in places if not place.source]
    alive = sum(place.process is not None for place in workers)
    wanted = sum(place.process is not None or not place.over for place in workers)
    return Attendance(alive, wanted, sum(place.deaths for place in workers))
