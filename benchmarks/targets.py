"""What is aimed at, in one place: scenarios claim it, tables show it beside what was measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """Where a figure should be.

    Attributes:
        first: What has to be reached.
        stretch: What would be better still, if anything is named.
        less: Whether less is better: figures are then at most the target, else at least.
    """

    first: float
    stretch: float | None = None
    less: bool = False

    def met(self, figure: float) -> bool:
        """Return whether a figure reaches the first goal."""
        return self._beats(figure, self.first)

    def stretched(self, figure: float) -> bool | None:
        """Return whether a figure reaches the stretch; None if there is none."""
        return None if self.stretch is None else self._beats(figure, self.stretch)

    def _beats(self, figure: float, goal: float) -> bool:
        return figure <= goal if self.less else figure >= goal


def at_least(first: float, stretch: float | None = None) -> Target:
    """Return a target where more is better."""
    return Target(first, stretch)


def at_most(first: float, stretch: float | None = None) -> Target:
    """Return a target where less is better."""
    return Target(first, stretch, less=True)


# --- persistq's figure divided by a rival's, in one run ---

BULK = {workers: at_least(5, 7) for workers in (2, 4, 8)}
"""Against JoinableQueue, by number of workers."""

MANY_WORKERS = at_least(0.8)
POOL_CHUNKS_OF_64 = at_least(0.5, 0.7)
MAP = at_least(3)
MAP_MILLISECOND = at_most(1.05)
BEST_DURABLE = at_least(150, 250)
FLOOR = at_least(1.5, 2.5)
"""Against executemany with 100 rows a statement."""

REDIS = {"everysec": at_least(5, 8), "always": at_least(6, 10)}
"""Against Redis Streams in batches, by what Redis syncs."""

SINGLE_PUT = at_least(0.5)
MILLISECOND = at_most(1.03)
SLEEPS = at_most(1.2)
LATENCY = at_most(4)
PAYLOADS = at_least(0.5)
IMPORT = at_most(3)
COMMAND = at_most(1.25)
BACKLOG_RATE = at_least(0.9)
BACKLOG_MEMORY = at_most(1.1)
RESUME = at_most(1.5)

RECEIPTS = at_least(0.85)
"""Rows stored with receipts against the same without."""

BATCHES = at_least(10)
"""Batches of 500 rows against row by row."""

DLT = at_least(1)
BAD_ROWS = at_least(0.5)
"""81 of 20,001 rows bad, against none."""

FOLDER_ROWS = {readers: at_least(1) for readers in (1, 4, 16)}
"""Against turbo-queue, by number of readers."""

# --- figures by themselves ---

BROKER_MB = at_most(200)
BYTES_AN_INT = at_most(12, 9)
BYTES_A_STRING = at_most(40, 35)
FOLDER_CLAIMS = at_least(2_000)
"""Files claimed and finished in a second."""

COUNT_S = at_most(0.3, 0.15)

# --- this tree's figure divided by an earlier commit's ---

SINCE = {
    ("bulk", "persistq, 2 workers"): at_least(3, 4.5),
    ("bulk", "persistq, 4 workers"): at_least(3, 4.5),
    ("pipeline", "persistq"): at_least(2, 2.6),
    ("single_put", "persistq"): at_least(1),
    ("millisecond", "persistq"): at_most(1),
    ("latency", "persistq, put to get"): at_most(1),
    ("latency", "persistq, pipeline"): at_most(1),
    ("payloads", "persistq, put"): at_least(1, 1.3),
    ("payloads", "persistq, put_many"): at_least(1, 1.3),
    ("resume", "persistq"): at_most(0.1),
}
"""By scenario and contender. The earlier commit is the last one with a record for each item."""
