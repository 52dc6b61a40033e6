"""Seals, with which queues and their load come to an end: set, lifted, and set once more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from persistq import failpoints

if TYPE_CHECKING:
    from persistq.broker.hooks import Hooks
    from persistq.broker.record import Record
    from persistq.broker.shortfall import Shortfall
    from persistq.broker.sources import Sources
    from persistq.graph import Graph
    from persistq.journal.queuerow import QueueRow


class Seals:
    """Knows to which queues nothing more will come, and whether the load is settled.

    Crash: a seal that is not recorded is set again by the next run.

    Args:
        rows: The queues by number.
        graph: Who feeds whom, by the names of the queues.
        sources: The sources of the load.
        hooks: What is called at its end.
        shortfall: The groups that are given up at the end of their stage.
        record: What is recorded.

    Attributes:
        settled: Whether the load is recorded as settled.
    """

    def __init__(
        self,
        rows: Mapping[int, QueueRow],
        graph: Graph,
        sources: Sources,
        hooks: Hooks,
        shortfall: Shortfall,
        record: Record,
    ) -> None:
        self.settled = False
        self._rows = rows
        self._named = {row.name: row for row in rows.values()}
        self._graph = graph
        self._sources = sources
        self._hooks = hooks
        self._shortfall = shortfall
        self._record = record

    def seal(self, queue_id: int) -> None:
        """Nothing more will be put on a queue."""
        row = self._rows[queue_id]
        row.sealed_total = row.put
        self._record.batch.synced = True
        self._record.touch(row)

    def seal_if_over(self, queue_id: int) -> None:
        """Seal a queue that gets nothing but of its sources, if these have come to their end."""
        fed = self._graph.fed_by[self._rows[queue_id].name]
        if not fed and not self._sources.is_awaited(queue_id):
            self.seal(queue_id)

    def fit(self) -> None:
        """Lift seals, and set them, where an earlier run had another graph than this one.

        Crash: it is done again by the next run.
        """
        for row in self._rows.values():
            if row.sealed_total is None and self._sources.of_queue(row.queue_id):
                self.seal_if_over(row.queue_id)
        while premature := [*filter(self._is_premature, self._rows.values())]:
            for row in premature:
                self._lift(row)

    def advance(self) -> None:
        """Seal each stage to which nothing more can come, and settle the load at its end."""
        while (sealable := [*self._sealable()]) or self._shortfall.give_up():
            for name in sealable:
                failpoints.point("broker.before_stage_seal")
                row = self._named[name]
                if row.queue_id in self._hooks.when:
                    self._hooks.call(row)
                self.seal(row.queue_id)
        if not self.settled and all(row.settled for row in self._rows.values()):
            failpoints.point("broker.before_settle")
            self._settle()

    def open_again(self, row: QueueRow) -> None:
        """Have the load worked on again: what is put back to work may have outputs.

        So the seals of all stages behind that one are lifted.
        """
        self._record.batch.reopened_load = row.load_id
        self._record.batch.synced = True
        self.settled = False
        self._record.touch(row)
        for name in self._graph.after(row.name):
            self._lift(self._named[name])

    def seal_again(self, row: QueueRow) -> None:
        """Seal a queue that was sealed before something was put by hand: nothing else comes.

        If it is in a circle, what it feeds may put on it.
        """
        if not self._graph.turns(row.name):
            row.sealed_total = row.put

    # --- inside ---

    def _lift(self, row: QueueRow) -> None:
        row.sealed_total = None
        self._record.touch(row)

    def _settle(self) -> None:
        [load_id] = {row.load_id for row in self._rows.values()}
        self.settled = True
        self._record.batch.settled_load = load_id
        self._record.batch.synced = True

    def _is_premature(self, row: QueueRow) -> bool:
        """Return whether a stage is sealed and may still be fed."""
        feeders = self._graph.fed_by[row.name]
        return row.sealed_total is not None and not all(map(self._is_settled, feeders))

    def _sealable(self) -> Iterator[str]:
        found = self._graph.sealable(self._is_sealed, self._is_settled, self._is_quiet)
        return filter(self._is_over, found)

    def _is_over(self, name: str) -> bool:
        """Return whether no source puts on a stage any more."""
        return not self._sources.is_awaited(self._named[name].queue_id)

    def _is_sealed(self, name: str) -> bool:
        return self._named[name].sealed_total is not None

    def _is_settled(self, name: str) -> bool:
        return self._named[name].settled

    def _is_quiet(self, name: str) -> bool:
        return self._named[name].outstanding == 0 and self._is_over(name)
