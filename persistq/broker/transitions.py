"""How items change: each change has one method, and one owner of all that it touches.

A change concerns three things: the *place* of an item (in the line, in somebody's hands), the
*counters* of its queue, and the *record* in the journal. A method changes all three, so that nobody
has to remember the others; whoever translates messages touches none of them.

Records are collected in a batch. Group commit: whatever all clients sent while the last transaction
was on its way to the disk goes into the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat

from persistq import failpoints
from persistq.blocks import Block, Origin, Slice, whole
from persistq.broker.failures import FailureCounts
from persistq.broker.lane import Window
from persistq.broker.policy import FailurePolicy, Verdict
from persistq.broker.scheduler import Scheduler
from persistq.broker.spools import Spool, Spools
from persistq.graph import Graph
from persistq.items import (
    ITEMS_PER_QUEUE_MAX,
    Failure,
    FailureKind,
    IdRange,
    count_in,
    ids_in,
    is_within,
    item_id_of,
    merged,
    queue_of,
    ranges_of,
)
from persistq.journal.base import (
    Attempts,
    Batch,
    ByHand,
    Deed,
    Ending,
    Journal,
    Published,
    Put,
    QueueRow,
    Streamed,
    WorkerRecord,
)
from persistq.peer import Peer
from persistq.wire.messages import Outputs

BULKY_BYTES = 1 << 19
"""From so many bytes of new items on, writing them is what takes time."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an attempt failed; the fields are those of `Failure`."""

    kind: FailureKind
    type: str
    message: str
    traceback: str = ""
    pid: int = 0


