"""Queues in child processes, however these are started and however they end."""

from __future__ import annotations

from typing import Any

from persistq.items import DONE, FAILED
from persistq.testing.contract import same
from persistq.testing.queues.place import START_METHODS, QueuePlace, Waiting, queue_rules, take

RULES = queue_rules()


def name_of_next(queue: Any) -> str:
    """Get, and say by identity what came."""
    item = queue.get()
    return "DONE" if item is DONE else "FAILED" if item is FAILED else "an item"


@RULES.check_each(START_METHODS)
def queue_reaches_child_processes(place: QueuePlace, method: str) -> None:
    """What a child puts the parent gets, and the other way round, under each start method."""
    queue = place.open()
    child = place.actor(queue, method)
    queue.put("down")
    same(child.ask("get"), "down")
    child.ask("task_done")
    child.ask("put", "up")
    same(take(queue), "up")
    queue.task_done()
    Waiting(queue.join).result()


@RULES.check_each(START_METHODS)
def sentinels_are_the_same_objects_in_children(place: QueuePlace, method: str) -> None:
    """A child compares with ``is``, under each start method."""
    queue = place.open()
    child = place.actor(queue, method)
    queue.put(0)
    same(child.ask(name_of_next), "an item")
    child.ask("task_done")
    queue.close()
    same(child.ask(name_of_next), "DONE")
    queue.fail()
    same(child.ask(name_of_next), "FAILED")


@RULES.check_each(START_METHODS)
def item_of_a_killed_consumer_goes_to_another(place: QueuePlace, method: str) -> None:
    """Dying with an item in hand loses nothing: whoever lives gets it, and the load ends."""
    queue = place.open()
    queue.put("precious")
    queue.close()
    victim, heir = place.actor(queue, method), place.actor(queue, method)
    same(victim.ask("get"), "precious")
    heir.tell("get")
    victim.kill()
    same(heir.hear(), "precious")
    heir.ask("task_done")
    same(heir.ask("get"), DONE)


@RULES.check_each(START_METHODS)
def consumer_that_is_killed_while_it_waits_blocks_nobody(place: QueuePlace, method: str) -> None:
    """There is no lock that a dead reader could keep."""
    queue = place.open()
    victim, survivor = place.actor(queue, method), place.actor(queue, method)
    for one in (victim, survivor):
        one.tell("get")
    victim.kill()
    queue.put("work")
    same(survivor.hear(), "work")
    survivor.ask("task_done")
    Waiting(queue.join).result()


@RULES.check
def finished_items_of_a_killed_consumer_stay_finished(place: QueuePlace) -> None:
    """What was flushed is not handed out again; what was in hand is, in its order."""
    queue = place.open()
    queue.put_many(["a", "b", "c"])
    queue.close()
    victim = place.actor(queue)
    same(victim.ask("get"), "a")
    victim.ask("task_done")
    victim.ask("flush")
    same(victim.ask("get"), "b")
    victim.kill()
    same([take(queue), take(queue)], ["b", "c"])
    queue.task_done()
    queue.task_done()
    same(take(queue), DONE)


@RULES.check
def what_a_killed_producer_has_flushed_is_put(place: QueuePlace) -> None:
    """Its items are handed out by whoever lives, and nothing is sealed."""
    queue = place.open()
    producer = place.actor(queue)
    producer.ask("put_many", [1, 2, 3])
    producer.ask("flush")
    producer.kill()
    same([take(queue) for _ in range(3)], [1, 2, 3])
    for _ in range(3):
        queue.task_done()
    queue.close()
    same(take(queue), DONE)


@RULES.check
def a_child_cannot_overtake_its_parent(place: QueuePlace) -> None:
    """What was put before a child began is ahead of what the child puts."""
    queue = place.open()
    for number in range(3):
        queue.put(number)
    child = place.actor(queue)
    child.ask("put", 3)
    child.ask("flush")
    same([*queue.outstanding()], [0, 1, 2, 3])


@RULES.check
def what_the_parent_has_got_is_not_the_childs(place: QueuePlace) -> None:
    """A child has nothing to finish that its parent got before it began."""
    queue = place.open()
    queue.put("mine")
    take(queue)
    child = place.actor(queue)
    try:
        child.ask("task_done")
    except ValueError:
        queue.task_done()
    else:
        raise AssertionError("the child has finished its parent's item.")
