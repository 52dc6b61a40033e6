"""The runs of a load, with all that is recorded of each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from persistq.report import safe
from persistq.report.course import begun, course_of, done_of, memory_of
from persistq.report.figures import RunCourse, RunFigures, WorkerFigures
from persistq.site.processes import has_ended

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from persistq.journal.reader import JournalReader, WorkerRow
    from persistq.journal.run import Run
    from persistq.timings import Sample, StageTimes


class RunRecord(NamedTuple):
    """A run and what is recorded of it.

    Attributes:
        run: The run.
        alive_at: The moment of looking, if it is at work; else None.
        samples: Where it stood, from its beginning on; none, or two at least.
        workers: Its processes that took items.
        timed: How many items its workers have told to be done.
    """

    run: Run
    alive_at: datetime | None
    samples: list[Sample]
    workers: list[WorkerRow]
    timed: int

    @property
    def result(self) -> str:
        """How it ended; ``running`` or ``killed`` if it has not."""
        if self.run.result is not None:
            return self.run.result.value
        return "killed" if self.alive_at is None else "running"

    @property
    def until(self) -> datetime:
        """The last moment at which it is known to have been there."""
        return self.run.ended_at or self.alive_at or max(self._moments())

    def _moments(self) -> Iterator[datetime]:
        yield self.run.started_at
        yield from (worker.ended_at or worker.started_at for worker in self.workers)
        if self.samples:
            yield datetime.fromtimestamp(self.samples[-1].at, UTC)


def record_of(
    reader: JournalReader,
    run: Run,
    times: Sequence[StageTimes],
    stages: Mapping[int, str],
    alive_at: datetime | None,
) -> RunRecord:
    """Read what is recorded of a run.

    Args:
        reader: Its journal.
        run: The run.
        times: How long its stages took.
        stages: The stages of work by queue; items of others are not counted.
        alive_at: The moment of looking, if it is at work; else None.
    """
    done = {one.queue_id: one.counts.total() for one in times if one.queue_id in stages}
    samples = begun(run, reader.samples(run.run_id), done)
    return RunRecord(run, alive_at, samples, reader.workers(run.run_id), sum(done.values()))


def figures_of(
    records: Sequence[RunRecord], stages: Mapping[int, str], *, before: int, done: int
) -> list[RunFigures]:
    """Return the figures of runs.

    Args:
        records: The runs, oldest first.
        stages: The stages of work by queue.
        before: How many runs there were before these.
        done: How many items of the load are done by now.
    """
    shares = _done_by(records, stages, before=before, done=done)
    return [_figures(record, shares[record.run.run_id]) for record in records]


def _done_by(
    records: Sequence[RunRecord], stages: Mapping[int, str], *, before: int, done: int
) -> dict[int, int]:
    """Return how many items each run has done.

    What a killed run has done since its last sample is missing in that, so it counts up to where
    the next one began. Where nothing was sampled, it counts what workers have told.
    """
    shares = {record.run.run_id: record.timed for record in records}
    if len(records) == 1 and not before:
        return dict.fromkeys(shares, done)
    sampled = [record for record in records if record.samples]
    marks = [done_of(record.samples[0], stages) for record in sampled]
    if sampled and not before and sampled[0] is records[0]:
        marks[0] = 0
    for record, begin, end in zip(sampled, marks, [*marks, done][1:], strict=True):
        shares[record.run.run_id] = max(0, end - begin)
    return shares


def _figures(record: RunRecord, done: int) -> RunFigures:
    run, workers = record.run, [worker_of(record, row, "") for row in record.workers]
    return RunFigures(
        run=run.run_id,
        started=run.started_at,
        ended=run.ended_at,
        until=record.until,
        result=record.result,
        reason=safe.line(run.reason),
        host=safe.line(run.command.peer.node),
        pid=run.command.peer.pid,
        done=done,
        workers=len(workers),
        deaths=sum(worker.has_died for worker in workers),
        rss=max(map(memory_of, record.samples), default=0),
    )


def courses_of(
    records: Sequence[RunRecord], stages: Mapping[int, str], moments: int
) -> list[RunCourse]:
    """Return how runs went on; each run gets its share of the moments, and two at least."""
    total = sum(len(record.samples) for record in records)
    return [
        course_of(
            record.run, record.samples, stages, max(2, moments * len(record.samples) // total)
        )
        for record in records
        if record.samples
    ]


def worker_of(record: RunRecord, row: WorkerRow, stage: str) -> WorkerFigures:
    """Return the figures of a process."""
    ending = row.ending or _not_ended(record, row)
    return WorkerFigures(
        run=row.run_id,
        stage=stage,
        pid=row.peer.pid,
        began=row.started_at,
        until=row.ended_at or record.until,
        ending=safe.line(ending),
    )


def _not_ended(record: RunRecord, row: WorkerRow) -> str:
    return "unknown" if record.alive_at is None or has_ended(row.peer) else "working"
