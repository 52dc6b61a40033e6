"""Ctrl-C and other exceptions from signal handlers, in the middle of whatever persistq does."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from persistq import BrokerLost
from persistq.client.connection import Connection

Any_ = Callable[..., Any]

STRUCK = """
import json, random, signal
from contextlib import suppress
from persistq import BrokerLost, PersistentQueue


class Struck(BaseException):
    pass


def strike(number, frame):
    raise Struck


def release(queue):
    with suppress(BrokerLost):
        queue.release()


signal.signal(signal.SIGALRM, strike)
arm = lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
dice = random.Random(11)
flushed, words = [], []
keeper, queue = PersistentQueue("work"), PersistentQueue("work")
for number in range(150):
    lost = None
    try:
        # The alarm may ring in here as well as in persistq, and only once; beyond, it is off.
        try:
            arm(dice.uniform(0.0001, 0.004))
            queue.put(number)
            queue.flush()
            flushed.append(number)
            queue.get()
            queue.task_done()
            queue.flush()
        except BrokerLost as error:
            lost = error
        arm(0)
    except Struck:
        pass
    if lost is not None:
        words.append("said" if "was interrupted" in str(lost) else str(lost))
        release(queue)
        queue = PersistentQueue("work")
release(queue)
keeper.close()
for number in keeper:
    keeper.task_done()
keeper.flush()
print(json.dumps([flushed, words]))
"""


def test_interrupted_at_any_instant_a_queue_works_or_says_that_it_was_interrupted(
    run_script: Any_, journal_dir: Path
) -> None:
    """It never waits for what has come already; and what was flushed is recorded once."""
    done = run_script(STRUCK, PERSISTQ_MAX_CRASHES="1000")
    assert done.returncode == 0, done.stderr
    flushed, words = json.loads(done.stdout)
    assert set(words) <= {"said"}
    with closing(sqlite3.connect(journal_dir / "work.db")) as connection:
        put = Counter(int(row[0]) for row in connection.execute("SELECT value FROM item"))
    assert flushed
    assert set(flushed) <= set(put)
    assert max(put.values()) == 1


def test_ctrl_c_between_an_answer_and_its_use_is_no_endless_wait(
    open_queue: Any_, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record of a put was read and not heeded: the next flush says so."""
    queue = open_queue()
    queue.put(1)
    queue.flush()
    receive = Connection.receive

    def struck(self: Connection, timeout: float | None = None) -> Any:
        receive(self, timeout)
        raise KeyboardInterrupt

    queue.put(2)
    with monkeypatch.context() as patch:
        patch.setattr(Connection, "receive", struck)
        with pytest.raises(KeyboardInterrupt):
            queue.flush()
    with pytest.raises(BrokerLost, match="was interrupted"):
        queue.flush()
    with suppress(BrokerLost):
        queue.release()
