"""A queue that is opened again: nothing is lost, doubled or repeated."""

from __future__ import annotations

import queue as stdlib
from typing import Any

from persistq.items import DONE
from persistq.testing.contract import refused, same
from persistq.testing.queues.actor import iterate
from persistq.testing.queues.place import QueuePlace, queue_rules, take

RULES = queue_rules()


@RULES.check
def what_is_left_comes_first(place: QueuePlace) -> None:
    """Who opens a queue again gets what is outstanding, in order, and new items after it."""
    queue = place.open()
    queue.put_many(["a", "b", "c"])
    take(queue)
    queue.task_done()
    queue.flush()
    again = place.reopen()
    again.put("d")
    same([take(again) for _ in range(3)], ["b", "c", "d"])
    for _ in range(3):
        again.task_done()


@RULES.check
def killed_program_loses_nothing_that_it_has_flushed(place: QueuePlace) -> None:
    """What it put is outstanding, what it finished is not, and what it held is handed out again."""

    def work_in_part(queue: Any) -> None:
        queue.put_many(["a", "b", "c"])
        queue.get()
        queue.task_done()
        queue.get()
        queue.flush()

    place.in_a_process_that_is_killed(work_in_part)
    queue = place.open()
    queue.close()
    same(iterate(queue), ["b", "c"])


@RULES.check
def what_is_put_again_is_absorbed(place: QueuePlace) -> None:
    """Each earlier put absorbs one equal put, done or not, so that a script can start again."""

    def put_and_die(queue: Any) -> None:
        queue.put_many(["a", "a", "b"])
        queue.get()
        queue.task_done()
        queue.flush()

    place.in_a_process_that_is_killed(put_and_die)
    queue = place.open()
    queue.put_many(["a", "a", "b", "a"])
    queue.close()
    same(sorted(iterate(queue)), ["a", "a", "b"])


@RULES.check
def items_in_another_order_are_absorbed(place: QueuePlace) -> None:
    """A source without an order of its own does not double its items; new ones among them count."""
    queue = place.open()
    queue.put_many(["a", "b", "c", "c", "d"])
    queue.flush()
    again = place.reopen()
    again.put_many(["new", "d", "c", "b", "newer", "c", "a"])
    again.close()
    same(sorted(iterate(again)), ["a", "b", "c", "c", "d", "new", "newer"])


@RULES.check
def equal_looking_items_are_not_mixed_up(place: QueuePlace) -> None:
    """1, 1.0, True and "1" are four items."""
    queue = place.open()
    queue.put_many([1, 1.0])
    queue.flush()
    again = place.reopen()
    again.put_many([True, "1", 1.0, 1])
    again.close()
    same(len(iterate(again)), 4)


@RULES.check
def load_without_a_seal_stays_open(place: QueuePlace) -> None:
    """However empty a queue is that nobody has closed, the next run carries it on."""
    queue = place.open()
    queue.put("a")
    take(queue)
    queue.task_done()
    queue.flush()
    again = place.reopen()
    again.put_many(["a", "b"])
    again.close()
    same(iterate(again), ["b"])


@RULES.check
def failed_load_is_carried_on(place: QueuePlace) -> None:
    """FAILED belongs to a run: the next one has the work."""
    queue = place.open()
    queue.put(1)
    queue.fail()
    again = place.reopen()
    again.put(1)
    again.close()
    same(iterate(again), [1])


@RULES.check
def parked_items_stay_parked(place: QueuePlace) -> None:
    """What has failed for good is not handed out by the next run either."""
    queue = place.open()
    queue.put_many(["bad", "good"])
    take(queue)
    queue.task_failed()
    queue.flush()
    again = place.reopen()
    again.close()
    same(iterate(again), ["good"])


@RULES.check
def settled_queue_is_new_again(place: QueuePlace) -> None:
    """After DONE, the same script begins a new load, and nothing is absorbed."""
    queue = place.open()
    queue.put(1)
    queue.close()
    same(iterate(queue), [1])
    again = place.reopen()
    again.put(1)
    again.close()
    same(iterate(again), [1])


@RULES.check
def fresh_begins_a_new_load(place: QueuePlace) -> None:
    """What was outstanding is not handed out, and absorbs nothing."""
    queue = place.open()
    queue.put_many(["old", "both"])
    queue.flush()
    again = place.reopen(fresh=True)
    again.put("both")
    again.close()
    same(iterate(again), ["both"])


@RULES.check
def held_back_items_wait_for_their_release(place: QueuePlace) -> None:
    """With resume=False earlier items come only after requeue_outstanding, behind what waits."""
    queue = place.open()
    queue.put_many(["old 1", "old 2"])
    queue.flush()
    again = place.reopen(resume=False)
    same([*again.outstanding()], ["old 1", "old 2"])
    same(again.qsize(), 0)
    again.put("new")
    same(take(again), "new")
    with refused(stdlib.Empty):
        again.get_nowait()
    same([again.requeue_outstanding(), again.requeue_outstanding()], [2, 0])
    same([take(again), take(again)], ["old 1", "old 2"])
    for _ in range(3):
        again.task_done()
    again.close()
    same(take(again), DONE)


@RULES.check
def held_back_items_of_a_sealed_load_are_not_done(place: QueuePlace) -> None:
    """A consumer that begins before the release is not told that all work is settled."""
    queue = place.open()
    queue.put("old")
    queue.close()
    again = place.reopen(resume=False)
    other = place.actor(again)
    with refused(stdlib.Empty):
        other.ask("get_nowait")
    same(again.requeue_outstanding(), 1)
    same(other.ask(iterate), ["old"])
