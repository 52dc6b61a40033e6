"""The public names, and what importing them costs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import persistq

NAMES = {
    "BrokerLost",
    "ClaimLost",
    "DONE",
    "Drop",
    "Event",
    "FAILED",
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
}

HEAVY = {"sqlalchemy", "alembic", "dotenv", "pydantic", "msgspec", "rich", "click"}
FOR_BROKERS_ONLY = HEAVY - {"msgspec"}

WORKERS_MODULES = [
    "persistq.pool.worker",
    "persistq.queues",
    "persistq.client.connection",
    "persistq.client.consumer",
    "persistq.client.presence",
    "persistq.client.producer",
    "persistq.client.starting",
]


def loaded_by(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has after a statement."""
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    return set(done.stdout.split())


def test_public_names_are_these() -> None:
    """No more and no fewer; each one is there, and is listed."""
    assert set(persistq.__all__) == NAMES
    assert len(persistq.__all__) == len(NAMES)
    for name in NAMES:
        assert getattr(persistq, name).__class__ is not None
        assert name in dir(persistq)
    assert callable(persistq.map)
    assert "map" in dir(persistq)
    assert persistq.__version__.count(".") == 2
    assert "__version__" in dir(persistq)


def test_unknown_name_is_an_attribute_error() -> None:
    """A misspelt name is told like that of any module."""
    with pytest.raises(AttributeError, match="'persistq' has no attribute 'PersistantQueue'"):
        persistq.PersistantQueue  # noqa: B018
    with pytest.raises(ImportError):
        exec("from persistq import PersistantQueue")


def test_importing_persistq_is_cheap() -> None:
    """It loads nothing but itself and a little of the standard library."""
    loaded = loaded_by("import persistq")
    assert "persistq" in loaded
    assert not loaded & (HEAVY | {"multiprocessing", "sqlite3"})


def test_settings_without_a_file_load_nothing_but_msgspec() -> None:
    """Every start waits for them, also that of a command and of a load that is carried on."""
    loaded = loaded_by("from persistq.settings import load_settings; load_settings()")
    assert loaded & HEAVY == {"msgspec"}


@pytest.mark.parametrize("module", WORKERS_MODULES)
def test_worker_loads_no_database(module: str) -> None:
    """What a worker process imports knows neither the journal's library nor the settings'."""
    loaded = loaded_by(f"import {module}")
    assert "persistq" in loaded
    assert not loaded & (FOR_BROKERS_ONLY | {"sqlite3"})


def test_unpickling_a_queue_loads_no_database(open_queue: object) -> None:
    """Also what a spawned child does first is free of it."""
    import pickle

    queue = open_queue()  # type: ignore[operator]
    data = pickle.dumps(queue)
    loaded = loaded_by(f"import pickle; pickle.loads({data!r})")
    assert not loaded & (FOR_BROKERS_ONLY | {"sqlite3"})
