"""Changing a journal by hand while no run is at work: as a broker opens it, and without a run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from persistq.broker.amending import Amending
from persistq.broker.lane import Lane
from persistq.broker.possession import claim, possess
from persistq.broker.scheduler import Scheduler
from persistq.broker.shape import kept_graph, passing_of
from persistq.broker.transitions import Transitions
from persistq.journal.base import Journal
from persistq.journal.ground import examine
from persistq.journal.sqlite import open_journal
from persistq.site.finding import site_of


@contextmanager
def alone(path: str, load_id: int, *, fence_timeout: float) -> Iterator[Amending]:
    """Open one load for changes; they are recorded, synced, in one transaction at the end.

    No run is recorded. Nobody else can work on the journal meanwhile.

    Crash: all that was done in the ``with`` block is recorded, or nothing; the same if it raises.

    Args:
        path: The journal.
        load_id: The load.
        fence_timeout: Longest wait for workers of an earlier run, in seconds.

    Raises:
        JournalBusy: A run has begun.
        JournalError: It cannot be opened or written.
    """
    file, _ = examine(Path(path))
    lock, _ = possess(site_of(str(file)), file, file, fence_timeout=fence_timeout)
    with ExitStack() as closing:
        closing.callback(lock.release)
        journal = open_journal(file)
        closing.callback(journal.close)
        claim(lock, file)
        transitions = transitions_of(journal, load_id)
        yield Amending(transitions.parked)
        transitions.commit()


def transitions_of(journal: Journal, load_id: int) -> Transitions:
    """Return what changes the items of a load on which nobody works."""
    rows = journal.queues(load_id)
    scheduler = Scheduler(window_time=0.0, window_max=1)
    for row in rows:
        scheduler.add_lane(Lane(row, ready_bytes_max=1))
    routes = journal.routes(load_id)
    graph = kept_graph(rows, routes)
    transitions = Transitions(journal, rows, graph, scheduler, {}, _zero)
    transitions.passing.begin(passing_of(routes))
    return transitions


def _zero() -> float:
    return time.time() - time.monotonic()
