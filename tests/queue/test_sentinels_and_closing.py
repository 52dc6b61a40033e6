"""DONE, FAILED, seals, and what ends an iteration."""

from __future__ import annotations

import os
import pickle
import queue as stdlib
import signal
import socket
import threading
from collections.abc import Callable
from multiprocessing.context import BaseContext
from typing import Any

import pytest
from actors import iterate, name_of_next, put_in_messages

from persistq import DONE, FAILED, QueueClosed, UpstreamFailed, UsageError
from persistq.client.connection import Connection
from persistq.client.producer import Producer
from persistq.items import Sentinel
from persistq.journal.base import LoadState, RunResult
from persistq.journal.sqlite_reader import SqliteReader
from persistq.wire.framing import roomy
from persistq.wire.messages import Seal

Any_ = Callable[..., Any]


def test_sentinels_are_the_same_objects_in_children(
    open_queue: Any_, actor: Any_, any_context: BaseContext
) -> None:
    """A child compares with `is`, under every start method."""
    queue = open_queue()
    child = actor(queue, context=any_context)
    queue.put(0)
    assert child.ask(name_of_next) == "an item"
    child.ask("task_done")
    queue.close()
    assert child.ask(name_of_next) == "DONE"
    assert child.ask("get") is DONE
    queue.fail()
    assert child.ask(name_of_next) == "FAILED"
    assert child.ask("get") is FAILED


@pytest.mark.parametrize(
    "item", [0, -1, False, 0.0, -1.0, None, "close", "DONE", "FAILED", (DONE,)]
)
def test_every_value_can_be_an_item(open_queue: Any_, item: object) -> None:
    """Nothing that equals a sentinel of another system ends anything."""
    queue = open_queue()
    queue.put(item)
    got = queue.get(timeout=30)
    assert type(got) is type(item)
    assert got == item
    assert [*queue.outstanding()] == [item]
    queue.task_done()
    with pytest.raises(stdlib.Empty):
        queue.get_nowait()


PUTS: dict[str, Any_] = {
    "put": lambda queue, value: queue.put(value),
    "put_nowait": lambda queue, value: queue.put_nowait(value),
    "put_many": lambda queue, value: queue.put_many([1, value, 2]),
    "put_many of an iterator": lambda queue, value: queue.put_many(iter([value])),
}


@pytest.mark.parametrize("end", [DONE, FAILED])
@pytest.mark.parametrize("way", PUTS)
@pytest.mark.parametrize(
    "options", [{}, {"maxsize": 5}, {"codec": "pickle"}, {"codec": "json"}, {"allow_pickle": False}]
)
def test_an_end_is_refused_where_it_is_put(
    open_queue: Any_, end: Sentinel, way: str, options: dict[str, Any]
) -> None:
    """One for each consumer was how others ended them; here it would end one of them early."""
    queue = open_queue(**options)
    with pytest.raises(UsageError, match=f"{end!r} is no item: every consumer is told by itself"):
        PUTS[way](queue, end)
    expected = [1] if way == "put_many" and "maxsize" in options else []
    assert [*queue.outstanding()] == expected
    queue.put("other")
    assert queue.qsize() == len(expected) + 1


def test_every_get_answers_done_for_ever(open_queue: Any_, journal_dir: Any) -> None:
    """DONE does not have to be put once for each consumer, and does not run out."""
    queue = open_queue()
    queue.put("only")
    queue.close()
    assert iterate(queue) == ["only"]
    assert [queue.get(), queue.get_nowait(), queue.get(timeout=1)] == [DONE] * 3
    with SqliteReader(journal_dir / "work.db") as reader:
        assert reader.view().load.state is LoadState.SETTLED


def test_done_waits_for_the_seal(open_queue: Any_) -> None:
    """An empty queue that is not closed is not done."""
    queue = open_queue()
    queue.put(1)
    queue.get()
    queue.task_done()
    with pytest.raises(stdlib.Empty):
        queue.get_nowait()
    queue.close()
    assert queue.get() is DONE


def test_done_waits_for_an_item_in_other_hands(open_queue: Any_, actor: Any_) -> None:
    """While somebody may still lose an item, nobody is told that it is over."""
    queue = open_queue()
    queue.put("theirs")
    queue.close()
    child = actor(queue)
    assert child.ask("get") == "theirs"
    with pytest.raises(stdlib.Empty):
        queue.get_nowait()
    child.ask("task_done")
    child.ask("flush")
    assert queue.get() is DONE


def test_close_in_one_process_closes_for_all(open_queue: Any_, actor: Any_) -> None:
    """A put in another process is refused, never lost in silence."""
    queue = open_queue()
    producers = [actor(queue), actor(queue)]
    for number, producer in enumerate(producers):
        producer.ask("put", number)
    producers[0].ask("close")
    with pytest.raises(QueueClosed):
        producers[1].ask("put", "late")
    with pytest.raises(QueueClosed):
        queue.put("late")
    with pytest.raises(QueueClosed):
        queue.put_many(["late"])
    assert sorted(iterate(queue)) == [0, 1]


def test_process_that_begins_after_the_seal_cannot_put(open_queue: Any_, actor: Any_) -> None:
    """The seal is told to those who come later too."""
    queue = open_queue()
    queue.close()
    with pytest.raises(QueueClosed):
        actor(queue).ask("put", 1)


