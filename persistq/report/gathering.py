"""Reads the figures of a report from a journal: what is counted and grouped there, no items."""

from __future__ import annotations

from itertools import chain
from math import fsum
from typing import TYPE_CHECKING, Final, NamedTuple

from persistq.itemnames import item_name
from persistq.items import queue_of
from persistq.report import runs, safe
from persistq.report.course import MOMENTS
from persistq.report.figures import (
    Bucket,
    Effort,
    Example,
    FailureFigures,
    Figures,
    Items,
    SlowFigures,
    StageFigures,
    WorkerFigures,
)
from persistq.text.masking import masked_words
from persistq.text.terminal import quoted
from persistq.timings import SlowItem, bounds_of, quantile, together

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from persistq.items import Item
    from persistq.journal.load import Load
    from persistq.journal.queuerow import QueueRow
    from persistq.journal.reader import FailureGroup, JournalReader
    from persistq.journal.view import JournalView
    from persistq.report.figures import RunFigures
    from persistq.report.runs import RunRecord

RUNS_MOST: Final = 250
WORKERS_MOST: Final = 2000
FAILURES_MOST: Final = 20
SLOW_MOST: Final = 20


class Situation(NamedTuple):
    """What is known of a load beside its journal.

    Attributes:
        at: The moment of looking.
        state: Where it stands, in a word.
        next: What to type to bring it forward, if anything.
        look: What to type to see what is parked, if anything is.
    """

    at: datetime
    state: str
    next: str | None
    look: str | None


class Gathering:
    """Reads the figures of one load.

    Args:
        reader: Its journal, with a snapshot.
        view: The load.
        load: The same as ``view.load``, which is there.
        situation: What is known beside.
    """

    def __init__(
        self, reader: JournalReader, view: JournalView, load: Load, situation: Situation
    ) -> None:
        self._reader = reader
        self._view = view
        self._load = load
        self._situation = situation
        self._rows = {row.queue_id: row for row in view.queues}
        self._stages = {row.queue_id: safe.line(row.name) for row in view.worked_on}
        current = reader.view().load
        is_current = current is not None and current.load_id == load.load_id
        self._shown_load = None if is_current else load.load_id
        self._all = reader.runs(load.load_id)
        self._times = {run.run_id: reader.times(run.run_id) for run in self._all}
        self._records = self._recorded()
        self._slow_items = {queue_id: reader.slow_items(queue_id) for queue_id in self._stages}

    def figures(self) -> Figures:
        """Return all figures."""
        view, before = self._view, len(self._all) - len(self._records)
        items = items_of(view.worked_on)
        listed = runs.figures_of(self._records, self._stages, before=before, done=items.done)
        workers = self._workers()
        return Figures(
            name=safe.line(view.name),
            journal=safe.line(view.path),
            load=self._load.load_id,
            kind=self._load.kind,
            state=self._situation.state,
            at=self._situation.at,
            purged=self._load.purged_at,
            command=self._command(),
            parameters={safe.line(one.name): safe.line(one.shown) for one in view.params},
            next=self._situation.next,
            look=self._situation.look,
            items=items,
            effort=self._effort(listed),
            stages=[self._stage(row) for row in view.worked_on],
            runs=listed,
            runs_before=before,
            course=runs.courses_of(self._records, self._stages, MOMENTS),
            failures=self._failures(),
            slow=self._slow(),
            workers=workers[-WORKERS_MOST:],
            workers_before=max(0, len(workers) - WORKERS_MOST),
        )

    # --- runs ---

    def _recorded(self) -> list[RunRecord]:
        last = self._all[-1].run_id if self._all else 0
        alive_at = self._situation.at if self._situation.state == "running" else None
        return [
            runs.record_of(
                self._reader,
                run,
                self._times[run.run_id],
                self._stages,
                alive_at if run.run_id == last else None,
            )
            for run in self._all[-RUNS_MOST:]
        ]

    def _workers(self) -> list[WorkerFigures]:
        return [
            runs.worker_of(record, row, self._stages.get(row.queue_id, "?"))
            for record in self._records
            for row in record.workers
        ]

    def _command(self) -> str:
        if not self._all:
            return ""
        command = self._all[-1].command
        return safe.line(" ".join(map(quoted, masked_words(command.argv))))

    def _effort(self, listed: Sequence[RunFigures]) -> Effort:
        seconds = fsum(run.seconds for run in listed)
        done = sum(run.done for run in listed)
        return Effort(
            seconds=round(seconds, 3),
            rate=round(done / seconds, 3) if seconds else 0.0,
            rss=max((run.rss for run in listed), default=0),
            deaths=sum(run.deaths for run in listed),
            failed_attempts=sum(map(self._reader.failed_attempts, self._stages)),
        )

    # --- stages ---

    def _stage(self, row: QueueRow) -> StageFigures:
        all_times = chain.from_iterable(self._times.values())
        times = [one for one in all_times if one.queue_id == row.queue_id]
        counts = together(one.counts for one in times)
        slow = self._slow_items.get(row.queue_id) or [SlowItem(0, quantile(counts, 1))]
        return StageFigures(
            stage=self._stages[row.queue_id],
            items=items_of([row]),
            worked=round(fsum(one.worked for one in times), 3),
            waited=round(fsum(one.waited for one in times), 3),
            p50=quantile(counts, 0.5),
            p95=quantile(counts, 0.95),
            p99=quantile(counts, 0.99),
            longest=slow[0].seconds,
            durations=[Bucket(*bounds_of(bucket), counts[bucket]) for bucket in sorted(counts)],
        )

    # --- items ---

    def _failures(self) -> list[FailureFigures]:
        groups = chain.from_iterable(
            self._reader.failure_groups(queue_id, FAILURES_MOST) for queue_id in self._stages
        )
        most = sorted(groups, key=lambda group: -group.attempts)[:FAILURES_MOST]
        return [self._failure(group) for group in most]

    def _failure(self, group: FailureGroup) -> FailureFigures:
        failure, item = group.newest.failure, group.newest.item
        return FailureFigures(
            stage=self._stages[group.queue_id],
            kind=group.kind.value,
            type=safe.line(group.type),
            attempts=group.attempts,
            items=group.items,
            example=Example(
                name=self._name(failure.item_id),
                at=group.newest.at,
                message=safe.line(failure.message),
                traceback=safe.lines(failure.traceback),
                payload=_payload(item),
                pid=failure.pid,
            ),
        )

    def _slow(self) -> list[SlowFigures]:
        slow = chain.from_iterable(self._slow_items.values())
        slowest = sorted(slow, key=lambda one: -one.seconds)[:SLOW_MOST]
        return [self._slow_figures(one) for one in slowest]

    def _slow_figures(self, one: SlowItem) -> SlowFigures:
        found = next(self._reader.items(one.item_id, one.item_id), None)
        payload = _payload(found.item if found is not None else None)
        stage = self._stages[queue_of(one.item_id)]
        return SlowFigures(self._name(one.item_id), stage, round(one.seconds, 4), payload)

    def _name(self, item_id: int) -> str:
        stage = self._rows[queue_of(item_id)].name
        return safe.line(item_name(stage, item_id, self._shown_load))


def items_of(rows: Sequence[QueueRow]) -> Items:
    """Return where the items of stages are, all together."""
    return Items(
        put=sum(row.put for row in rows),
        done=sum(row.done for row in rows),
        dropped=sum(row.dropped for row in rows),
        parked=sum(row.parked for row in rows),
        outstanding=sum(row.outstanding for row in rows),
    )


def _payload(item: Item | None) -> str:
    return "" if item is None else safe.payload(item.codec, item.payload)
