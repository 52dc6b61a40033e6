"""What a reader sees of a load."""

from __future__ import annotations

from dataclasses import dataclass

from persistq.journal.load import Left, Load, Param
from persistq.journal.queuerow import QueueRow
from persistq.journal.route import Route, RouteKind
from persistq.journal.run import Run


@dataclass(frozen=True, slots=True)
class JournalView:
    """What a reader sees of one load of a journal at one moment, without payloads.

    Attributes:
        path: The journal file.
        name: Its name.
        load: The load; None in a journal without any.
        run: The last run that worked on it.
        queues: Its queues.
        ran_last: Whether the last run of the journal worked on this load.
        params: Its parameters.
        left: Other loads that have parked or outstanding items, oldest first.
        routes: The ways between its stages.
    """

    path: str
    name: str
    load: Load | None
    run: Run | None
    queues: tuple[QueueRow, ...]
    ran_last: bool = True
    params: tuple[Param, ...] = ()
    left: tuple[Left, ...] = ()
    routes: tuple[Route, ...] = ()

    @property
    def worked_on(self) -> list[QueueRow]:
        """The queues of work: all but those of results."""
        kept = {route.target_id for route in self.routes if route.kind is RouteKind.KEEPS}
        return [queue for queue in self.queues if queue.queue_id not in kept]

    @property
    def results(self) -> QueueRow | None:
        """The queue of results, if the load keeps any."""
        return next((queue for queue in self.queues if queue not in self.worked_on), None)

    @property
    def outstanding(self) -> int:
        """Outstanding items of all queues of the load."""
        return sum(queue.outstanding for queue in self.queues)

    @property
    def parked(self) -> int:
        """Parked items of all queues of the load."""
        return sum(queue.parked for queue in self.queues)

    @property
    def unfinished(self) -> bool:
        """Whether the load can be carried on as it is."""
        return self.load is not None and self.load.state.unfinished
