"""Runs: process lifetimes that work on a load, and the processes that take part in them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from persistq.peer import Peer


class RunResult(enum.StrEnum):
    """How a run ended; a run that was killed has no result."""

    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Command:
    """What to type to start this program again.

    Attributes:
        executable: Absolute path of the interpreter.
        argv: Its arguments, without the interpreter itself.
        cwd: Absolute path of the directory it was started in.
        peer: The process that opened the load.
        environment: Settings that it was given by its environment, by variable.
    """

    executable: str
    argv: tuple[str, ...]
    cwd: str
    peer: Peer
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """One process lifetime that worked on a load.

    ``run_id`` is unique in its journal, ``uuid`` (32 hex digits) everywhere.
    """

    run_id: int
    load_id: int
    command: Command
    started_at: datetime
    ended_at: datetime | None
    result: RunResult | None
    reason: str
    uuid: str


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """A process that begins to take items from a queue in this run."""

    worker_id: int
    queue_id: int
    peer: Peer


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process of this run ended, as its parent has learnt it.

    Attributes:
        pid: The process.
        exit_code: Its exit status.
        signal: Number of the signal that killed it, or None.
        peak_rss: Largest resident set in bytes, or None when unknown.
        out_of_memory: Whether the kernel's OOM killer is the likely cause.
    """

    pid: int
    exit_code: int
    signal: int | None
    peak_rss: int | None
    out_of_memory: bool
