"""How a load ends: DONE for everybody, FAILED for everybody, and nothing after the seal."""

from __future__ import annotations

import queue as stdlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from persistq.errors import QueueClosed, UpstreamFailed, UsageError
from persistq.items import DONE, FAILED
from persistq.testing.contract import refused, same, true
from persistq.testing.queues.actor import iterate
from persistq.testing.queues.place import QueuePlace, Waiting, queue_rules, take

RULES = queue_rules()

PUTS: Final[Mapping[str, Callable[[Any], None]]] = {
    "put": lambda queue: queue.put(DONE),
    "put_nowait": lambda queue: queue.put_nowait(FAILED),
    "put_many": lambda queue: queue.put_many([DONE]),
}


@RULES.check
def every_get_answers_done_for_ever(place: QueuePlace) -> None:
    """DONE does not have to be put once for each consumer, and does not run out."""
    queue = place.open()
    queue.put("only")
    queue.close()
    consumers = [place.actor(queue) for _ in range(2)]
    same(iterate(queue), ["only"])
    for answer in (queue.get(), queue.get_nowait(), queue.get(timeout=1)):
        true(answer is DONE, f"get answers {answer!r}")
    for consumer in consumers:
        same([consumer.ask("get"), consumer.ask("get_nowait")], [DONE, DONE])


@RULES.check
def done_waits_for_the_seal(place: QueuePlace) -> None:
    """An empty queue that is not closed is not done."""
    queue = place.open()
    queue.put(1)
    take(queue)
    queue.task_done()
    with refused(stdlib.Empty):
        queue.get_nowait()
    queue.close()
    same(take(queue), DONE)


@RULES.check
def done_waits_for_an_item_in_other_hands(place: QueuePlace) -> None:
    """While somebody may still lose an item, nobody is told that it is over."""
    queue = place.open()
    queue.put("theirs")
    queue.close()
    other = place.actor(queue)
    same(other.ask("get"), "theirs")
    with refused(stdlib.Empty):
        queue.get_nowait()
    other.ask("task_done")
    other.ask("flush")
    same(take(queue), DONE)


@RULES.check
def close_in_one_process_closes_for_all(place: QueuePlace) -> None:
    """A put in another process is refused, never lost in silence."""
    queue = place.open()
    producers = [place.actor(queue), place.actor(queue)]
    for number, producer in enumerate(producers):
        producer.ask("put", number)
    producers[0].ask("close")
    with refused(QueueClosed):
        producers[1].ask("put", "late")
    with refused(QueueClosed):
        queue.put("late")
    with refused(QueueClosed):
        queue.put_many(["late"])
    same(sorted(iterate(queue)), [0, 1])


@RULES.check
def process_that_begins_after_the_seal_cannot_put(place: QueuePlace) -> None:
    """The seal is told to those who come later too."""
    queue = place.open()
    queue.close()
    with refused(QueueClosed):
        place.actor(queue).ask("put", 1)


@RULES.check
def bounded_queue_is_closed_like_any_other(place: QueuePlace) -> None:
    """A put on a sealed queue is refused, also where there is room."""
    queue = place.open(2)
    other = place.actor(queue)
    other.ask("put", 1)
    queue.close()
    with refused(QueueClosed):
        other.ask("put", 2)
    same(iterate(queue), [1])


@RULES.check_each(PUTS)
def an_end_cannot_be_put(place: QueuePlace, way: str) -> None:
    """DONE and FAILED are no items: one that is put would end one consumer early."""
    queue = place.open()
    with refused(UsageError):
        PUTS[way](queue)
    same([*queue.outstanding()], [])


@RULES.check
def iteration_ends_with_done(place: QueuePlace) -> None:
    """A for loop in another process sees every item in order and ends."""
    queue = place.open()
    queue.put_many(range(5))
    queue.close()
    same(place.actor(queue).ask(iterate), [0, 1, 2, 3, 4])


@RULES.check
def iteration_raises_on_failed(place: QueuePlace) -> None:
    """A for loop cannot mistake a failed load for a finished one, and is told why."""
    queue = place.open()
    other = place.actor(queue)
    queue.fail("no more disk")
    try:
        other.ask(iterate)
    except UpstreamFailed as error:
        true("no more disk" in str(error), f"{error} does not say why")
    else:
        raise AssertionError("the loop ended as if all were done.")


@RULES.check
def fail_overtakes_waiting_work(place: QueuePlace) -> None:
    """Every consumer is told FAILED at once; the work stays outstanding."""
    queue = place.open()
    queue.put_many(range(100))
    others = [place.actor(queue), place.actor(queue)]
    others[0].ask("fail", "gave up")
    true(queue.get() is FAILED, "work is handed out all the same")
    for other in others:
        same(other.ask("get"), FAILED)
    same(len([*queue.outstanding()]), 100)


@RULES.check
def fail_wakes_who_waits(place: QueuePlace) -> None:
    """A process that is blocked in get hears of the failure."""
    queue = place.open()
    other = place.actor(queue)
    other.tell("get")
    queue.fail()
    same(other.hear(), FAILED)


@RULES.check
def join_is_told_that_the_load_failed(place: QueuePlace) -> None:
    """Nothing is handed out any more, so what is outstanding will stay so."""
    queue = place.open()
    queue.put("left")
    queue.fail("no more disk")
    with refused(UpstreamFailed):
        Waiting(queue.join).result()


@RULES.check
def context_manager_closes(place: QueuePlace) -> None:
    """The end of a with block is the seal."""
    with place.open() as queue:
        queue.put(1)
    with refused(QueueClosed):
        queue.put(2)
    same(iterate(queue), [1])


@RULES.check
def context_manager_fails_on_an_exception(place: QueuePlace) -> None:
    """A with block that raises does not seal the load, and lets the exception through."""
    queue = place.open()
    with refused(ZeroDivisionError), queue:
        queue.put(1 // 0)
    try:
        iterate(queue)
    except UpstreamFailed as error:
        true("ZeroDivisionError" in str(error), f"{error} does not say why")
    else:
        raise AssertionError("the loop ended as if all were done.")
