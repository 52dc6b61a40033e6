"""persistq: a crash-resumable persistent queue for ETL.

General layout: `persistq.queues` and `persistq.pipeline` are what programs use; both talk through
`persistq.client` to one `persistq.broker`, a process of its own, which alone writes the
`persistq.journal`. `persistq.pool` runs a pipeline's workers, `persistq.cli` is the command. The
public names are below and nowhere else; each is loaded when it is first used, so ``import
persistq`` is cheap.
"""

from __future__ import annotations

from importlib import import_module

from persistq import origin as origin

# Type checkers know this name; to import it from typing would double the cost of this import.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from persistq.errors import (
        BrokerLost,
        ClaimLost,
        FolderError,
        ItemNotReadable,
        ItemNotStorable,
        ItemsFailed,
        JournalBusy,
        JournalError,
        LoadUnfinished,
        PersistqError,
        QueueClosed,
        RunEnded,
        UpstreamFailed,
        UsageError,
    )
    from persistq.event import Event
    from persistq.flow import Drop, Failed, Retry
    from persistq.folder import FolderQueue
    from persistq.folder.outbox import Outbox
    from persistq.following import events
    from persistq.items import DONE, FAILED
    from persistq.pipeline import Pipeline
    from persistq.pipeline.live import LiveRun
    from persistq.pipeline.mapping import map as map  # noqa: A004 - as in `multiprocessing.Pool`
    from persistq.pipeline.together import run_all
    from persistq.put import Put
    from persistq.queues import PersistentQueue
    from persistq.routing import To
    from persistq.settings import Settings

_HOMES = {
    "BrokerLost": "persistq.errors",
    "ClaimLost": "persistq.errors",
    "DONE": "persistq.items",
    "Drop": "persistq.flow",
    "Event": "persistq.event",
    "FAILED": "persistq.items",
    "Failed": "persistq.flow",
    "FolderError": "persistq.errors",
    "FolderQueue": "persistq.folder",
    "ItemNotReadable": "persistq.errors",
    "ItemNotStorable": "persistq.errors",
    "ItemsFailed": "persistq.errors",
    "JournalBusy": "persistq.errors",
    "JournalError": "persistq.errors",
    "LiveRun": "persistq.pipeline.live",
    "LoadUnfinished": "persistq.errors",
    "Outbox": "persistq.folder.outbox",
    "PersistentQueue": "persistq.queues",
    "PersistqError": "persistq.errors",
    "Pipeline": "persistq.pipeline",
    "Put": "persistq.put",
    "QueueClosed": "persistq.errors",
    "Retry": "persistq.flow",
    "RunEnded": "persistq.errors",
    "Settings": "persistq.settings",
    "To": "persistq.routing",
    "UpstreamFailed": "persistq.errors",
    "UsageError": "persistq.errors",
    "events": "persistq.following",
    "map": "persistq.pipeline.mapping",
    "run_all": "persistq.pipeline.together",
}

__all__ = [
    "DONE",
    "FAILED",
    "BrokerLost",
    "ClaimLost",
    "Drop",
    "Event",
    "Failed",
    "FolderError",
    "FolderQueue",
    "ItemNotReadable",
    "ItemNotStorable",
    "ItemsFailed",
    "JournalBusy",
    "JournalError",
    "LiveRun",
    "LoadUnfinished",
    "Outbox",
    "PersistentQueue",
    "PersistqError",
    "Pipeline",
    "Put",
    "QueueClosed",
    "Retry",
    "RunEnded",
    "Settings",
    "To",
    "UpstreamFailed",
    "UsageError",
    "events",
    "run_all",
]

# `map` is not among them: who imports all names keeps Python's own.

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'persistq' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__", "map"])
