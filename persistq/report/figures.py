"""The figures of a report: everything that its page says of one load, and ``--json`` as well.

Texts in them are safe to show: secrets are masked, what cannot be printed is escaped, and what is
long is cut. Times are in UTC; durations are in seconds, sizes in bytes.
"""

from __future__ import annotations

import json
from datetime import datetime

import msgspec


def encoded(figures: Figures) -> bytes:
    """Return figures as one JSON document; times are as in all documents of persistq."""
    document = msgspec.to_builtins(figures, builtin_types=(datetime,))
    return json.dumps(document, default=datetime.isoformat, ensure_ascii=False).encode()


class Bucket(msgspec.Struct, frozen=True):
    """Items of a stage that took about as long.

    Attributes:
        least: How long each took at least.
        most: How long each took at most; in the last bucket that there can be, the same.
        items: How many.
    """

    least: float
    most: float
    items: int


class Items(msgspec.Struct, frozen=True):
    """Where items are.

    Attributes:
        put: How many there are.
        done: Those that are done.
        dropped: Those that were dropped.
        parked: Those that are parked as failed.
        outstanding: Those that are left.
    """

    put: int
    done: int
    dropped: int
    parked: int
    outstanding: int


class Effort(msgspec.Struct, frozen=True):
    """What the runs of a load took; of very many, the latest ones.

    Attributes:
        seconds: How long they took together.
        rate: Items done per second of that.
        rss: The most memory that broker and workers took together, where that was sampled.
        deaths: How many workers died or were killed.
        failed_attempts: How many attempts have failed, in all runs.
    """

    seconds: float
    rate: float
    rss: int
    deaths: int
    failed_attempts: int


class StageFigures(msgspec.Struct, frozen=True):
    """One stage, over all runs.

    Attributes:
        stage: Its name.
        items: Its items.
        worked: Time in its handler, summed over items and workers.
        waited: Time in which its workers had nothing to do, summed over them.
        p50: Half of its items took this long at most; this and the next two to about a fifth.
        p95: So many hundredths of them.
        p99: So many.
        longest: About the longest that an item took.
        durations: Its items by how long they took, the shortest first; only buckets that have any.
    """

    stage: str
    items: Items
    worked: float
    waited: float
    p50: float
    p95: float
    p99: float
    longest: float
    durations: list[Bucket]


class RunFigures(msgspec.Struct, frozen=True):
    """One run; all but the first are resumes.

    Attributes:
        run: Its number.
        started: When it began.
        ended: When it ended; None while it lives, and if it was killed.
        until: The last moment at which it is known to have been there.
        result: How it ended; ``running`` or ``killed`` if it has not.
        reason: Why, for people; may be empty.
        host: Where it was.
        pid: Its process.
        done: How many items it has done, of all stages.
        workers: How many processes took items.
        deaths: How many of them died or were killed.
        rss: The most memory that broker and workers took together, where that was sampled.
    """

    run: int
    started: datetime
    ended: datetime | None
    until: datetime
    result: str
    reason: str
    host: str
    pid: int
    done: int
    workers: int
    deaths: int
    rss: int

    @property
    def seconds(self) -> float:
        """How long it took, as far as that is known."""
        return max(0.0, (self.until - self.started).total_seconds())


class StageCourse(msgspec.Struct, frozen=True):
    """How one stage went on in a run, moment by moment.

    Attributes:
        stage: Its name.
        rate: Items done per second since the moment before; None at the first one.
        rss: Memory of its workers then.
    """

    stage: str
    rate: list[float | None]
    rss: list[int]


class RunCourse(msgspec.Struct, frozen=True):
    """How a run went on.

    Attributes:
        run: Its number.
        at: The moments, in seconds since 1970.
        broker_rss: Memory of the broker then.
        stages: Each stage.
    """

    run: int
    at: list[float]
    broker_rss: list[int]
    stages: list[StageCourse]


class Example(msgspec.Struct, frozen=True):
    """A failed attempt that stands for others.

    Attributes:
        name: What its item is called.
        at: When it failed.
        message: The exception's text.
        traceback: The end of it; empty for a crash.
        payload: The item.
        pid: The process; 0 if unknown.
    """

    name: str
    at: datetime
    message: str
    traceback: str
    payload: str
    pid: int


class FailureFigures(msgspec.Struct, frozen=True):
    """Failed attempts that went wrong in the same way.

    Attributes:
        stage: Where.
        kind: What went wrong: ``exception``, ``crash``, ``timeout``, ``suspect`` or ``deferred``.
        type: Class of the exception, or name of the signal.
        attempts: How many.
        items: At how many items.
        example: The latest one.
    """

    stage: str
    kind: str
    type: str
    attempts: int
    items: int
    example: Example


class SlowFigures(msgspec.Struct, frozen=True):
    """An item that took long.

    Attributes:
        name: What it is called.
        stage: Its stage.
        seconds: How long the attempt took at which it was done.
        payload: The item; empty if it is not kept any more.
    """

    name: str
    stage: str
    seconds: float
    payload: str


class WorkerFigures(msgspec.Struct, frozen=True):
    """A process that took items.

    Attributes:
        run: Its run.
        stage: Its stage.
        pid: The process.
        began: When it began to take items.
        until: When it ended, or was last known to be there.
        ending: ``left``, ``working``, ``died``, ``signal 9``, ``exit code 1`` or ``unknown``.
    """

    run: int
    stage: str
    pid: int
    began: datetime
    until: datetime
    ending: str

    @property
    def has_died(self) -> bool:
        """Whether it has ended otherwise than by leaving."""
        return self.ending not in {"left", "working", "unknown"}


class Figures(msgspec.Struct, frozen=True):
    """One load, as of one moment.

    Attributes:
        name: The load's name.
        journal: Where its journal is.
        load: Its number.
        kind: ``queue`` or ``pipeline``.
        state: ``running``, ``unfinished``, ``settled``, ``abandoned`` or ``reopened``.
        at: The moment.
        purged: When its items were given up, None if they were not.
        command: What started its last run.
        parameters: What its source was given, by name.
        next: What to type to bring it forward, None if nothing is left to do, or it is at work.
        look: What to type to see what is parked, None if nothing is.
        items: Its items, of all stages.
        effort: What its runs took.
        stages: Its stages, in order.
        runs: Its latest runs, the oldest of them first.
        runs_before: How many there were before these; their workers and course are left out too.
        course: How these runs went on; none of those of which that is not kept.
        failures: Failed attempts, the most frequent ones first.
        slow: Its slowest items, the slowest one first.
        workers: Its processes that took items, the latest ones, in the order in which they began.
        workers_before: How many there were before these in the same runs.
    """

    name: str
    journal: str
    load: int
    kind: str
    state: str
    at: datetime
    purged: datetime | None
    command: str
    parameters: dict[str, str]
    next: str | None
    look: str | None
    items: Items
    effort: Effort
    stages: list[StageFigures]
    runs: list[RunFigures]
    runs_before: int
    course: list[RunCourse]
    failures: list[FailureFigures]
    slow: list[SlowFigures]
    workers: list[WorkerFigures]
    workers_before: int
