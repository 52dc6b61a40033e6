"""Ctrl-C and other exceptions from signal handlers, in the middle of whatever persistq does."""

from __future__ import annotations

import random
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from types import FrameType
from typing import Any

import pytest

from persistq import BrokerLost, PersistentQueue
from persistq.client.connection import Connection

Any_ = Callable[..., Any]
ROUNDS = 150


class Struck(BaseException):
    """What the handler of a signal raises."""


@pytest.fixture
def strike() -> Iterator[Callable[[float], None]]:
    """Have `Struck` raised after a time in seconds, wherever this process is by then."""

    def raise_struck(number: int, frame: FrameType | None) -> None:
        raise Struck

    before = signal.signal(signal.SIGALRM, raise_struck)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


# An exception between the opening of a socket and its having an owner leaves it to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_interrupted_at_any_instant_a_queue_works_or_says_that_it_was_interrupted(
    open_queue: Any_, strike: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It never waits for what has come already; and what was flushed is recorded once."""
    monkeypatch.setenv("PERSISTQ_MAX_CRASHES", "1000")
    dice = random.Random(11)
    flushed: set[int] = set()
    words: set[str] = set()
    keeper = open_queue()
    journal, queue = keeper.journal, open_queue()
    for number in range(ROUNDS):
        try:
            strike(dice.uniform(0.0001, 0.004))
            queue.put(number)
            queue.flush()
            flushed.add(number)
            queue.get()
            queue.task_done()
            queue.flush()
            strike(0)
        except Struck:
            pass
        except BrokerLost as error:
            strike(0)
            words.add(str(error))
            release(queue)
            queue = open_queue()
    strike(0)
    release(queue)
    keeper.close()
    for _ in keeper:
        keeper.task_done()
    keeper.flush()
    with closing(sqlite3.connect(journal)) as connection:
        put = Counter(int(row[0]) for row in connection.execute("SELECT payload FROM put_log"))
    assert all("was interrupted" in word for word in words)
    assert flushed <= set(put)
    assert max(put.values()) == 1


def release(queue: PersistentQueue[int]) -> None:
    """Leave; whoever was interrupted is told that something may be lost."""
    with suppress(BrokerLost):
        queue.release()


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
    release(queue)