def test_bounded_queue_is_closed_like_any_other(open_queue: Any_, actor: Any_) -> None:
    """An offer to a sealed queue is refused."""
    queue = open_queue("work", 2)
    child = actor(queue)
    child.ask("put", 1)
    queue.close()
    with pytest.raises(QueueClosed):
        child.ask("put", 2)
    assert iterate(queue) == [1]


def test_put_that_crosses_with_the_seal_is_told(
    open_queue: Any_, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that has not heard of the seal learns of it when it waits for its puts."""
    queue = open_queue()
    other = pickle.loads(pickle.dumps(queue))
    other.put("in time")
    other.flush()
    queue.close()
    try:
        monkeypatch.setattr(Producer, "_listen", lambda self: None)
        other.put("late")
        with pytest.raises(QueueClosed):
            other.flush()
        other.flush()
    finally:
        other.release()
    assert iterate(queue) == ["in time"]


def test_what_was_sent_before_the_seal_counts_however_much_it_is(
    open_queue: Any_, actor: Any_, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy broker that finds a seal reads all that had arrived from others before it."""
    queue = open_queue()
    producer, broker = actor(queue), queue._presence._leaving.run.broker
    # More than a broker reads of one peer in one look, where sockets may hold so much.
    items = [
        str(number).rjust(10_000 if socket_bytes() >= 2_000_000 else 10) for number in range(100)
    ]
    producer.ask(put_in_messages, items[:1])
    assert queue.qsize() == 1
    sealing = announce(Seal, monkeypatch)
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        producer.ask(put_in_messages, items[1:])
        closing = threading.Thread(target=queue.close)
        closing.start()
        assert sealing.wait(30)
    finally:
        os.kill(broker.pid, signal.SIGCONT)
    closing.join(30)
    producer.ask("flush")
    assert iterate(queue) == items


def socket_bytes() -> int:
    """Return how many bytes this system lets a socket hold that asks for a megabyte."""
    with socket.socket(socket.AF_UNIX) as sock:
        roomy(sock)
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)


def announce(kind: type, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Return an event that is set when a message of this kind has been sent."""
    sent, send = threading.Event(), Connection.send

    def spy(self: Connection, message: Any) -> None:
        send(self, message)
        if isinstance(message, kind):
            sent.set()

    monkeypatch.setattr(Connection, "send", spy)
    return sent


def test_iteration_ends_with_done(open_queue: Any_, actor: Any_) -> None:
    """A for loop in a child sees every item and ends."""
    queue = open_queue()
    queue.put_many(range(5))
    queue.close()
    assert actor(queue).ask(iterate) == [0, 1, 2, 3, 4]


def test_iteration_raises_on_failed(open_queue: Any_, actor: Any_) -> None:
    """A for loop cannot mistake a failed load for a finished one."""
    queue = open_queue()
    child = actor(queue)
    queue.fail("no more disk")
    with pytest.raises(UpstreamFailed, match="no more disk") as caught:
        child.ask(iterate)
    assert caught.value.name == "work"


def test_fail_overtakes_waiting_work(open_queue: Any_, actor: Any_, journal_dir: Any) -> None:
    """Consumers are told at once; the work stays in the journal."""
    queue = open_queue()
    queue.put_many(range(100))
    child = actor(queue)
    child.ask("fail", "gave up")
    assert queue.get() is FAILED
    assert child.dismiss() == 0
    assert len([*queue.outstanding()]) == 100
    queue.release()
    with SqliteReader(journal_dir / "work.db") as reader:
        view = reader.view()
    assert (view.run.result, view.run.reason) == (RunResult.FAILED, "gave up")
    assert (view.load.state, view.outstanding) == (LoadState.OPEN, 100)


def test_fail_wakes_a_process_that_waits(open_queue: Any_, actor: Any_) -> None:
    """A consumer blocked in get hears of the failure."""
    queue = open_queue()
    child = actor(queue)
    child.wait_in_get()
    queue.fail()
    assert child.hear() is FAILED


def test_failed_load_is_carried_on(open_queue: Any_) -> None:
    """FAILED belongs to a run: the next start has the work."""
    queue = open_queue()
    queue.put(1)
    queue.fail()
    queue.release()
    again = open_queue()
    again.put(1)
    again.close()
    assert again.carried_on
    assert iterate(again) == [1]


def test_context_manager_closes(open_queue: Any_) -> None:
    """The end of the block is the seal."""
    with open_queue() as queue:
        queue.put(1)
    with pytest.raises(QueueClosed):
        queue.put(2)
    assert iterate(queue) == [1]


def test_context_manager_fails_on_an_exception(open_queue: Any_) -> None:
    """A block that raises does not seal the load."""
    with pytest.raises(ZeroDivisionError), open_queue() as queue:
        queue.put(1 // 0)
    with pytest.raises(UpstreamFailed, match="ZeroDivisionError"):
        iterate(queue)


def test_settled_name_begins_a_new_load(open_queue: Any_) -> None:
    """After DONE the same name is new again."""
    first = open_queue()
    first.put(1)
    first.close()
    assert iterate(first) == [1]
    first.release()
    second = open_queue()
    assert (second.load_id, second.carried_on) == (first.load_id + 1, False)
    second.put(1)
    assert second.get() == 1
    second.task_done()
