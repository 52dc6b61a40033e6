"""What is measured of one journal at one moment."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from persistq.journal.load import LoadState
from persistq.journal.opening import bytes_of, open_reader
from persistq.timings import StageTimes

if TYPE_CHECKING:
    from datetime import datetime

    from persistq.journal.load import Load
    from persistq.journal.queuerow import QueueRow
    from persistq.journal.view import JournalView
    from persistq.site.base import Site
    from persistq.timings import Sample

RUNNING = "running"
STATES = (RUNNING, *LoadState)
"""What the load of a journal may be at: at work, or in the state that is recorded."""


@dataclass(slots=True)
class Totals:
    """What was counted of all stages of one name, over all loads: it never falls.

    Attributes:
        put: Items that were put.
        done: Items that are done.
        dropped: Items that were dropped.
        duplicates: Puts that were left out, because their key is there or was done before.
        worked: Seconds that the items which are done took together.
        times: How long they took, and how long workers waited, as far as that was told.
        failures: Failed attempts by kind.
    """

    put: int = 0
    done: int = 0
    dropped: int = 0
    duplicates: int = 0
    worked: float = 0.0
    times: StageTimes = field(default_factory=lambda: StageTimes(0))
    failures: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Reading:
    """What is measured of one journal.

    Attributes:
        view: The load that commands show: the unfinished one, or the latest.
        state: What that is at, one of `STATES`; empty if there is no load.
        totals: What was counted, by name of stage.
        size: Bytes of its files.
        settled_at: When a load was settled last; None if none was.
        sample: Where the run at work stood last; None if none is at work, or nothing was sampled.
    """

    view: JournalView
    state: str
    totals: dict[str, Totals]
    size: int
    settled_at: datetime | None
    sample: Sample | None


def reading_of(site: Site) -> Reading:
    """Measure a journal; its broker may be at work, and waits for nothing.

    Raises:
        JournalError: It is not there, or cannot be read.
    """
    with open_reader(site) as reader:
        view = reader.view()
        running = view.ran_last and site.is_held()
        samples = reader.samples(view.run.run_id) if running and view.run is not None else []
        return Reading(
            view,
            RUNNING if running else "" if view.load is None else view.load.state.value,
            _totals(reader.queues(), reader.all_times(), reader.failure_counts()),
            bytes_of(site),
            _latest_end(reader.loads()),
            samples[-1] if samples else None,
        )


def _latest_end(loads: Iterable[Load]) -> datetime | None:
    ends = [load.ended_at for load in loads if load.state is LoadState.SETTLED and load.ended_at]
    return max(ends, default=None)


def _totals(
    queues: Iterable[QueueRow],
    times: Iterable[StageTimes],
    failures: Iterable[tuple[int, str, int]],
) -> dict[str, Totals]:
    totals = defaultdict[str, Totals](Totals)
    by_queue = {}
    for row in queues:
        by_queue[row.queue_id] = totals[row.name]
        _add(totals[row.name], row)
    # A queue that has come since has a total of its own, which nobody sees.
    unseen = Totals()
    for one in times:
        _add_times(by_queue.get(one.queue_id, unseen).times, one)
    for queue_id, kind, count in failures:
        by_queue.get(queue_id, unseen).failures[kind] += count
    return dict(totals)


def _add_times(sums: StageTimes, one: StageTimes) -> None:
    sums.worked += one.worked
    sums.waited += one.waited
    sums.counts.update(one.counts)


def _add(totals: Totals, row: QueueRow) -> None:
    totals.put += row.put
    totals.done += row.done
    totals.dropped += row.dropped
    totals.duplicates += row.duplicates + row.skipped
    totals.worked += row.worked
