"""Attempts at items: another one after a failure, how many there may be, and which one this is."""

from __future__ import annotations

import queue as stdlib
import time

from persistq.errors import UsageError
from persistq.items import DONE
from persistq.testing.contract import refused, same, true
from persistq.testing.queues.actor import iterate
from persistq.testing.queues.place import QueuePlace, Waiting, queue_rules, take

RULES = queue_rules()

WAIT_S = 0.2


@RULES.check
def item_that_is_retried_is_handed_out_again(place: QueuePlace) -> None:
    """Whoever gets it learns which attempt it is; a first one is number 1."""
    queue = place.open(retries=2, backoff=0.0)
    queue.put("item")
    other = place.actor(queue)
    same((take(queue), queue.attempt()), ("item", 1))
    queue.task_retry(error=ConnectionError("reset"))
    same((other.ask("get"), other.ask("attempt")), ("item", 2))
    other.ask("task_retry")
    same((take(queue), queue.attempt()), ("item", 3))
    queue.task_done()
    queue.flush()
    same([*queue.outstanding()], [])


@RULES.check
def item_is_parked_when_its_retries_are_used_up(place: QueuePlace) -> None:
    """So many attempts follow the first one, and the other items are none of them."""
    queue = place.open(retries=1, backoff=0.0)
    queue.put("bad")
    queue.close()
    take(queue)
    queue.task_retry(error="once")
    same(take(queue), "bad")
    queue.task_retry(error="twice")
    same(take(queue), DONE)
    same([*queue.outstanding()], [])


@RULES.check
def queue_without_retries_parks_at_once(place: QueuePlace) -> None:
    """A retry counts as a failed attempt, of which there is one."""
    queue = place.open()
    queue.put_many(["bad", "good"])
    queue.close()
    take(queue)
    queue.task_retry()
    same(iterate(queue), ["good"])
    same([*queue.outstanding()], [])


@RULES.check
def task_failed_is_for_good(place: QueuePlace) -> None:
    """It parks at once, however many retries there may be."""
    queue = place.open(retries=5, backoff=0.0)
    queue.put("bad")
    queue.close()
    take(queue)
    queue.task_failed(error="will never do")
    same(take(queue), DONE)


@RULES.check
def retry_waits_for_its_time_and_others_do_not(place: QueuePlace) -> None:
    """A delay of its own comes before the back-off, and meanwhile the load is not done."""
    queue = place.open(retries=1, backoff=60.0)
    queue.put_many(["late", "now"])
    queue.close()
    take(queue)
    began = time.monotonic()
    queue.task_retry(delay=WAIT_S)
    same(take(queue), "now")
    queue.task_done()
    joined = Waiting(queue.join)
    with refused(stdlib.Empty):
        queue.get_nowait()
    same(take(queue), "late")
    true(time.monotonic() - began >= WAIT_S, "it came before its time")
    true(not joined.ended_within(0), "join did not wait for it")
    queue.task_done()
    joined.result()


@RULES.check
def retry_that_does_not_count_uses_nothing_up(place: QueuePlace) -> None:
    """An item is put off as often as it takes, and stays at its first attempt."""
    queue = place.open()
    queue.put("busy")
    for _ in range(4):
        same((take(queue), queue.attempt()), ("busy", 1))
        queue.task_retry(delay=0, counts=False)
    same(take(queue), "busy")
    queue.task_done()
    queue.flush()
    same([*queue.outstanding()], [])


@RULES.check
def task_retry_takes_the_oldest_or_the_named_item(place: QueuePlace) -> None:
    """As task_done does; who has no such item is refused."""
    queue = place.open()
    queue.put_many(["a", "b", "c"])
    _, _, c = (take(queue) for _ in range(3))
    same((queue.attempt(c), queue.attempt()), (1, 1))
    queue.task_retry(c)
    queue.task_retry()
    with refused(ValueError):
        queue.task_retry(c)
    with refused(ValueError):
        queue.attempt("never got")
    queue.flush()
    same([*queue.outstanding()], ["b"])
    queue.task_done()


@RULES.check
def delay_that_is_no_time_is_refused(place: QueuePlace) -> None:
    """And the item stays where it is."""
    queue = place.open()
    queue.put("item")
    take(queue)
    for delay in ("soon", -1, float("nan"), "9d"):
        with refused(UsageError):
            queue.task_retry(delay=delay)
    queue.task_done()


@RULES.check
def attempts_are_counted_over_all_runs(place: QueuePlace) -> None:
    """The next run goes on with what is left of an item's retries."""
    queue = place.open(retries=1, backoff=0.0)
    queue.put("item")
    take(queue)
    queue.task_retry()
    queue.flush()
    queue = place.reopen(retries=1, backoff=0.0)
    queue.close()
    same((take(queue), queue.attempt()), ("item", 2))
    queue.task_retry()
    same(take(queue), DONE)
