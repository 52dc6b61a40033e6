"""What a process needs to reach the broker of a run."""

from __future__ import annotations

from dataclasses import dataclass, replace

from persistq.site.base import Site
from persistq.site.finding import site_of


@dataclass(frozen=True, slots=True)
class Handle:
    """What a process needs to reach the broker of a run; pickles, so it can be handed to children.

    Attributes:
        name: The load's name.
        journal: Where the journal is; see `site`.
        address: Where the broker listens, as its site understands it.
        token: The secret of the run, which both ends of a connection prove to know.
        family: The program that opened the load.
        opener: Process id of that program.
        queue_id: The queue that is meant.
        source_id: The source that is meant, if any.
        ack_interval: How long finished work may stay unreported, in seconds.
        patience: Longest wait for the broker to take a connection, in seconds.
    """

    name: str
    journal: str
    address: str
    token: str
    family: str
    opener: int
    queue_id: int
    ack_interval: float
    patience: float = 30.0
    source_id: int = 0

    def on(self, queue_id: int) -> Handle:
        """Return a handle of the same run for another queue."""
        return replace(self, queue_id=queue_id)

    def of_source(self, queue_id: int, source_id: int) -> Handle:
        """Return a handle of the same run for a source of a queue."""
        return replace(self, queue_id=queue_id, source_id=source_id)

    @property
    def site(self) -> Site:
        """Where the journal of this run lives."""
        return site_of(self.journal)
