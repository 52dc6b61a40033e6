"""One set of tests for `multiprocessing.JoinableQueue` and `PersistentQueue`: what both promise."""

from __future__ import annotations

import multiprocessing
import queue as stdlib
import threading
from collections.abc import Callable, Iterator
from multiprocessing.context import BaseContext
from typing import Any

import pytest
from actors import PATIENCE_S, Actor, finish_until_none, put_range

FORK = multiprocessing.get_context("fork")


@pytest.fixture(params=["multiprocessing", "persistq"])
def make_queue(request: pytest.FixtureRequest, open_queue: Any) -> Iterator[Callable[..., Any]]:
    """Make a queue of either kind."""
    if request.param == "persistq":
        yield lambda maxsize=0: open_queue("contract", maxsize)
        return
    made: list[Any] = []

    def make(maxsize: int = 0) -> Any:
        made.append(FORK.JoinableQueue(maxsize))
        return made[-1]

    yield make
    for one in made:
        one.close()
        one.join_thread()


def in_thread(act: Callable[[], Any]) -> tuple[threading.Thread, threading.Event]:
    """Start a thread, and return it with an event that is set when it has acted."""
    acted, begun = threading.Event(), threading.Event()

    def run() -> None:
        begun.set()
        act()
        acted.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert begun.wait(PATIENCE_S)
    return thread, acted


def eventually(true: Callable[[], bool]) -> bool:
    """Return whether something becomes true in good time; a feeder thread may be in between."""
    timer = threading.Event()
    return any(true() or timer.wait(0.001) for _ in range(10_000))


def test_single_consumer_gets_in_the_order_of_putting(make_queue: Callable[..., Any]) -> None:
    """First in, first out, whatever the items are."""
    queue = make_queue()
    items = [1, "two", None, (3,), [4.0], {"five": 5}, b"six", 0, -1, False, "close"]
    for item in items:
        queue.put(item)
    got = [queue.get(timeout=PATIENCE_S) for _ in items]
    assert got == items
    assert [type(item) for item in got] == [type(item) for item in items]
    for _ in items:
        queue.task_done()


def test_get_without_waiting_raises_empty(make_queue: Callable[..., Any]) -> None:
    """Both spellings of an impatient get, and a short timeout, raise the stdlib's Empty."""
    queue = make_queue()
    with pytest.raises(stdlib.Empty):
        queue.get_nowait()
    with pytest.raises(stdlib.Empty):
        queue.get(block=False)
    with pytest.raises(stdlib.Empty):
        queue.get(timeout=0.01)
    with pytest.raises(stdlib.Empty):
        queue.get(timeout=0)


def test_get_with_block_false_ignores_the_timeout(make_queue: Callable[..., Any]) -> None:
    """The timeout counts only for a blocking get."""
    with pytest.raises(stdlib.Empty):
        make_queue().get(False, 1_000_000.0)


def test_get_waits_for_an_item(make_queue: Callable[..., Any]) -> None:
    """A blocked get returns what another thread puts."""
    queue, got = make_queue(), []
    thread, _ = in_thread(lambda: got.append(queue.get()))
    queue.put("late")
    thread.join(PATIENCE_S)
    assert got == ["late"]
    queue.task_done()


def test_bounded_queue_refuses_what_is_too_much(make_queue: Callable[..., Any]) -> None:
    """A full queue raises Full at once or after the timeout, and has room again after a get."""
    queue = make_queue(2)
    queue.put("a")
    queue.put("b", block=False)
    assert queue.full()
    with pytest.raises(stdlib.Full):
        queue.put_nowait("c")
    with pytest.raises(stdlib.Full):
        queue.put("c", timeout=0.01)
    assert queue.get(timeout=PATIENCE_S) == "a"
    assert not queue.full()
    queue.put_nowait("c")
    assert [queue.get(timeout=PATIENCE_S) for _ in range(2)] == ["b", "c"]
    for _ in range(3):
        queue.task_done()


def test_put_blocks_until_another_process_gets(make_queue: Callable[..., Any]) -> None:
    """A put on a full queue returns when somebody takes an item out."""
    queue = make_queue(1)
    queue.put("first")
    with pytest.raises(stdlib.Full):
        queue.put_nowait("second")
    putting = Actor(FORK, queue)
    putting.tell("put", "second")
    assert queue.get(timeout=PATIENCE_S) == "first"
    putting.hear()
    assert queue.get(timeout=PATIENCE_S) == "second"
    queue.task_done()
    queue.task_done()
    putting.clear()


