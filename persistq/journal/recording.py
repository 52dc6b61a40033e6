"""What a batch says, written down in the transaction of its journal."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from persistq import failpoints
from persistq.errors import JournalCorrupt
from persistq.event import EventKind
from persistq.items import DoneKind, FailureKind, IdRange, merged, queue_of
from persistq.journal import changes, queries
from persistq.journal.batch import LINES_MAX, Batch
from persistq.journal.donekeys import DoneKeys
from persistq.journal.eventlog import EventLog
from persistq.journal.load import LoadState
from persistq.journal.queuerow import QueueRow
from persistq.journal.rows import (
    cursor_row,
    failure_row,
    now,
    published_row,
    put_row,
    sample_rows,
    spooled_row,
    storable,
    times_rows,
    worker_row,
)
from persistq.journal.run import Ending
from persistq.journal.turns import Turns
from persistq.journal.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from persistq.items import Failure


class Recording:
    """Writes each kind of record that a batch has; the transaction is its caller's.

    Args:
        writer: Where to.
        path: The journal, for messages.
        turns: The turns of the run.
        events: What others are told of.
        done_keys: The keys of what was done.

    Attributes:
        run_id: The run whose records these are; None before one has begun.
    """

    def __init__(
        self, writer: Writer, path: str, turns: Turns, events: EventLog, done_keys: DoneKeys
    ) -> None:
        self.run_id: int | None = None
        self._writer = writer
        self._path = path
        self._turns = turns
        self._events = events
        self._done_keys = done_keys
        [(streams,)] = writer.read(queries.HAS_STREAMED)
        self._streams = bool(streams)
        [(checkpoints,)] = writer.read(queries.HAS_CHECKPOINTS)
        self._checkpoints = bool(checkpoints)

    def record(self, batch: Batch) -> None:
        """Write all of a batch but its end of a load.

        Raises:
            JournalCorrupt: A record contradicts an earlier one.
        """
        self._record_unparked(batch)
        self._record_spooled(batch)
        self._record_checkpoints(batch)
        self._record_items(batch)
        self._record_sources(batch)
        self._record_causes(batch)
        self._record_printed(batch)
        self._record_times(batch)
        self._record_counters(batch)
        self._record_processes(batch)

    def _record_items(self, batch: Batch) -> None:
        if not (batch.puts or batch.published or batch.done or batch.dropped):
            return
        turn_id = self._turns.current(self._writer, self.run_id)
        self._record_puts(batch, turn_id)
        self._record_ends(merged(batch.done), DoneKind.DONE, turn_id)
        self._record_ends(merged(batch.dropped), DoneKind.DROPPED, turn_id)

    def _record_puts(self, batch: Batch, turn_id: int) -> None:
        rows = [put_row(turn_id, put) for put in batch.puts]
        # Each once, though it may become items of several queues.
        for spool in {(one.spool_id, one.item_id, one.count) for one in batch.published}:
            self._publish(*spool)
        rows += [published_row(turn_id, published) for published in batch.published]
        # In order, because that is how the table is laid out.
        rows.sort(key=itemgetter(0))
        if rows:
            self._writer.many(changes.PUT, rows)
            self._events.note_puts(queue_of(row[0]) for row in rows)

    def _record_sources(self, batch: Batch) -> None:
        if batch.source_spans:
            failpoints.point("journal.before_source_span")
            self._writer.many(changes.BEGIN_SOURCE_SPAN, batch.source_spans)
        if batch.ended_sources:
            failpoints.point("journal.before_source_end")
            self._writer.many(changes.END_SOURCE, [(number,) for number in batch.ended_sources])
        if batch.cursors:
            failpoints.point("journal.before_cursor")
            rows = [cursor_row(*cursor) for cursor in batch.cursors.items()]
            self._writer.many(changes.MOVE_CURSOR, rows)

    def _record_ends(self, ranges: list[IdRange], kind: DoneKind, turn_id: int) -> None:
        if not ranges:
            return
        self._writer.many(changes.END, [(*ids, kind.value, turn_id) for ids in ranges])
        if self._streams:
            self._writer.many(changes.END_STREAM, ranges)
        if self._checkpoints:
            self._writer.many(changes.END_CHECKPOINT, ranges)

    def _publish(self, spool_id: int, item_id: int, count: int) -> None:
        failpoints.point("journal.before_publish")
        cursor = self._writer.execute(
            changes.PUBLISH, spool_id=spool_id, item_id=item_id, count=count
        )
        if cursor.rowcount != 1:
            reason = f"spool {spool_id} is published and has not what it should have"
            raise JournalCorrupt(self._path, reason)

    def _record_spooled(self, batch: Batch) -> None:
        if batch.spooled:
            failpoints.point("journal.before_spool")
            begun = [(one.spool_id, one.item_id) for one in batch.spooled if not one.before]
            self._writer.many(changes.BEGIN_SPOOL, begun)
            self._writer.many(changes.SPOOL, map(spooled_row, batch.spooled))
        if batch.streamed:
            failpoints.point("journal.before_stream")
            self._streams = True
            self._writer.many(changes.STREAM, [(item_id, *ids) for item_id, ids in batch.streamed])

    def _record_checkpoints(self, batch: Batch) -> None:
        if batch.checkpoints:
            failpoints.point("journal.before_checkpoint")
            self._checkpoints = True
            rows = [
                (item_id, value.codec, value.data, value.crc)
                for item_id, value in batch.checkpoints.items()
            ]
            self._writer.many(changes.CHECKPOINT, rows)

    def _record_causes(self, batch: Batch) -> None:
        if batch.reasons:
            reasons = [(item_id, storable(reason)) for item_id, reason in batch.reasons.items()]
            self._writer.many(changes.EXPLAIN_DROP, reasons)
        if batch.parked:
            self._writer.many(changes.PARK, [(item_id,) for item_id in sorted(batch.parked)])
        if batch.failures:
            before = self._events.last_failure()
            self._record_failures(batch.failures)
            self._events.failed(before)
        self._events.items(EventKind.PARKED, batch.parked)

    def _record_failures(self, failures: Iterable[Failure]) -> None:
        moment = now()
        for deferred, alike in groupby(failures, key=_is_deferred):
            rows = [failure_row(self.run_id, moment, failure) for failure in alike]
            if deferred:
                failpoints.point("journal.before_defer")
                self._writer.many(changes.DEFER, rows)
            else:
                self._writer.many(changes.FAIL, rows)
                self._writer.many(changes.UNDEFER, [(row[1],) for row in rows])

    def _record_printed(self, batch: Batch) -> None:
        if batch.printed:
            failpoints.point("journal.before_printed")
            moment = now()
            rows = [
                (item_id, self.run_id, stream, storable(text), moment)
                for item_id, stream, text in batch.printed
            ]
            self._writer.many(changes.PRINT, rows)
            self._writer.execute(changes.DROP_OLD_LINES, most=LINES_MAX)

    def _record_times(self, batch: Batch) -> None:
        if batch.times:
            self._writer.many(changes.TIME, times_rows(self.run_id, batch.times.values()))
        if batch.slow:
            rows = [(item_id, self.run_id, seconds) for item_id, seconds in batch.slow.items()]
            self._writer.many(changes.KEEP_SLOW, rows)
        if batch.no_longer_slow:
            self._writer.many(changes.DROP_SLOW, [(item_id,) for item_id in batch.no_longer_slow])
        if batch.samples_every:
            failpoints.point("journal.before_thinning")
            thinned = {"of_run": self.run_id, "step": batch.samples_every}
            self._writer.execute(changes.THIN_STAGE_SAMPLES, **thinned)
            self._writer.execute(changes.THIN_SAMPLES, **thinned)
        if batch.sample is not None:
            failpoints.point("journal.before_sample")
            sample, stages = sample_rows(self.run_id, batch.sample)
            self._writer.many(changes.SAMPLE, [sample])
            self._writer.many(changes.SAMPLE_STAGE, stages)

    def _record_unparked(self, batch: Batch) -> None:
        if batch.reopened_load is not None:
            self.reopen(batch.reopened_load)
        if batch.unparked:
            self._writer.execute(changes.FORGIVE, ids=str(sorted(batch.unparked)))
        if ids := [*batch.unparked, *batch.discarded]:
            found = self._writer.execute(changes.UNPARK, ids=str(sorted(ids))).rowcount
            if found != len(ids):
                reason = "an item is put back to work, or dropped, and was not parked"
                raise JournalCorrupt(self._path, reason)
        self._events.items(EventKind.RETRIED, batch.unparked)
        self._events.items(EventKind.DISCARDED, batch.discarded)
        if batch.by_hand:
            failpoints.point("amending.half_recorded")
            moment = now()
            rows = [(item_id, deed, moment, other) for item_id, deed, other in batch.by_hand]
            self._writer.many(changes.NOTE_BY_HAND, rows)

    def _record_processes(self, batch: Batch) -> None:
        moment = now() if batch.workers or batch.departures else ""
        if batch.workers:
            rows = [worker_row(self.run_id, moment, worker) for worker in batch.workers]
            self._writer.many(changes.ADD_WORKER, rows)
        for worker_id, how in batch.departures.items():
            self._writer.execute(
                changes.END_WORKER, of_worker=worker_id, ended_at=moment, ending=how
            )
        for ending in batch.endings:
            self._record_ending(ending)

    def _record_ending(self, ending: Ending) -> None:
        known = {"of_pid": ending.pid, "of_run": self.run_id}
        text = f"signal {ending.signal}" if ending.signal else f"exit code {ending.exit_code}"
        self._writer.execute(changes.NOTE_ENDING, **known, ending=text, ended_at=now())
        self._writer.execute(
            changes.EXPLAIN_FAILURES,
            **known,
            signal=ending.signal,
            exit_code=ending.exit_code,
            peak_rss=ending.peak_rss,
            out_of_memory=int(ending.out_of_memory),
        )

    def _record_counters(self, batch: Batch) -> None:
        for row in batch.queues.values():
            self._count(row)

    def _count(self, row: QueueRow) -> None:
        cursor = self._writer.execute(
            changes.COUNT,
            of_queue=row.queue_id,
            next_n=row.next_n,
            done=row.done,
            dropped=row.dropped,
            parked=row.parked,
            sealed_total=row.sealed_total,
            bytes=row.bytes,
            held=storable(row.held),
            rated_until=row.rated_until,
            duplicates=row.duplicates,
            skipped=row.skipped,
            worked=row.worked,
        )
        if cursor.rowcount != 1:
            raise JournalCorrupt(self._path, f"queue {row.queue_id} is counted and not recorded")

    def reopen(self, load_id: int) -> None:
        """Write that a load which had ended is worked on again."""
        self._writer.execute(changes.REOPEN_LOAD, of_load=load_id)
        self._done_keys.restart(load_id)

    def end_load(self, load_id: int, state: LoadState) -> None:
        """Write that a load has ended, and how; once it has, this does nothing."""
        values = {"of_load": load_id, "state": state.value, "ended_at": now()}
        if self._writer.execute(changes.END_LOAD, **values).rowcount:
            self._events.load(EventKind(state.value), load_id)


def _is_deferred(failure: Failure) -> bool:
    return failure.kind is FailureKind.DEFERRED
