"""The equations that must hold when a load is settled, whatever was done to it."""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from persistq.testing import check_journal

from .evidence import Evidence


@dataclass(frozen=True, slots=True)
class Limits:
    """What one fault may cost, derived from the settings of a round.

    Attributes:
        workers: Worker processes, over all stages.
        shortest: Seconds that the shortest handler takes.
        ack_interval: How much finished work a worker may hold unreported, in seconds.
        window_time: How much expected work it may be handed ahead, in seconds.
        window_max: Most items it may be handed ahead.
    """

    workers: int
    shortest: float
    ack_interval: float
    window_time: float
    window_max: int

    @property
    def of_worker(self) -> int:
        """Most effects that the death of one worker may repeat.

        The item in its hand, and what it has finished and not reported: with a finished item the
        report goes out as soon as ack_interval has passed since the last one, so fewer than
        ack_interval / shortest items are ever held back.
        """
        return 1 + math.ceil(self.ack_interval / self.shortest)

    @property
    def of_broker(self) -> int:
        """Most effects that the death of the broker, or of everything, may repeat.

        Each worker has one window in its hand and, because it asks when half of that is left, half
        of another. The same number may be on the way to the disk in one commit, while the broker
        has already handed out what follows: twice one and a half windows for each worker.
        """
        window = max(1, min(self.window_max, math.ceil(self.window_time / self.shortest)))
        return self.workers * 2 * math.ceil(1.5 * window)

    def bound(self, faults: Iterable[str]) -> int:
        """Return how many effects may have been repeated by these faults together."""
        cost = {
            "worker": self.of_worker,
            "workers": self.workers * self.of_worker,
            # Its workers die with it; the broker lives on and records what they had reported.
            "script": self.workers * self.of_worker,
            "broker": self.of_broker,
            "everything": self.of_broker,
        }
        return sum(cost.get(role, 0) for role in faults)


EMPTY = ("lost", "unexpected", "phantom", "unrecorded", "doubled", "overlap")
"""The sets of a verdict that must be empty."""


@dataclass(slots=True)
class Verdict:
    """What the evidence and the journal say about one round; sets of keys that should be empty."""

    lost: set[str] = field(default_factory=set)
    unexpected: set[str] = field(default_factory=set)
    phantom: set[str] = field(default_factory=set)
    unrecorded: set[str] = field(default_factory=set)
    doubled: set[str] = field(default_factory=set)
    overlap: set[str] = field(default_factory=set)
    duplicates: int = 0
    bound: int = 0
    journal: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """What is wrong, in words; empty if all equations hold."""
        found = [
            f"{name}: {len(keys)} keys, such as {sorted(keys)[:5]}"
            for name in EMPTY
            if (keys := getattr(self, name))
        ]
        if self.duplicates > self.bound:
            found.append(f"{self.duplicates} effects were repeated, the bound is {self.bound}")
        return found + self.journal


def judge(
    evidence: Evidence, journal: Path, stages: str, faults: Iterable[str], limits: Limits
) -> Verdict:
    """Compare the evidence with the journal of a settled load.

    Args:
        evidence: What happened.
        journal: The journal file.
        stages: One prefix of keys for each stage, in order; empty for a plain queue.
        faults: What was done to the load.
        limits: What that may cost.
    """
    put, done, parked = (_keys(journal, sql, stages) for sql in _LOGS)
    effects, recorded = set(evidence.effects), set(done)
    # A key put twice would be an item of its own in the journal: absorption has failed.
    doubled = {key for key, n in put.items() if n > 1}
    return Verdict(
        lost=evidence.acknowledged - effects - set(parked),
        unexpected=effects - evidence.put,
        phantom=recorded - effects,
        unrecorded=effects - recorded,
        doubled=doubled,
        overlap=evidence.overlaps,
        duplicates=sum(evidence.effects.values()) - len(effects),
        bound=limits.bound(faults),
        journal=[*check_journal(journal), *_unsettled(journal)],
    )


_LOGS = (
    "SELECT item_id >> 40, value FROM item",
    "SELECT item_id >> 40, value FROM item WHERE state IN ('done', 'dropped')",
    "SELECT item_id >> 40, value FROM item WHERE state = 'parked'",
)


def _keys(journal: Path, sql: str, stages: str) -> Counter[str]:
    """Return the keys of a log: the stage's prefix and the number that was put."""
    with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as connection:
        rows = connection.execute(sql).fetchall()
    return Counter(f"{stages[q - 1 : q]}{msgspec.json.decode(value)}" for q, value in rows)


def load_states(journal: Path) -> list[str]:
    """Return the state of each load in a journal."""
    with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as connection:
        return [state for (state,) in connection.execute("SELECT state FROM load")]


def _unsettled(journal: Path) -> list[str]:
    states = load_states(journal)
    return [] if states == ["settled"] else [f"the loads are {states}, not one that is settled"]
