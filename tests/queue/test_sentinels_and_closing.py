"""DONE, FAILED, seals, and what ends an iteration."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from actors import iterate, put_in_messages

from persistq import DONE, FAILED, QueueClosed, UpstreamFailed, UsageError
from persistq.client.connection import Connection
from persistq.client.producer import Producer
from persistq.items import Sentinel
from persistq.journal.load import LoadState
from persistq.journal.run import RunResult
from persistq.journal.sqlite_reader import SqliteReader
from persistq.wire.framing import roomy
from persistq.wire.messages import Seal

Any_ = Callable[..., Any]


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
