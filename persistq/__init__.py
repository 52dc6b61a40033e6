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
    from persistq.flow import Drop, Failed, Retry
    from persistq.items import DONE, FAILED
    from persistq.pipeline import Pipeline
    from persistq.queues import PersistentQueue

_HOMES = {
    "BrokerLost": "persistq.errors",
    "DONE": "persistq.items",
    "Drop": "persistq.flow",
    "FAILED": "persistq.items",
    "Failed": "persistq.flow",
    "ItemNotReadable": "persistq.errors",
    "ItemNotStorable": "persistq.errors",
    "ItemsFailed": "persistq.errors",
    "JournalBusy": "persistq.errors",
    "JournalError": "persistq.errors",
    "LoadUnfinished": "persistq.errors",
    "PersistentQueue": "persistq.queues",
    "PersistqError": "persistq.errors",
    "Pipeline": "persistq.pipeline",
    "QueueClosed": "persistq.errors",
    "Retry": "persistq.flow",
    "RunEnded": "persistq.errors",
    "UpstreamFailed": "persistq.errors",
    "UsageError": "persistq.errors",
}

__all__ = [
    "DONE",
    "FAILED",
    "BrokerLost",
    "Drop",
    "Failed",
    "ItemNotReadable",
    "ItemNotStorable",
    "ItemsFailed",
    "JournalBusy",
    "JournalError",
    "LoadUnfinished",
    "PersistentQueue",
    "PersistqError",
    "Pipeline",
    "QueueClosed",
    "Retry",
    "RunEnded",
    "UpstreamFailed",
    "UsageError",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'persistq' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
