"""The row of a stage, with the counters that make status a look-up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class QueueRow:
    """One stage of a load, with the counters that make status a look-up.

    The broker changes these in memory and hands the rows back in the `Batch` whose records they
    count.

    Attributes:
        queue_id: Unique in its journal.
        load_id: The load it belongs to.
        position: 0 for the first stage.
        name: The stage's name, unique in its load.
        next_n: Number of the next item; ``next_n - 1`` items were ever put.
        done: Rows of the done-log with outcome done.
        dropped: Rows of the done-log with outcome dropped.
        parked: Rows of ``parked``.
        sealed_total: Number of items when the queue was sealed, None while it is open.
        bytes: Of the data of all its blocks, also of those that were given up; of what was
            published, of the blocks in its spool.
        held: Why its stage, or what feeds it, waits, for people; empty if neither does.
        rated_until: Until when the calls of its handler last, or a little longer, if they are
            spread as its rate says; in milliseconds since 1970, 0 without a rate.
        keyed: Whether its items have natural keys, each one only once.
        once: Whether the keys of what it has done are remembered by the journal.
        duplicates: Puts that were left out, because their key is in the queue.
        skipped: Puts that were left out, because an earlier load has done their key.
        worked: How long the items that are done took together, in seconds.
    """

    queue_id: int
    load_id: int
    position: int
    name: str
    next_n: int = 1
    done: int = 0
    dropped: int = 0
    parked: int = 0
    sealed_total: int | None = None
    bytes: int = 0
    held: str = ""
    rated_until: int = 0
    keyed: bool = False
    once: bool = False
    duplicates: int = 0
    skipped: int = 0
    worked: float = 0.0

    @property
    def put(self) -> int:
        """Number of items ever put."""
        return self.next_n - 1

    @property
    def outstanding(self) -> int:
        """Number of items that are neither done, dropped nor parked."""
        return self.put - self.done - self.dropped - self.parked

    @property
    def settled(self) -> bool:
        """Whether nothing more will come and nothing is left."""
        return self.sealed_total is not None and self.outstanding == 0
