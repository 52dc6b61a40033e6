"""How items change: each change has one method, and one owner of all that it touches.

A change concerns three things: the *place* of an item (in the line, in somebody's hands), the
*counters* of its queue, and the *record* in the journal. A method changes all three, so that nobody
has to remember the others; whoever translates messages touches none of them.

What every item goes through is here, and in `persistq.broker.intake`. What only some do has a room
of its own: an attribute of `Transitions`, which is told directly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from persistq import failpoints
from persistq.broker.attempts import FailedAttempts
from persistq.broker.deaths import Deaths
from persistq.broker.failures import FailureCounts
from persistq.broker.hooks import Hooks
from persistq.broker.intake import Intake
from persistq.broker.interim import Interim
from persistq.broker.metering import Meters
from persistq.broker.parked import Parked
from persistq.broker.passing import Passing
from persistq.broker.processes import Processes
from persistq.broker.record import Record
from persistq.broker.seals import Seals
from persistq.broker.shortfall import Shortfall
from persistq.broker.sources import Sources
from persistq.broker.sourcing import Sourcing
from persistq.broker.spools import Spools
from persistq.broker.timing import Timing
from persistq.broker.verdicts import Verdicts
from persistq.items import IdRange, count_in, ids_in

if TYPE_CHECKING:
    from persistq.broker.policy import FailurePolicy
    from persistq.broker.scheduler import Scheduler
    from persistq.broker.window import Window
    from persistq.graph import Graph
    from persistq.journal.base import Journal
    from persistq.journal.queuerow import QueueRow
    from persistq.wire.messages import Outputs


class Transitions:
    """Changes items: place, counters and record together.

    Crash: of what was changed since the last `commit` nothing is recorded, and nobody was told.

    Args:
        journal: Where the records go.
        rows: The queues of one load in the order of its stages; counted here and nowhere else.
        graph: Who feeds whom, by the names of the queues.
        scheduler: The places, with a lane for each row.
        policies: The rules for failures, by queue.
        zero: Returns when the scheduler's clock stood at 0, in seconds since 1970. That clock ends
            with this process; what is recorded goes by the wall clock.
        sources: The sources of the load; None if it has none.

    Attributes:
        rows: The queues by number.
        scheduler: The places.
        sources: The sources of the load: who has put what, and how far each has come.
        failures: How often outstanding items have failed.
        meters: How often the handlers of stages may be called.
        spools: What is made of items at work and is kept until they are done.
        record: What is going to be recorded with the next commit.
        intake: How items come.
        interim: What is recorded of items at work.
        verdicts: What becomes of items that have failed.
        attempts: Attempts that have raised, or were put off.
        deaths: Workers that have died at work.
        hooks: The queues that get their only item at the end of the load.
        seals: How queues, and the load, come to an end.
        sourcing: How far sources have come.
        passing: Which items go on to another stage when they are done with.
        parked: What is done to parked items by hand.
        processes: The processes of the run.
        timing: How long things take.
        unsynced: Whether a power cut would undo commits.
    """

    def __init__(
        self,
        journal: Journal,
        rows: Iterable[QueueRow],
        graph: Graph,
        scheduler: Scheduler,
        policies: Mapping[int, FailurePolicy],
        zero: Callable[[], float],
        sources: Sources | None = None,
    ) -> None:
        self.rows = numbered = {row.queue_id: row for row in rows}
        self.scheduler = scheduler
        self.sources = sources = sources or Sources()
        self.failures = FailureCounts()
        self.meters = Meters()
        self.spools = Spools(journal.next_spool_id())
        self.record = record = Record()
        self.intake = Intake(numbered, graph, scheduler, sources, record, zero)
        self.interim = Interim(numbered, scheduler, self.spools, self.intake, record)
        self.verdicts = Verdicts(numbered, scheduler, policies, self.failures, record, zero)
        self.attempts = FailedAttempts(scheduler, self.spools, self.verdicts)
        self.deaths = Deaths(scheduler, self.attempts, self.verdicts)
        self.hooks = Hooks(numbered, self.intake)
        shortfall = Shortfall(scheduler, self.intake, self.verdicts, record)
        self.seals = Seals(numbered, graph, sources, self.hooks, shortfall, record)
        self.sourcing = Sourcing(numbered, sources, self.intake, self.seals, record)
        self.passing = Passing(journal, numbered, self.intake, self.seals)
        self.parked = Parked(
            journal,
            numbered,
            scheduler,
            sources,
            self.intake,
            self.seals,
            self.passing,
            record,
            self.commit,
        )
        self.processes = Processes(record, journal.next_worker_id())
        self.timing = Timing(numbered, record, zero)
        self.unsynced = False
        self._journal = journal
        self._zero = zero

    # --- into hands, and out of them ---

    def hand_out(self, now: float) -> Iterator[tuple[int, Window]]:
        """Put items into the hands of everybody who waits and can be served: (consumer, window)."""
        return self.scheduler.assign(now)

    def finish(
        self,
        consumer_id: int,
        ranges: Sequence[IdRange],
        busy: float,
        outputs: Sequence[Outputs] = (),
    ) -> bool:
        """Items are done; what was made of them is put, or published, in the same transaction.

        Args:
            consumer_id: Who finished them.
            ranges: The items.
            busy: How long they took together, in seconds.
            outputs: What was made of them, for other queues, but for what was spooled.

        Returns:
            False if the consumer does not hold all of them: then nothing has changed.
        """
        if not ranges or not self.scheduler.finish(consumer_id, ranges, busy):
            return False
        row = self._row_of(consumer_id)
        row.done += count_in(ranges)
        row.worked += busy
        self.failures.forget(ranges)
        self.record.batch.done += ranges
        self.record.touch(row)
        for made in outputs:
            self.intake.put(made.queue_id, made.blocks, synced=False, origins=made.origins)
        for spool in self.spools.end(consumer_id, ranges):
            self.intake.publish(row, spool)
        self.passing.pass_on(ranges)
        return True

    def drop(self, consumer_id: int, ranges: Sequence[IdRange], reason: str) -> bool:
        """Items need no work; False if the consumer does not hold all of them."""
        if not ranges or self.scheduler.take_back(consumer_id, ranges) is None:
            return False
        self.spools.end(consumer_id, ranges)
        row = self._row_of(consumer_id)
        row.dropped += count_in(ranges)
        self.failures.forget(ranges)
        batch = self.record.batch
        batch.dropped += ranges
        if reason:
            batch.reasons |= dict.fromkeys(ids_in(ranges), reason)
        self.record.touch(row)
        self.passing.pass_on(ranges)
        return True

    def give_back(self, consumer_id: int, ranges: Sequence[IdRange]) -> None:
        """A consumer returns items that it did not start, for others; nothing to record."""
        self.scheduler.give_back(consumer_id, ranges)
        self.spools.end(consumer_id, ranges)

    def leave(self, consumer_id: int) -> None:
        """A consumer is gone; what it holds goes to others. Nothing to record."""
        self.spools.leave(consumer_id)
        self.scheduler.leave(consumer_id)

    # --- beside the items ---

    def note_held(self, row: QueueRow, held: str) -> None:
        """Note why a stage, or what feeds it, waits; recorded if it is new.

        Crash: it may say what was so before; nothing goes by it.
        """
        if row.held != held:
            row.held = held
            self.record.touch(row)

    def reserve_calls(self) -> None:
        """Have it recorded of each stage with a rate how far that will be spent, before it is.

        Crash: the next run waits for all that was recorded: a second more than was spent.
        """
        for lane in self.scheduler.lanes.values() if self.meters else ():
            if lane.meter is not None and lane.meter.lacks and lane.waiting and lane.has_some:
                failpoints.point("broker.before_reserve")
                self.record.touch(lane.row)

    # --- the record ---

    def sync(self) -> None:
        """Have the batch, and all before it, on disk when `commit` returns."""
        self.record.batch.synced = True

    def commit(self) -> None:
        """Commit the batch; then new items are ready to be handed out.

        Crash: before, nothing of it is recorded and nobody was told otherwise; after, all of it.

        Raises:
            JournalError: It could not be written. The broker must end: its memory is now ahead.
        """
        batch = self.record.take()
        some, metered = bool(batch), bool(self.meters)
        self.unsynced = not batch.synced and (self.unsynced or some)
        if some:
            if metered:
                self.meters.note_in(batch.queues, self._zero())
            failpoints.point("broker.before_commit")
            self._journal.commit(batch)
            failpoints.point("broker.after_commit")
            if metered:
                self.meters.have_committed(batch.queues)
        elif batch.synced:
            self._journal.flush()
        self.intake.line_up()

    # --- inside ---

    def _row_of(self, consumer_id: int) -> QueueRow:
        return self.rows[self.scheduler.consumers[consumer_id].queue_id]
