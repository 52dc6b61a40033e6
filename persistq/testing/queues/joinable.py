"""What `multiprocessing.JoinableQueue` does, and every queue here does too."""

from __future__ import annotations

import queue as stdlib
import threading
from collections.abc import Callable

from persistq.testing.contract import refused, same, true
from persistq.testing.queues.actor import finish_until_none, put_range
from persistq.testing.queues.place import QueuePlace, Waiting, queue_rules, take

RULES = queue_rules()


@RULES.check
def single_consumer_gets_in_the_order_of_putting(place: QueuePlace) -> None:
    """First in, first out, whatever the items are, and each comes back as it was."""
    queue = place.open()
    items = [1, "two", None, (3,), [4.0], {"five": 5}, b"six", 0, -1, False, "close"]
    for item in items:
        queue.put(item)
    got = [take(queue) for _ in items]
    same(got, items)
    same([type(item) for item in got], [type(item) for item in items])
    for _ in items:
        queue.task_done()


@RULES.check
def get_without_waiting_raises_empty(place: QueuePlace) -> None:
    """Both spellings of an impatient get, and a short timeout, raise the stdlib's Empty."""
    queue = place.open()
    for get in (
        queue.get_nowait,
        lambda: queue.get(block=False),
        lambda: queue.get(timeout=0.01),
        lambda: queue.get(timeout=0),
    ):
        with refused(stdlib.Empty):
            get()


@RULES.check
def get_with_block_false_ignores_the_timeout(place: QueuePlace) -> None:
    """The timeout counts only for a blocking get."""
    with refused(stdlib.Empty):
        place.open().get(False, 1_000_000.0)


@RULES.check
def get_waits_for_an_item(place: QueuePlace) -> None:
    """A blocked get returns what another thread puts."""
    queue = place.open()
    getting = Waiting(queue.get)
    queue.put("late")
    same(getting.result(), "late")
    queue.task_done()


@RULES.check
def bounded_queue_refuses_what_is_too_much(place: QueuePlace) -> None:
    """A full queue raises Full at once or after the timeout, and has room again after a get."""
    queue = place.open(2)
    queue.put("a")
    queue.put("b", block=False)
    true(queue.full(), "it is not full")
    with refused(stdlib.Full):
        queue.put_nowait("c")
    with refused(stdlib.Full):
        queue.put("c", timeout=0.01)
    same(take(queue), "a")
    true(not queue.full(), "it is still full")
    queue.put_nowait("c")
    same([take(queue), take(queue)], ["b", "c"])
    for _ in range(3):
        queue.task_done()


@RULES.check
def put_blocks_until_another_process_gets(place: QueuePlace) -> None:
    """A put on a full queue returns when somebody takes an item out."""
    queue = place.open(1)
    queue.put("first")
    with refused(stdlib.Full):
        queue.put_nowait("second")
    putting = place.actor(queue)
    putting.tell("put", "second")
    same(take(queue), "first")
    putting.hear()
    same(take(queue), "second")
    queue.task_done()
    queue.task_done()


@RULES.check
def bound_holds_after_quick_work(place: QueuePlace) -> None:
    """However fast items were so far, never more than maxsize of them wait."""
    queue = place.open(8)
    for number in range(200):
        queue.put(number)
        take(queue)
        queue.task_done()
    for number in range(8):
        queue.put(number, timeout=30)
    same(take(queue), 0)
    queue.put(8, timeout=30)
    with refused(stdlib.Full):
        queue.put_nowait(9)
    same(queue.qsize(), 8)
    same([take(queue) for _ in range(8)], list(range(1, 9)))
    for _ in range(9):
        queue.task_done()


@RULES.check
def thread_blocked_in_put_does_not_stop_getting(place: QueuePlace) -> None:
    """In one process, a thread that waits for room is served by a thread that gets."""
    queue = place.open(1)
    queue.put("first")
    with refused(stdlib.Full):
        queue.put_nowait("second")
    putting = Waiting(lambda: queue.put("second"))
    getting = Waiting(queue.get)
    same(getting.result(), "first")
    putting.result()
    same(take(queue), "second")
    queue.task_done()
    queue.task_done()


@RULES.check
def size_counts_what_nobody_got(place: QueuePlace) -> None:
    """Both qsize and empty follow puts and gets."""
    queue = place.open()
    same((queue.qsize(), queue.empty(), queue.full()), (0, True, False))
    for number in range(3):
        queue.put(number)
    same(queue.qsize(), 3)
    true(_eventually(lambda: not queue.empty()), "it is empty after puts")
    for left in (2, 1, 0):
        take(queue)
        same(queue.qsize(), left)
    true(queue.empty(), "it is not empty after gets")
    for _ in range(3):
        queue.task_done()


@RULES.check
def too_many_task_done_raise(place: QueuePlace) -> None:
    """One task_done for each get, and no more; else it is a ValueError."""
    queue = place.open()
    queue.put("only")
    take(queue)
    queue.task_done()
    with refused(ValueError):
        queue.task_done()


@RULES.check
def join_waits_for_the_last_task_done(place: QueuePlace) -> None:
    """Getting everything is not enough; the last task_done lets join return."""
    queue = place.open()
    queue.put("a")
    queue.put("b")
    joining = Waiting(queue.join)
    take(queue)
    take(queue)
    queue.task_done()
    true(not joining.ended_within(0.05), "join returned while an item was unfinished")
    queue.task_done()
    joining.result()


@RULES.check
def join_of_an_unused_queue_returns(place: QueuePlace) -> None:
    """Nothing put, nothing to wait for."""
    Waiting(place.open().join).result()


@RULES.check
def put_after_close_is_refused(place: QueuePlace) -> None:
    """A closed queue takes nothing more in the process that closed it; it is a ValueError."""
    queue = place.open()
    queue.close()
    with refused(ValueError):
        queue.put(1)


@RULES.check
def close_and_join_thread_can_be_repeated(place: QueuePlace) -> None:
    """Closing twice, and waiting for what was put, is harmless."""
    queue = place.open()
    queue.cancel_join_thread()
    queue.close()
    queue.close()
    queue.join_thread()


@RULES.check
def producers_and_consumers_share_everything_exactly_once(place: QueuePlace) -> None:
    """Two producers and two consumers in four processes: nothing is lost or repeated."""
    queue = place.open()
    actors = [place.actor(queue) for _ in range(4)]
    producers, consumers = actors[:2], actors[2:]
    for consumer in consumers:
        consumer.tell(finish_until_none)
    for at, producer in enumerate(producers):
        producer.tell(put_range, at * 300, at * 300 + 300)
    for producer in producers:
        producer.hear()
        same(producer.dismiss(), 0, "exit code of a producer")
    queue.put(None)
    queue.put(None)
    got = [number for consumer in consumers for number in consumer.hear()]
    same(sorted(got), list(range(600)))
    Waiting(queue.join).result()


def _eventually(holds: Callable[[], bool]) -> bool:
    """Return whether something becomes true in good time; a feeder thread may be in between."""
    timer = threading.Event()
    return any(holds() or timer.wait(0.001) for _ in range(10_000))
