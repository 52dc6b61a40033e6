"""What becomes of an item: done, parked, given back, and what is still outstanding."""

from __future__ import annotations

import queue as stdlib
import threading
from collections.abc import Iterator
from typing import Any

from persistq.errors import ItemNotStorable, UpstreamFailed, UsageError
from persistq.items import DONE
from persistq.testing.contract import refused, same, true
from persistq.testing.queues.actor import iterate
from persistq.testing.queues.place import QueuePlace, Waiting, queue_rules, take

RULES = queue_rules()

VALUES = [0, -1, False, 0.0, -1.0, None, "close", "DONE", "FAILED", (DONE,)]


@RULES.check
def every_value_can_be_an_item(place: QueuePlace) -> None:
    """No value ends anything, whatever it equals in other systems."""
    queue = place.open()
    for value in VALUES:
        queue.put(value)
        got = take(queue)
        same((type(got), got), (type(value), value))
        same([*queue.outstanding()], [value])
        queue.task_done()
        with refused(stdlib.Empty):
            queue.get_nowait()
        queue.flush()


@RULES.check
def more_time_can_be_asked_for_what_is_in_hand(place: QueuePlace) -> None:
    """It ends nothing and changes nothing else; what is no length of time is refused."""
    queue = place.open()
    queue.put("item")
    item = take(queue)
    for seconds in (60, 0.5, "5min"):
        queue.extend(seconds)
        queue.extend(seconds, item)
    for seconds in (0, -1, float("inf"), float("nan"), "soon", "2d"):
        with refused(UsageError):
            queue.extend(seconds)
    queue.task_done()
    queue.flush()
    same([*queue.outstanding()], [])


@RULES.check
def put_many_puts_in_order_what_an_iterator_yields(place: QueuePlace) -> None:
    """What a source yielded before it raised is put as a prefix, and no item is made up."""
    queue = place.open()
    yielded = []

    def source() -> Iterator[int]:
        for number in range(2_500):
            yielded.append(number)
            yield number
        raise KeyError

    with refused(KeyError):
        queue.put_many(source())
    queue.put_many(iter([]))
    put = [*queue.outstanding()]
    same(put, yielded[: len(put)])


@RULES.check
def item_that_cannot_be_stored_is_refused_by_put(place: QueuePlace) -> None:
    """The error comes from put itself, not later from a thread, and the queue goes on."""
    queue = place.open()
    queue.put("before")
    with refused(ItemNotStorable):
        queue.put(threading.Lock())
    with refused(ItemNotStorable):
        queue.put_many(["with it", threading.Lock()])
    queue.put("after")
    queue.close()
    same(iterate(queue), ["before", "after"])


@RULES.check
def negative_timeout_is_refused(place: QueuePlace) -> None:
    """As by queue.Queue, it is a ValueError."""
    with refused(ValueError):
        place.open().get(timeout=-1)


@RULES.check
def task_done_takes_the_oldest_or_the_named_item(place: QueuePlace) -> None:
    """Items may be finished in any order; the very object counts before an equal one."""
    queue = place.open()
    queue.put_many(["a", "b", "c", [1], [1]])
    _, _, c, first, second = (take(queue) for _ in range(5))
    queue.task_done(c)
    queue.task_done()
    queue.task_done(second)
    queue.task_done(first)
    with refused(ValueError):
        queue.task_done("never got")
    queue.flush()
    same([*queue.outstanding()], ["b"])
    queue.task_done("b")
    with refused(ValueError):
        queue.task_done()


@RULES.check
def task_failed_parks_the_item(place: QueuePlace) -> None:
    """A parked item is settled and not handed out again; its error may be words."""
    queue = place.open()
    queue.put_many(["bad", "worse", "good"])
    queue.close()
    bad = take(queue)
    queue.task_failed(bad, KeyError("column"))
    take(queue)
    queue.task_failed(error="empty file")
    same(iterate(queue), ["good"])
    same([*queue.outstanding()], [])
    Waiting(queue.join).result()
    with refused(ValueError):
        queue.task_failed()


@RULES.check
def mark_all_done_finishes_the_rest(place: QueuePlace) -> None:
    """What was got and what still waits is marked, to the end."""
    queue = place.open()
    queue.put_many(range(5))
    queue.close()
    take(queue)
    take(queue)
    same(queue.mark_all_done(), 5)
    same(take(queue), DONE)
    same([*queue.outstanding()], [])


@RULES.check
def mark_all_done_does_not_hide_a_failure(place: QueuePlace) -> None:
    """A failed load is not marked as complete."""
    queue = place.open()
    queue.put_many(range(3))
    queue.fail()
    with refused(UpstreamFailed):
        queue.mark_all_done()
    same([*queue.outstanding()], [0, 1, 2])


@RULES.check
def dispose_hands_items_to_others(place: QueuePlace) -> None:
    """What was got and not finished goes to another process, in order."""
    queue = place.open()
    queue.put_many(["a", "b"])
    same([take(queue), take(queue)], ["a", "b"])
    queue.dispose()
    queue.dispose()
    other = place.actor(queue)
    same([other.ask("get"), other.ask("get")], ["a", "b"])
    with refused(ValueError):
        queue.task_done()
    other.ask("task_done")
    other.ask("task_done")
    other.ask("flush")
    same([*queue.outstanding()], [])


@RULES.check
def queue_can_get_again_after_dispose(place: QueuePlace) -> None:
    """Disposing ends the getting of now, not of ever."""
    queue = place.open()
    queue.put(1)
    take(queue)
    queue.dispose()
    same(take(queue), 1)
    queue.task_done()


@RULES.check
def outstanding_skips_done_and_parked_items(place: QueuePlace) -> None:
    """Listed is what is put and not settled, items in hand included, in order."""
    queue = place.open()
    queue.put_many(range(2_500))
    take(queue)
    queue.task_done()
    take(queue)
    queue.task_failed()
    same(take(queue), 2)
    queue.flush()
    true([*queue.outstanding()] == list(range(2, 2_500)), "outstanding are others than 2 to 2499")


@RULES.check
def two_objects_of_one_process_share_a_queue(place: QueuePlace) -> None:
    """Whoever opens the queue again while it is open gets items of the same load."""
    first, second = place.open(), place.open()
    first.put_many(["a", "b"])
    same({take(first), take(second)}, {"a", "b"})
    first.task_done()
    second.task_done()
    first.close()
    same(take(second), DONE)


@RULES.check
def threads_share_one_queue_object(place: QueuePlace) -> None:
    """Threads put and finish items with one object; every item is recorded once."""
    queue = place.open()
    got: list[Any] = []

    def consume() -> None:
        for item in queue:
            got.append(item)
            queue.task_done(item)

    def produce(start: int) -> None:
        for number in range(start, start + 100):
            queue.put(number)

    consumers = [Waiting(consume) for _ in range(3)]
    producers = [Waiting(lambda start=start: produce(start)) for start in (0, 100, 200)]  # type: ignore[misc]
    for waiting in producers:
        waiting.result()
    queue.close()
    for waiting in consumers:
        waiting.result()
    same(sorted(got), list(range(300)))
    same([*queue.outstanding()], [])