class Transitions:
    """Changes items: place, counters and record together.

    It is long because each change has a method here and none elsewhere; a few lines each. Where an
    item is, what a failure leads to and what was spooled are nouns of their own.

    Crash: of what was changed since the last `commit` nothing is recorded, and nobody was told.

    Args:
        journal: Where the records go.
        rows: The queues of one load in the order of its stages; counted here and nowhere else.
        graph: Who feeds whom, by the names of the queues.
        scheduler: The places, with a lane for each row.
        policies: The rules for failures, by queue.
        zero: Returns when the scheduler's clock stood at 0, in seconds since 1970. That clock ends
            with this process; what is recorded goes by the wall clock.

    Attributes:
        rows: The queues by number.
        scheduler: The places.
        failures: How often outstanding items have failed.
        spools: What is made of items at work and is kept until they are done.
        settled: Whether the load is recorded as settled.
        unsynced: Whether a power cut would undo commits.
        on_failure: Told of each failed attempt: the stage, the failure, and whether it was parked.
    """

    def __init__(
        self,
        journal: Journal,
        rows: Iterable[QueueRow],
        graph: Graph,
        scheduler: Scheduler,
        policies: Mapping[int, FailurePolicy],
        zero: Callable[[], float],
    ) -> None:
        self.rows = {row.queue_id: row for row in rows}
        self.scheduler = scheduler
        self.failures = FailureCounts()
        self.spools = Spools(journal.next_spool_id())
        self.settled = False
        self.unsynced = False
        self.on_failure: Callable[[str, Failure, bool], None] = _nobody_listens
        self._journal = journal
        self._graph = graph
        self._policies = policies
        self._zero = zero
        self._named = {row.name: row for row in self.rows.values()}
        self._next_worker = journal.next_worker_id()
        self._batch = Batch()
        self._bytes = 0
        self._arrivals: dict[int, list[Slice]] = {}
        self._unread: dict[int, int] = {}

    def remember(self, attempts: Attempts) -> None:
        """Take over what earlier runs have recorded about an outstanding item."""
        if attempts.kind is FailureKind.SUSPECT:
            self.scheduler.lanes[queue_of(attempts.item_id)].apart.add(attempts.item_id)
        else:
            self.failures.add(attempts.item_id, attempts.kind, attempts.count)
        if attempts.retry_at is not None:
            self.scheduler.note_delay(attempts.item_id, attempts.retry_at - self._zero())

    # --- items come and go ---

    def put(
        self,
        queue_id: int,
        blocks: Sequence[Block],
        *,
        synced: bool,
        origins: Sequence[Origin] | None = None,
    ) -> None:
        """Add new items to a queue; if it was sealed, the seal is lifted with the first of them.

        They may be handed out as soon as they are committed.

        Args:
            queue_id: The queue.
            blocks: The items.
            synced: Whether somebody was promised that they survive a power cut.
            origins: Of what the items of each block were made; None if they were put.
        """
        if not blocks:
            return
        row = self.rows[queue_id]
        arrivals = self._arrivals.setdefault(queue_id, [])
        for block, origin in zip(
            blocks, repeat(None) if origins is None else origins, strict=False
        ):
            first = self._grow(row, block.count)
            self._note_bytes(block)
            row.bytes += len(block.data)
            self._batch.puts.append(Put(first, block, origin))
            if queue_id not in self._unread:
                arrivals.append(whole(first, block))
        self._batch.synced |= synced

    def hand_out(self, now: float) -> Iterator[tuple[int, Window]]:
        """Put items into the hands of everybody who waits and can be served: (consumer, window)."""
        return self.scheduler.assign(now)

    def is_held(self, consumer_id: int, item_id: int) -> bool:
        """Return whether an item is in a consumer's hands."""
        return item_id in self.scheduler.consumers[consumer_id].hands

    def spool(self, consumer_id: int, item_id: int, blocks: Sequence[Block]) -> bool:
        """Some of what is made of an item is recorded while it is worked on, and is no items yet.

        All that is spooled at one attempt becomes items if the item is finished, of each queue that
        its stage feeds. If the attempt ends in any other way, it is void.

        Crash: what was spooled is void, because nobody can finish that attempt.

        Args:
            consumer_id: Who works on it.
            item_id: The item.
            blocks: What was made, in order; at least one.

        Returns:
            False if the consumer does not hold it: then nothing has changed.
        """
        if not self.is_held(consumer_id, item_id):
            return False
        for record in self.spools.add(consumer_id, item_id, blocks):
            self._batch.spooled.append(record)
            self._note_bytes(record.block)
        return True

    def stream(self, item_id: int, queue_id: int, blocks: Sequence[Block]) -> None:
        """Put what is made of an item at work, and remember it until the item has ended.

        Crash: both are recorded, or neither.

        Args:
            item_id: The item.
            queue_id: A queue that its stage feeds.
            blocks: What was made, but for what an earlier attempt has put.
        """
        if not blocks:
            return
        before = item_id_of(queue_id, self.rows[queue_id].put)
        self.put(queue_id, blocks, synced=False, origins=[Origin(item_id)] * len(blocks))
        ids = IdRange(before + 1, item_id_of(queue_id, self.rows[queue_id].put))
        self._batch.streamed.append(Streamed(item_id, ids))

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
        self.failures.forget(ranges)
        self._batch.done += ranges
        self._touch(row)
        for made in outputs:
            self.put(made.queue_id, made.blocks, synced=False, origins=made.origins)
        for spool in self.spools.end(consumer_id, ranges):
            self._publish(row, spool)
        return True

    def drop(self, consumer_id: int, ranges: Sequence[IdRange], reason: str) -> bool:
        """Items need no work; False if the consumer does not hold all of them."""
        if not ranges or self.scheduler.take_back(consumer_id, ranges) is None:
            return False
        self.spools.end(consumer_id, ranges)
        row = self._row_of(consumer_id)
        row.dropped += count_in(ranges)
        self.failures.forget(ranges)
        self._batch.dropped += ranges
        if reason:
            self._batch.reasons |= dict.fromkeys(ids_in(ranges), reason)
        self._touch(row)
        return True

    def fail(
        self,
        consumer_id: int,
        ranges: Sequence[IdRange],
        cause: Cause,
        *,
        now: float,
        retry_after: float | None = None,
        final: bool = False,
    ) -> list[Verdict]:
        """An attempt at items has raised; each of them is retried or parked.

        Args:
            consumer_id: Who tried.
            ranges: The items.
            cause: What went wrong.
            now: The present time, in seconds.
            retry_after: Delay that the handler asked for, or None for the policy's back-off.
            final: Whether another attempt would fail as well, so that none is made.

        Returns:
            What becomes of each; nothing if the consumer does not hold all of them.
        """
        if self.scheduler.take_back(consumer_id, ranges) is None:
            return []
        self.spools.end(consumer_id, ranges)
        policy = self._policies[self._row_of(consumer_id).queue_id]
        verdicts = []
        for item_id in ids_in(ranges):
            count = self.failures.add(item_id, cause.kind)
            verdict = policy.last_resort if final else policy.after_exception(count)
            due = None
            if verdict is Verdict.RETRY:
                due = now + policy.delay(count, retry_after)
                self.scheduler.delay(item_id, due)
            self._judge(item_id, cause, verdict, due)
            verdicts.append(verdict)
        return verdicts

    def blame(self, consumer_id: int, attempt: int, cause: Cause) -> list[Verdict]:
        """A worker has died of an attempt, which is tried again alone, or parked if it is one item.

        If it is several, nobody knows which of them it was. It is tried again in halves, until it
        is one alone, and what the others have gone through does not count against them.

        Args:
            consumer_id: Whose worker died; `leave` follows.
            attempt: What its slot in the fence says: an item's id, or an attempt's number.
            cause: How it died.

        Returns:
            What becomes of each item; nothing if the attempt was over.
        """
        item_ids = self.scheduler.attempt(consumer_id, attempt)
        if not item_ids:
            return []
        row = self._row_of(consumer_id)
        self.scheduler.lanes[row.queue_id].blamed += 1
        if len(item_ids) > 1:
            return self._suspect(consumer_id, item_ids, cause)
        [item_id] = item_ids
        verdict = self._policies[row.queue_id].after_crash(self.failures.add(item_id, cause.kind))
        if verdict is Verdict.RETRY:
            self.scheduler.suspect(consumer_id, [IdRange(item_id, item_id)])
        else:
            self.scheduler.take_back(consumer_id, [IdRange(item_id, item_id)])
        self._judge(item_id, cause, verdict)
        return [verdict]

    def give_back(self, consumer_id: int, ranges: Sequence[IdRange]) -> None:
        """A consumer returns items that it did not start, for others; nothing to record."""
        self.scheduler.give_back(consumer_id, ranges)
        self.spools.end(consumer_id, ranges)

    def leave(self, consumer_id: int) -> None:
        """A consumer is gone; what it holds goes to others. Nothing to record."""
        self.spools.leave(consumer_id)
        self.scheduler.leave(consumer_id)

    def unpark(self, queue_id: int, item_ids: Iterable[int] | None = None) -> int:
        """Put parked items back to work: failures forgiven, their load reopened if it had ended.

        What is retried may have outputs, so the seals of all stages behind this one are lifted.

        Args:
            queue_id: The queue.
            item_ids: The items, those that are not parked left out; None for all that are.

        Returns:
            How many there were.
        """
        # What this turn has parked is recorded first, so that the journal knows all of it.
        self.commit()
        parked = self._journal.parked_ids(queue_id)
        if item_ids is not None:
            wanted = set(item_ids)
            parked = [item_id for item_id in parked if item_id in wanted]
        self.put_back(queue_id, parked)
        return len(parked)

    def put_back(self, queue_id: int, parked: Sequence[int]) -> None:
        """Put parked items, as `parked_of` returns them, back to work; see `unpark`."""
        if parked:
            self._reopen(self.rows[queue_id], parked)

    def parked_of(self, ranges: Iterable[IdRange]) -> dict[int, list[int]]:
        """Return which items with these ids are parked, by queue."""
        self.commit()
        ordered = merged(ranges)
        found: dict[int, list[int]] = {}
        for queue_id in dict.fromkeys(queue_of(ids.first) for ids in ordered):
            parked = self._journal.parked_ids(queue_id)
            found[queue_id] = [item_id for item_id in parked if is_within(ordered, item_id)]
        return found

    def discard(self, queue_id: int, item_ids: Sequence[int], reason: str) -> None:
        """Drop parked items by hand: nobody works on them any more.

        Args:
            queue_id: Their queue.
            item_ids: The items, as `parked_of` returns them.
            reason: Why; may be empty.
        """
        self._leave_parked(self.rows[queue_id], item_ids)
        self._discard(self.rows[queue_id], item_ids, reason)
        self._batch.by_hand += [ByHand(item_id, Deed.DROPPED) for item_id in item_ids]

    def replace(self, item_id: int, block: Block, reason: str) -> int:
        """Put an item by hand for a parked one, which is dropped; return its id.

        Both are in one transaction. The stage stays sealed if it was: nothing else comes.

        Args:
            item_id: The item, which `parked_of` has returned.
            block: What is put for it, one item.
            reason: Why; may be empty.
        """
        row = self.rows[queue_of(item_id)]
        sealed = row.sealed_total is not None
        self._leave_parked(row, [item_id])
        self._discard(row, [item_id], reason)
        replacement = item_id_of(row.queue_id, row.next_n)
        self.put(row.queue_id, [block], synced=True)
        self._batch.by_hand.append(ByHand(item_id, Deed.EDITED, replacement))
        self._open_again(row)
        row.sealed_total = row.put if sealed else None
        return replacement

    # --- queues and the load ---

    def seal(self, queue_id: int) -> None:
        """Nothing more will be put on a queue."""
        row = self.rows[queue_id]
        row.sealed_total = row.put
        self._batch.synced = True
        self._touch(row)

    def advance(self) -> None:
        """Seal each stage to which nothing more can come, and settle the load at its end."""
        while sealable := [*self._graph.sealable(self._is_sealed, self._is_settled)]:
            for name in sealable:
                failpoints.point("broker.before_stage_seal")
                self.seal(self._named[name].queue_id)
        if not self.settled and all(row.settled for row in self.rows.values()):
            failpoints.point("broker.before_settle")
            self._settle()

    def apply_rules(self) -> None:
        """End the load with FAILED if a stage's halt rule is broken."""
        for queue_id, policy in self._policies.items():
            row, lane = self.rows[queue_id], self.scheduler.lanes[queue_id]
            reason = policy.reason_to_halt(
                failed=row.parked - lane.parked_before,
                succeeded=row.done + row.dropped - lane.resumed,
            )
            if reason is not None:
                self.scheduler.give_up(reason, at_once=policy.halts_at_once)

    # --- the processes of the run ---

    def begin_worker(self, queue_id: int, peer: Peer) -> int:
        """A process begins to take items from a queue; return the number of its record."""
        worker_id, self._next_worker = self._next_worker, self._next_worker + 1
        self._batch.workers.append(WorkerRecord(worker_id, queue_id, peer))
        return worker_id

    def end_worker(self, worker_id: int, how: str) -> None:
        """Such a process is gone; ``how`` is a word for it."""
        self._batch.departures[worker_id] = how

    def note_ending(self, ending: Ending) -> None:
        """Its parent has learnt how a process ended, which is kept with what it is blamed for."""
        self._batch.endings.append(ending)

    # --- the batch ---

    def sync(self) -> None:
        """Have the batch, and all before it, on disk when `commit` returns."""
        self._batch.synced = True

    def commit(self) -> None:
        """Commit the batch; then new items are ready to be handed out.

        Crash: before, nothing of it is recorded and nobody was told otherwise; after, all of it.

        Raises:
            JournalError: It could not be written. The broker must end: its memory is now ahead.
        """
        batch, arrivals, unread = self._batch, list(self._arrivals.values()), self._unread
        self._batch, self._bytes, self._arrivals, self._unread = Batch(), 0, {}, {}
        self.unsynced = not batch.synced and (self.unsynced or bool(batch))
        if batch:
            failpoints.point("broker.before_commit")
            self._journal.commit(batch)
            failpoints.point("broker.after_commit")
        elif batch.synced:
            self._journal.flush()
        for slices in filter(None, arrivals):
            self.scheduler.arrive(slices)
        for queue_id, first in unread.items():
            last = item_id_of(queue_id, self.rows[queue_id].put)
            self.scheduler.arrive_on_disk(IdRange(first, last))

    # --- inside ---

    def _row_of(self, consumer_id: int) -> QueueRow:
        return self.rows[self.scheduler.consumers[consumer_id].queue_id]

    def _grow(self, row: QueueRow, count: int) -> int:
        """Count so many new items, and return the id of the first; a seal is lifted."""
        first = item_id_of(row.queue_id, row.next_n)
        row.next_n += count
        assert row.next_n <= ITEMS_PER_QUEUE_MAX, "a queue is full"
        row.sealed_total = None
        self._touch(row)
        return first

    def _note_bytes(self, block: Block) -> None:
        self._bytes += len(block.data)
        self._batch.bulky = self._bytes >= BULKY_BYTES

    def _publish(self, made_in: QueueRow, spool: Spool) -> None:
        """Make items of a spool; they are left on disk, and so is what is put behind them."""
        failpoints.point("broker.before_publish")
        for name in self._graph.feeds[made_in.name]:
            row = self._named[name]
            first = self._grow(row, spool.count)
            row.bytes += spool.size
            published = Published(first, spool.count, spool.spool_id, spool.item_id)
            self._batch.published.append(published)
            self._unread.setdefault(row.queue_id, first)

    def _touch(self, row: QueueRow) -> None:
        self._batch.queues[row.queue_id] = row

    def _judge(
        self, item_id: int, cause: Cause, verdict: Verdict, due: float | None = None
    ) -> None:
        """Record a failure, and what follows from it; ``due`` is when it is retried, if later."""
        row = self.rows[queue_of(item_id)]
        parked = verdict is not Verdict.RETRY
        self._record(row, item_id, cause, parked=parked, due=due)
        if parked:
            row.parked += 1
            self.failures.forget([IdRange(item_id, item_id)])
            self._batch.parked.append(item_id)
            self._touch(row)
        if verdict is Verdict.STOP:
            self.scheduler.give_up(self._policies[row.queue_id].reason_to_stop(item_id))

    def _suspect(self, consumer_id: int, item_ids: list[int], cause: Cause) -> list[Verdict]:
        self.scheduler.suspect(consumer_id, ranges_of(item_ids))
        suspicion = replace(cause, kind=FailureKind.SUSPECT)
        for item_id in item_ids:
            self._record(self._row_of(consumer_id), item_id, suspicion, parked=False)
        return [Verdict.RETRY] * len(item_ids)

    def _record(
        self,
        row: QueueRow,
        item_id: int,
        cause: Cause,
        *,
        parked: bool,
        due: float | None = None,
    ) -> None:
        failure = Failure(
            item_id,
            cause.kind,
            cause.type,
            cause.message,
            cause.traceback,
            cause.pid,
            retry_at=None if due is None else due + self._zero(),
        )
        self._batch.failures.append(failure)
        self._batch.synced = True
        self.on_failure(row.name, failure, parked)

    def _reopen(self, row: QueueRow, parked: Sequence[int]) -> None:
        row.parked -= len(parked)
        self.scheduler.unpark(row.queue_id, parked)
        self._batch.unparked += parked
        self._batch.by_hand += [ByHand(item_id, Deed.RETRIED) for item_id in parked]
        self._open_again(row)

    def _leave_parked(self, row: QueueRow, item_ids: Sequence[int]) -> None:
        row.parked -= len(item_ids)
        lane = self.scheduler.lanes[row.queue_id]
        lane.parked_before = min(lane.parked_before, row.parked)
        # It is no work of this run.
        lane.resumed += len(item_ids)
        self._batch.discarded += item_ids

    def _discard(self, row: QueueRow, item_ids: Sequence[int], reason: str) -> None:
        row.dropped += len(item_ids)
        self._batch.dropped += ranges_of(item_ids)
        if reason:
            self._batch.reasons |= dict.fromkeys(item_ids, reason)
        self._batch.synced = True
        self._touch(row)

    def _open_again(self, row: QueueRow) -> None:
        """Have the load worked on again: what is put back to work may have outputs."""
        self._batch.reopened_load = row.load_id
        self._batch.synced = True
        self.settled = False
        self._touch(row)
        for name in self._graph.after(row.name):
            self._named[name].sealed_total = None
            self._touch(self._named[name])

    def _settle(self) -> None:
        [load_id] = {row.load_id for row in self.rows.values()}
        self.settled = True
        self._batch.settled_load = load_id
        self._batch.synced = True

    def _is_sealed(self, name: str) -> bool:
        return self._named[name].sealed_total is not None

    def _is_settled(self, name: str) -> bool:
        return self._named[name].settled


def _nobody_listens(_stage: str, _failure: Failure, _parked: bool) -> None:
    """Failures are told to nobody until somebody wants to hear of them."""