def test_bound_holds_after_quick_work(make_queue: Callable[..., Any]) -> None:
    """However fast items were so far, never more than maxsize of them wait."""
    queue = make_queue(8)
    for number in range(200):
        queue.put(number)
        queue.get(timeout=PATIENCE_S)
        queue.task_done()
    for number in range(8):
        queue.put(number, timeout=PATIENCE_S)
    assert queue.get(timeout=PATIENCE_S) == 0
    queue.put(8, timeout=PATIENCE_S)
    with pytest.raises(stdlib.Full):
        queue.put_nowait(9)
    assert queue.qsize() == 8
    assert [queue.get(timeout=PATIENCE_S) for _ in range(8)] == list(range(1, 9))
    for _ in range(9):
        queue.task_done()


def test_thread_blocked_in_put_does_not_stop_getting(make_queue: Callable[..., Any]) -> None:
    """In one process, a thread that waits for room is served by a thread that gets."""
    queue = make_queue(1)
    queue.put("first")
    with pytest.raises(stdlib.Full):
        queue.put_nowait("second")
    thread, acted = in_thread(lambda: queue.put("second"))
    got: list[Any] = []
    getting, _ = in_thread(lambda: got.append(queue.get()))
    getting.join(10)
    assert acted.wait(10)
    thread.join(10)
    assert got == ["first"]
    assert queue.get(timeout=PATIENCE_S) == "second"
    queue.task_done()
    queue.task_done()


def test_size_counts_what_nobody_got(make_queue: Callable[..., Any]) -> None:
    """Both qsize and empty follow puts and gets."""
    queue = make_queue()
    assert (queue.qsize(), queue.empty(), queue.full()) == (0, True, False)
    for number in range(3):
        queue.put(number)
    assert queue.qsize() == 3
    assert eventually(lambda: not queue.empty())
    for left in (2, 1, 0):
        queue.get(timeout=PATIENCE_S)
        assert queue.qsize() == left
    assert queue.empty()
    for _ in range(3):
        queue.task_done()


def test_too_many_task_done_raise(make_queue: Callable[..., Any]) -> None:
    """One task_done for each get, and no more."""
    queue = make_queue()
    queue.put("only")
    queue.get(timeout=PATIENCE_S)
    queue.task_done()
    with pytest.raises(ValueError, match="too many times"):
        queue.task_done()


def test_join_waits_for_the_last_task_done(make_queue: Callable[..., Any]) -> None:
    """Getting everything is not enough; the last task_done lets join return."""
    queue = make_queue()
    queue.put("a")
    queue.put("b")
    thread, joined = in_thread(queue.join)
    for _ in range(2):
        queue.get(timeout=PATIENCE_S)
    queue.task_done()
    assert not joined.wait(0.05)
    queue.task_done()
    assert joined.wait(PATIENCE_S)
    thread.join(PATIENCE_S)


def test_join_of_an_unused_queue_returns(make_queue: Callable[..., Any]) -> None:
    """Nothing put, nothing to wait for."""
    make_queue().join()


def test_put_after_close_raises_value_error(make_queue: Callable[..., Any]) -> None:
    """A closed queue takes nothing more in the process that closed it."""
    queue = make_queue()
    queue.close()
    with pytest.raises(ValueError, match="is closed"):
        queue.put(1)


def test_close_and_join_thread_can_be_repeated(make_queue: Callable[..., Any]) -> None:
    """Closing twice, and waiting for what was put, is harmless."""
    queue = make_queue()
    queue.cancel_join_thread()
    queue.close()
    queue.close()
    queue.join_thread()


def test_producers_and_consumers_share_everything_exactly_once(
    make_queue: Callable[..., Any],
) -> None:
    """Two producers and two consumers in four processes: nothing is lost or repeated."""
    queue = make_queue()
    actors = [Actor(FORK, queue) for _ in range(4)]
    for consumer in actors[2:]:
        consumer.tell(finish_until_none)
    for at, producer in enumerate(actors[:2]):
        producer.tell(put_range, at * 300, at * 300 + 300)
    for producer in actors[:2]:
        producer.hear()
        assert producer.dismiss() == 0
    queue.put(None)
    queue.put(None)
    got = [number for consumer in actors[2:] for number in consumer.hear()]
    assert sorted(got) == list(range(600))
    queue.join()
    for one in actors:
        one.clear()


def test_queue_reaches_children_of_every_start_method(
    any_context: BaseContext, request: pytest.FixtureRequest
) -> None:
    """What a child puts the parent gets, and the other way round."""
    for kind in ("multiprocessing", "persistq"):
        if kind == "multiprocessing":
            queue: Any = any_context.JoinableQueue()
        else:
            queue = request.getfixturevalue("open_queue")("contract")
        child = Actor(any_context, queue)
        queue.put("down")
        assert child.ask("get") == "down"
        child.ask("task_done")
        child.ask("put", "up")
        assert queue.get(timeout=PATIENCE_S) == "up"
        queue.task_done()
        queue.join()
        child.clear()
        if kind == "multiprocessing":
            queue.close()
            queue.join_thread()
