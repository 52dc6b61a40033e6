"""The metrics: what each is called, what it means, and its values.

Names follow the conventions of Prometheus: units are seconds and bytes, counters end in ``_total``
and never fall. Labels are the name of a journal and of a stage, and never a load's number, of which
there is another one each night.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)

from persistq.metrics.reading import STATES, Totals
from persistq.text.terminal import printable
from persistq.timings import BOUNDS

if TYPE_CHECKING:
    from datetime import datetime

    from prometheus_client.core import Metric

    from persistq.metrics.reading import Reading

    Readings = Mapping[str, Reading]
    Stage = tuple[str, str]

LIMITS: Final = range(5, len(BOUNDS), 4)
"""The buckets whose upper bound is a limit of the histogram: each four times the one before."""


def families(readings: Mapping[str, Reading | None]) -> Iterator[Metric]:
    """Yield the metrics of journals.

    Args:
        readings: What was measured, by name of journal; None of what could not be read.
    """
    read = {name: reading for name, reading in readings.items() if reading is not None}
    yield _of_journals(
        "persistq_journal_readable",
        "Whether the journal could be read.",
        {name: reading is not None for name, reading in readings.items()},
    )
    yield from _loads(read)
    yield from _items(read)
    yield from _times(read)
    yield from _memory(read)


# --- loads ----------------------------------------------------------------------------------------


def _loads(read: Readings) -> Iterator[Metric]:
    yield _of_journals(
        "persistq_journal_bytes",
        "Size of the journal's files.",
        {name: reading.size for name, reading in read.items()},
    )
    state = GaugeMetricFamily(
        "persistq_load_state",
        "1 for what the current load is at: the unfinished one, or the latest.",
        labels=("journal", "state"),
    )
    for name, reading in read.items():
        for one in STATES:
            state.add_metric((printable(name), one), one == reading.state)
    yield state
    loads = {name: view.load for name, reading in read.items() if (view := reading.view).load}
    yield _of_journals(
        "persistq_load_number",
        "Number of the current load.",
        {name: load.load_id for name, load in loads.items() if load},
    )
    yield _of_journals(
        "persistq_load_created_timestamp_seconds",
        "When the current load was begun.",
        {name: _seconds(load.created_at) for name, load in loads.items() if load},
    )
    runs = {name: reading.view.run for name, reading in read.items()}
    yield _of_journals(
        "persistq_run_started_timestamp_seconds",
        "When the latest run of the current load was started.",
        {name: _seconds(run.started_at) for name, run in runs.items() if run},
    )
    yield _of_journals(
        "persistq_last_settled_timestamp_seconds",
        "When a load was settled last.",
        {
            name: _seconds(reading.settled_at)
            for name, reading in read.items()
            if reading.settled_at is not None
        },
    )


# --- items ----------------------------------------------------------------------------------------


def _items(read: Readings) -> Iterator[Metric]:
    items = CounterMetricFamily(
        "persistq_items",
        "Items by what became of them, in all loads.",
        labels=("journal", "stage", "state"),
    )
    failures = CounterMetricFamily(
        "persistq_failures",
        "Failed attempts, in all loads.",
        labels=("journal", "stage", "kind"),
    )
    for stage, totals in _stages(read):
        for state in ("put", "done", "dropped", "duplicates"):
            items.add_metric((*stage, state.removesuffix("s")), getattr(totals, state))
        for kind, count in sorted(totals.failures.items()):
            failures.add_metric((*stage, kind), count)
    yield items
    yield failures
    for state in ("outstanding", "parked"):
        gauge = _gauge(f"persistq_{state}_items", f"Items of the current load that are {state}.")
        for name, reading in read.items():
            for row in reading.view.queues:
                gauge.add_metric(_labels(name, row.name), getattr(row, state))
        yield gauge


# --- times, and memory ----------------------------------------------------------------------------


def _times(read: Readings) -> Iterator[Metric]:
    durations = HistogramMetricFamily(
        "persistq_item_duration_seconds",
        "How long items took that are done, in all loads.",
        labels=("journal", "stage"),
    )
    busy = _counter("persistq_handler_seconds", "Time in handlers, of all workers together.")
    idle = _counter("persistq_idle_seconds", "Time in which workers had nothing to do.")
    for stage, totals in _stages(read):
        durations.add_metric(stage, _buckets(totals.times.counts), totals.worked)
        busy.add_metric(stage, totals.times.worked)
        idle.add_metric(stage, totals.times.waited)
    yield durations
    yield busy
    yield idle


def _buckets(counts: Mapping[int, int]) -> list[tuple[str, float]]:
    """Return how many took so long at most, by limit; the last one has all of them."""
    reached = [*accumulate(counts.get(bucket, 0) for bucket in range(len(BOUNDS) + 1))]
    found = [(f"{BOUNDS[bucket]:.6g}", float(reached[bucket])) for bucket in LIMITS]
    return [*found, ("+Inf", float(reached[-1]))]


def _memory(read: Readings) -> Iterator[Metric]:
    """Yield what the processes of runs at work take."""
    sampled = {
        name: (reading, reading.sample)
        for name, reading in read.items()
        if reading.sample is not None
    }
    yield _of_journals(
        "persistq_broker_memory_bytes",
        "Memory of the broker of the run at work.",
        {name: sample.broker_rss for name, (_, sample) in sampled.items()},
    )
    memory = _gauge("persistq_workers_memory_bytes", "Memory of the workers of the run at work.")
    for name, (reading, sample) in sampled.items():
        stages = {row.queue_id: row.name for row in reading.view.queues}
        for one in sample.stages:
            memory.add_metric(_labels(name, stages.get(one.queue_id, "")), one.rss)
    yield memory


# --- labels ---------------------------------------------------------------------------------------


def _stages(read: Readings) -> Iterator[tuple[Stage, Totals]]:
    for name, reading in read.items():
        for stage, totals in reading.totals.items():
            yield _labels(name, stage), totals


def _labels(name: str, stage: str) -> Stage:
    return printable(name), printable(stage)


def _of_journals(name: str, says: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, says, labels=("journal",))
    for journal, value in values.items():
        gauge.add_metric((printable(journal),), value)
    return gauge


def _gauge(name: str, says: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, says, labels=("journal", "stage"))


def _counter(name: str, says: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, says, labels=("journal", "stage"))


def _seconds(moment: datetime) -> float:
    return moment.timestamp()
