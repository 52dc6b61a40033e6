"""Whoever waits is served or told: no wait that nobody can end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from multiprocessing import connection
from typing import Any

import pytest
from actors import iterate

from persistq import DONE, FAILED, QueueClosed, UpstreamFailed
from persistq.client.connection import Connection
from persistq.journal.sqlite_reader import SqliteReader
from persistq.wire.messages import GiveBack, Offer

LATE_S = 30
Any_ = Callable[..., Any]


def put_aloud(queue: Any, item: object, sent: threading.Event) -> None:
    """Put, and say so once the offer is on its way."""
    send = Connection.send

    def loud(self: Connection, message: Any) -> None:
        send(self, message)
        if isinstance(message, Offer):
            sent.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "send", loud)
        queue.put(item)


class Waiting:
    """A thread of this process that waits for something, and how that ended.

    Args:
        act: What waits.
    """

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act
        self._outcome: object = None
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()

    def _wait(self) -> None:
        try:
            self._outcome = self._act()
        except Exception as error:  # noqa: BLE001
            self._outcome = error

    def ended(self) -> object:
        """Return what came of it."""
        self._thread.join(30)
        assert not self._thread.is_alive(), "it waits for ever"
        return self._outcome


def test_collectors_get_what_a_dead_one_held(open_queue: Any_, actor: Any_) -> None:
    """All who are left hold items and wait for more, so one of them is given the suspect."""
    queue = open_queue()
    queue.put_many(["a", "b", "c"])
    queue.close()
    victim, first, second = actor(queue), actor(queue), actor(queue)
    assert [one.ask("get") for one in (victim, first, second)] == ["a", "b", "c"]
    first.wait_in_get()
    second.wait_in_get()
    victim.kill()
    # Whichever: both wait, and the broker may hear of the death before it hears the second of them.
    [pipe] = connection.wait([first.pipe, second.pipe], LATE_S)
    given, other = (first, second) if pipe is first.pipe else (second, first)
    assert given.hear() == "a"
    given.wait_in_get()
    assert other.hear() is DONE
    assert given.hear() is DONE
    for one in (given, given, other):
        one.ask("task_done")
    first.ask("flush")
    second.ask("flush")
    queue.join()


def test_suspect_waits_for_who_is_at_work(open_queue: Any_, actor: Any_) -> None:
    """A consumer that will come with empty hands tries it alone."""
    queue = open_queue()
    queue.put_many(["a", "b", "c"])
    queue.close()
    victim, collector, worker = actor(queue), actor(queue), actor(queue)
    assert [one.ask("get") for one in (victim, collector, worker)] == ["a", "b", "c"]
    collector.wait_in_get()
    victim.kill()
    # Had the worker nothing in hand when the death is noticed, the collector would be the one left.
    while not queue.qsize():
        continue
    worker.ask("task_done")
    assert worker.ask("get") == "a"
    worker.ask("task_done")
    worker.ask("flush")
    assert collector.hear() is DONE


def test_death_is_blamed_on_the_item_got_first(
    open_queue: Any_, actor: Any_, journal_dir: Any
) -> None:
    """Consumers that collect and finish in order: the poison is parked and nothing else."""
    queue = open_queue()
    queue.put_many(["fine", "poison", "good", "well"])
    queue.close()
    for _ in range(2):
        victim = actor(queue)
        got = [victim.ask("get") for _ in range(3)]
        for item in got[: got.index("poison")]:
            victim.ask("task_done", item)
        victim.ask("flush")
        victim.kill()
    assert sorted(iterate(queue)) == ["good", "well"]
    with SqliteReader(journal_dir / "work.db") as reader:
        ((item, _),) = reader.parked()
    assert item.payload == b'"poison"'


def test_join_of_a_failed_load_waits_for_items_in_hand(open_queue: Any_, actor: Any_) -> None:
    """They may be the last ones."""
    queue = open_queue()
    queue.put("last")
    worker = actor(queue)
    assert worker.ask("get") == "last"
    queue.fail()
    joining = Waiting(queue.join)
    worker.ask("task_done")
    worker.ask("flush")
    assert joining.ended() is None


@pytest.mark.parametrize(("ending", "error"), [("fail", UpstreamFailed), ("close", QueueClosed)])
def test_put_without_room_is_told_of_the_end(
    open_queue: Any_, actor: Any_, ending: str, error: type[Exception]
) -> None:
    """Nobody makes room in a queue whose load has failed, and in a closed one it would not help."""
    queue = open_queue(maxsize=1)
    queue.put("first")
    other, sent = actor(queue), threading.Event()
    putting = Waiting(lambda: put_aloud(queue, "second", sent))
    assert sent.wait(30)
    other.ask(ending)
    assert isinstance(putting.ended(), error)
    assert [*queue.outstanding()] == ["first"]


def test_stalled_consumer_takes_its_early_request_back(
    open_queue: Any_, actor: Any_, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else new items would go to it, while it is not there for them, instead of to the idle."""
    queue = open_queue()
    queue.put("slow")
    assert queue.get() == "slow"
    given_back, send = threading.Event(), Connection.send

    def watched(self: Connection, message: Any) -> None:
        send(self, message)
        if isinstance(message, GiveBack):
            given_back.set()

    monkeypatch.setattr(Connection, "send", watched)
    # As in the middle of a window, when nothing is left in the queue.
    consumer = queue._presence.consumer
    consumer._window.ask_at = 0
    consumer._ask_ahead()
    consumer._have_looked_after()
    assert given_back.wait(10), "its early request stands"
    idle = actor(queue)
    idle.wait_in_get()
    queue.put("new")
    queue.flush()
    assert idle.hear() == "new"


def test_iteration_over_a_failed_load_ends(open_queue: Any_, actor: Any_) -> None:
    """A collector that waits is told as well."""
    queue = open_queue()
    queue.put("held")
    collector = actor(queue)
    assert collector.ask("get") == "held"
    collector.wait_in_get()
    queue.fail()
    assert collector.hear() is FAILED
