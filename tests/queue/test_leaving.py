"""How a process leaves a queue, and what it is told then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from persistq import DONE, FAILED, BrokerLost
from persistq.client import housekeeper

Any_ = Callable[..., Any]


def test_release_raises_for_a_put_that_is_lost(open_queue: Any_, kill_broker: Any_) -> None:
    """It is the last call that can tell; the process has left all the same."""
    queue = open_queue()
    queue.put("kept")
    queue.flush()
    os.kill(queue._presence._run.broker.pid, signal.SIGSTOP)
    queue.put("lost")
    kill_broker(queue)
    with pytest.raises(BrokerLost):
        queue.release()
    queue.release()


def test_release_of_a_queue_that_lost_nothing_raises_nothing(
    open_queue: Any_, kill_broker: Any_, capsys: pytest.CaptureFixture[str]
) -> None:
    """That the broker is gone is said, because nobody could be told how to carry on."""
    queue = open_queue()
    queue.put("kept")
    queue.flush()
    kill_broker(queue)
    queue.release()
    assert "the broker of 'work' is gone" in capsys.readouterr().err


def test_release_beside_an_old_error_is_no_death(
    open_queue: Any_, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that an interactive session has printed long ago blames no item."""
    monkeypatch.setattr(sys, "last_value", ValueError("long ago"), raising=False)
    queue = open_queue()
    queue.put("item")
    assert queue.get() == "item"
    queue.release()
    again = open_queue()
    again.close()
    assert again.get() == "item"
    again.task_done()
    assert again.get() is DONE


def test_an_interactive_session_leaves_on_purpose(tmp_path: Path, journal_dir: Path) -> None:
    """Whatever it has printed before, the item in its hand is not blamed, however often."""
    text = (
        "from persistq import PersistentQueue\n"
        "queue = PersistentQueue('work')\n"
        "queue.put('item'); queue.get()\n"
        "1 / 0\n"
    )
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-i", "-q"],
            input=text,
            capture_output=True,
            text=True,
            timeout=50,
            check=True,
        )
        assert "ZeroDivisionError" in done.stderr
        assert "1 item outstanding" in done.stderr
        text = text.replace("queue.put('item'); ", "")


class Mute(Exception):
    """Has no text."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("error", [ValueError("caf\udce9"), "caf\udce9", Mute(), "x" * 100_000])
def test_any_error_can_be_recorded(open_queue: Any_, error: BaseException | str) -> None:
    """Neither surrogates nor a text that cannot be had keep an item from being parked."""
    queue = open_queue()
    queue.put("item")
    queue.close()
    assert queue.get() == "item"
    queue.task_failed(error=error)
    assert queue.get() is DONE
    assert [*queue.outstanding()] == []


def test_any_reason_can_be_given_up_for(open_queue: Any_) -> None:
    """The producer's error may hold a file name that no encoding takes."""
    queue = open_queue()
    error = ValueError("caf\udce9")
    queue.__exit__(ValueError, error, None)
    assert queue.get() is FAILED


def test_a_fork_meets_no_thread_of_a_queue(
    open_queue: Any_, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The housekeeper retires for the moment, and gives back what is held back afterwards."""
    monkeypatch.setattr(housekeeper, "STALL_S", 0.3)
    queue = open_queue()
    queue.put_many(range(2_000))
    queue.close()
    while not queue._presence.consumer.buffered:
        queue.get()
        queue.task_done()
    seen: list[list[str]] = []
    names = lambda: [thread.name for thread in threading.enumerate()]  # noqa: E731
    monkeypatch.setattr(housekeeper.Housekeeper, "start", _noting(seen, names))
    assert "persistq-housekeeper" in names()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        child = os.fork()
        if child == 0:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert [was for was in seen if "persistq-housekeeper" in was] == []
    assert len(seen) == 1
    assert "persistq-housekeeper" in names()


def _noting(seen: list[list[str]], names: Callable[[], list[str]]) -> Callable[..., None]:
    start = housekeeper.Housekeeper.start

    def noting(self: housekeeper.Housekeeper) -> None:
        seen.append(names())
        start(self)

    return noting
