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
from actors import join_checking

from persistq import DONE, FAILED, BrokerLost, ItemsFailed
from persistq.client import housekeeper

Any_ = Callable[..., Any]


def test_release_raises_for_a_put_that_is_lost(open_queue: Any_, kill_broker: Any_) -> None:
    """It is the last call that can tell; the process has left all the same."""
    queue = open_queue()
    queue.put("kept")
    queue.flush()
    os.kill(queue._presence._leaving.run.broker.pid, signal.SIGSTOP)
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


POISONED = """
import os, sys
from multiprocessing import Process
from pathlib import Path
from persistq import ItemsFailed, PersistentQueue

def work(queue):
    for item in queue:
        if item == "poison" and not Path("mended").exists():
            os._exit(9)
        queue.task_done()

if __name__ == "__main__":
    queue = PersistentQueue("work")
    workers = [Process(target=work, args=(queue,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    queue.put_many(["poison", "one", "two"])
    queue.close()
    {end}
"""


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("queue.join()", 0),
        ("queue.join(check=True)", 6),
        ("queue.join(); queue.release()", 0),
    ],
)
def test_the_end_of_a_program_says_what_is_parked(
    end: str, code: int, run_script: Any_, journal_dir: Path, tmp_path: Path
) -> None:
    """Once, and what to type; `join` makes it the exit code, if that is wanted."""
    done = run_script(POISONED.format(end=end), PERSISTQ_MAX_CRASHES="1")
    assert done.returncode == code, done.stderr
    file = journal_dir / "work.db"
    assert done.stderr == (
        f"work: 1 item parked as failed in {file}; retry with: persistq resume --failed work\n"
    )
    (tmp_path / "mended").touch()
    again = [sys.executable, "-m", "persistq.cli", "resume", "--failed", "work"]
    done = subprocess.run(again, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    assert "parked" not in done.stderr


def test_what_is_outstanding_and_what_is_parked_are_said_together(run_script: Any_) -> None:
    """Either can be brought forward, with or without the other."""
    text = """
from persistq import PersistentQueue
queue = PersistentQueue("work")
queue.put_many(range(3))
queue.get()
queue.task_failed(error="no good")
"""
    said = run_script(text).stderr
    assert said.startswith("work: 2 items outstanding and 1 parked as failed in "), said
    assert said.endswith(
        "; carry on with: persistq resume work, or, to retry those parked too: "
        "persistq resume --failed work\n"
    )


def test_join_raises_in_children_too(open_queue: Any_, actor: Any_) -> None:
    """Whoever asks is told; nothing is raised without asking, or when nothing is parked."""
    queue = open_queue()
    queue.put("item")
    queue.get()
    queue.task_done()
    queue.join(check=True)
    queue.put("item")
    queue.get()
    queue.task_failed()
    queue.join()
    child = actor(queue)
    with pytest.raises(ItemsFailed, match="nothing outstanding, and 1 item parked"):
        child.ask(join_checking)


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
