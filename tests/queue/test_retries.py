"""Retries of a queue in its journal: what is recorded, where they are said, and who may say it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from persistq import DONE, ItemNotReadable, UsageError

Opener = Callable[..., Any]

JOINER = """
from persistq import PersistentQueue
PersistentQueue("work", {})
"""


class Explosive:
    """Cannot be unpickled."""

    def __reduce__(self) -> Any:
        return explode, ()


def explode() -> Any:
    """Raise."""
    raise ValueError("it does not fit")


def failures(journal_dir: Any) -> list[Any]:
    """Return what is recorded of failed attempts, in order."""
    with sqlite3.connect(journal_dir / "work.db") as connection:
        rows = connection.execute("SELECT kind, type, message FROM failure ORDER BY failure_id")
        return rows.fetchall()


def test_what_went_wrong_is_kept_with_each_attempt(open_queue: Opener, journal_dir: Any) -> None:
    """Of those that do not count, the last one."""
    queue = open_queue(retries=1, backoff=0)
    queue.put("item")
    queue.close()
    for error in ("429", "429 again"):
        queue.get(timeout=30)
        queue.task_retry(error=error, delay=0, counts=False)
    queue.get(timeout=30)
    queue.task_retry(error=ConnectionError("reset"))
    queue.get(timeout=30)
    queue.task_retry(error="gone")
    assert queue.get(timeout=30) is DONE
    assert failures(journal_dir) == [
        ("deferred", "TaskRetry", "429 again"),
        ("exception", "ConnectionError", "reset"),
        ("exception", "TaskRetry", "gone"),
    ]


def test_an_item_that_cannot_be_read_is_parked_whatever_the_retries(open_queue: Opener) -> None:
    """Another attempt would fail as well."""
    queue = open_queue(retries=3, backoff=0)
    queue.put(Explosive())
    queue.close()
    with pytest.raises(ItemNotReadable):
        queue.get(timeout=30)
    assert queue.get(timeout=30) is DONE


def test_a_bounded_queue_retries(open_queue: Opener) -> None:
    """Room counts what waits, and a retry waits."""
    queue = open_queue(maxsize=1, retries=1, backoff=0)
    queue.put("item")
    assert queue.get(timeout=30) == "item"
    queue.task_retry()
    assert queue.get(timeout=30) == "item"
    queue.task_done()


def test_the_settings_say_what_the_program_does_not(
    open_queue: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for the stages of pipelines."""
    monkeypatch.setenv("PERSISTQ_RETRIES", "1")
    monkeypatch.setenv("PERSISTQ_BACKOFF", "0")
    queue = open_queue()
    queue.put("item")
    queue.close()
    queue.get()
    queue.task_retry()
    assert (queue.get(timeout=30), queue.attempt()) == ("item", 2)
    queue.task_retry()
    assert queue.get(timeout=30) is DONE


@pytest.mark.parametrize("option", [{"retries": -1}, {"backoff": -0.5}, {"timeout": 0}])
def test_an_option_without_a_meaning_is_refused(
    open_queue: Opener, journal_dir: Any, option: dict[str, Any]
) -> None:
    """With its name, and before there is a journal."""
    (name,) = option
    with pytest.raises(UsageError, match=f"queue 'work': {name}="):
        open_queue(**option)
    assert not journal_dir.exists()


@pytest.mark.parametrize("says", ["retries=2", "timeout=5", "backoff=1.5"])
def test_who_joins_says_what_the_first_one_has_said(
    open_queue: Opener, run_script: Callable[..., Any], says: str
) -> None:
    """Or nothing: its own wish would not come true, so it is told so; the queue goes on."""
    queue = open_queue(retries=1, backoff=2)
    agreed = run_script(JOINER.format("retries=1, backoff=2.0"))
    assert agreed.returncode == 0, agreed.stderr
    refused = run_script(JOINER.format(says))
    assert refused.returncode == 2
    assert "queue 'work' is open with " in refused.stderr
    assert says in refused.stderr
    assert "Traceback" not in refused.stderr
    queue.put("still here")
    assert queue.get(timeout=30) == "still here"
    queue.task_done()
