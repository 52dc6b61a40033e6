"""What became of a number of items, as the pieces of a bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from persistq.journal.queuerow import QueueRow


class Piece(NamedTuple):
    """A piece of a bar that is 100 wide.

    Attributes:
        kind: ``done``, ``dropped`` or ``parked``.
        start: Where it begins.
        width: How wide it is.
    """

    kind: str
    start: float
    width: float


class Bar(NamedTuple):
    """How many items there are, and how many of them have ended how.

    Attributes:
        put: All of them.
        done: Those that were done.
        dropped: Those that were dropped.
        parked: Those that are parked as failed.
    """

    put: int
    done: int
    dropped: int
    parked: int

    @property
    def outstanding(self) -> int:
        """Those that are left."""
        return self.put - self.done - self.dropped - self.parked

    @property
    def share(self) -> float:
        """Which share of them has ended, from 0 to 1."""
        return (self.put - self.outstanding) / self.put if self.put else 0.0

    @property
    def label(self) -> str:
        """All of it in words."""
        parts = [f"{self.done:,} done", f"{self.outstanding:,} outstanding"]
        if self.parked:
            parts.append(f"{self.parked:,} failed")
        if self.dropped:
            parts.append(f"{self.dropped:,} dropped")
        return f"{', '.join(parts)} of {self.put:,}"

    def pieces(self) -> Iterator[Piece]:
        """Yield the pieces that have some width."""
        start = 0.0
        for kind in ("done", "dropped", "parked"):
            width = 100 * getattr(self, kind) / self.put if self.put else 0.0
            if width:
                yield Piece(kind, round(start, 2), round(width, 2))
            start += width


def bar_of(queues: Iterable[QueueRow]) -> Bar:
    """Return the bar of some stages together."""
    rows = [*queues]
    return Bar(
        sum(row.put for row in rows),
        sum(row.done for row in rows),
        sum(row.dropped for row in rows),
        sum(row.parked for row in rows),
    )
