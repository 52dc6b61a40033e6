"""Who gets which item, event by event."""

from __future__ import annotations

from lanes import QUEUE, items, new_lane, new_scheduler, numbers, ranges, served

from persistq.broker.scheduler import Scheduler
from persistq.wire.messages import Patience


def ask(scheduler: Scheduler, *consumers: int, patience: Patience = Patience.WAIT) -> None:
    """Let consumers, connected first if they are not, ask for work."""
    for consumer in consumers:
        if consumer not in scheduler.consumers:
            scheduler.join(consumer, QUEUE)
        scheduler.take(consumer, patience)


def test_longest_wait_is_served_first() -> None:
    """Consumers that wait are served in the order in which they asked."""
    scheduler = new_scheduler(new_lane())
    ask(scheduler, 7, 5, 6)
    assert served(scheduler) == {}
    scheduler.arrive(items(1, 3))
    assert served(scheduler) == {7: [1], 5: [2]}
    scheduler.arrive(items(3, 4))
    assert served(scheduler) == {6: [3]}


def test_consumer_that_did_not_ask_gets_nothing() -> None:
    """Nothing is handed out twice for one request."""
    scheduler = new_scheduler(new_lane(5))
    ask(scheduler, 1)
    scheduler.join(2, QUEUE)
    assert served(scheduler) == {1: [1]}
    assert served(scheduler) == {}


def test_finished_items_teach_the_pace() -> None:
    """After quick reports the windows grow, up to the bound."""
    scheduler = new_scheduler(new_lane(100), window_max=8)
    ask(scheduler, 1)
    served(scheduler)
    assert scheduler.finish(1, ranges(1), 0.001)
    ask(scheduler, 1)
    assert served(scheduler) == {1: list(range(2, 10))}


def test_items_of_a_lost_consumer_go_to_the_front() -> None:
    """Whoever waits gets them before new ones, in their order."""
    lane = new_lane(10)
    lane.pace.learn(100, 0.1)
    scheduler = new_scheduler(lane)
    ask(scheduler, 1)
    assert served(scheduler) == {1: [1, 2, 3, 4, 5]}
    scheduler.finish(1, ranges(2), 0.001)
    assert numbers(scheduler.leave(1)) == [1, 3, 4, 5]
    ask(scheduler, 2)
    assert served(scheduler) == {2: [1, 3, 4, 5]}
    assert lane.in_flight == 4


def test_given_back_items_run_elsewhere() -> None:
    """They come first, the giver keeps the rest and its early request is void."""
    lane = new_lane(8)
    lane.pace.learn(100, 0.1)
    scheduler = new_scheduler(lane)
    ask(scheduler, 1)
    assert served(scheduler) == {1: [1, 2, 3, 4]}
    ask(scheduler, 1, patience=Patience.AHEAD)
    scheduler.give_back(1, ranges(3, 4))
    ask(scheduler, 2)
    assert 1 not in lane.waiting
    assert served(scheduler)[2][0] == 3
    assert numbers(scheduler.consumers[1].hands) == [1, 2]


def test_first_reason_to_give_up_stays() -> None:
    """Later failures do not hide the first."""
    scheduler = new_scheduler(new_lane())
    scheduler.give_up("first")
    scheduler.give_up("second")
    assert scheduler.failed == "first"


def test_halted_run_hands_nothing_out() -> None:
    """Items in hand may still be finished; who asks is told that it is over."""
    lane = new_lane(3)
    scheduler = new_scheduler(lane)
    ask(scheduler, 1, 2)
    scheduler.arrive(items(4, 5))
    assert served(scheduler) == {1: [1], 2: [2]}
    scheduler.halted = True
    ask(scheduler, 1)
    assert served(scheduler) == {}
    assert [*scheduler.answers()] == [1]
    assert scheduler.finish(2, ranges(2), 1.0)


def test_done_is_told_when_all_is_settled() -> None:
    """Each waiting consumer once, the one that only asked early not at all."""
    lane = new_lane(1)
    scheduler = new_scheduler(lane)
    ask(scheduler, 1, 2)
    ask(scheduler, 3, patience=Patience.AHEAD)
    served(scheduler)
    lane.row.sealed_total = 1
    assert [*scheduler.answers()] == []
    scheduler.finish(1, ranges(1), 1.0)
    lane.row.done = 1
    assert [*scheduler.answers()] == [2]
    assert [*scheduler.answers()] == []
    ask(scheduler, 3, 1)
    assert [*scheduler.answers()] == [3, 1]


def test_consumers_that_hold_everything_and_wait_are_done() -> None:
    """A consumer that marks its items at the very end gets to the end."""
    lane = new_lane(2)
    scheduler = new_scheduler(lane)
    ask(scheduler, 1, 2)
    served(scheduler)
    lane.row.sealed_total = 2
    ask(scheduler, 1)
    assert [*scheduler.answers()] == []
    ask(scheduler, 2)
    assert [*scheduler.answers()] == [1, 2]


def test_impatient_consumers_are_answered_at_once() -> None:
    """Who would not wait is told that there is nothing, others are not."""
    scheduler = new_scheduler(new_lane())
    ask(scheduler, 1)
    ask(scheduler, 2, patience=Patience.NEVER)
    assert [*scheduler.answers()] == []
    assert [*scheduler.impatient()] == [2]
    assert [*scheduler.impatient()] == []


def test_cancelled_wait_gets_nothing() -> None:
    """Whether the wait was still open is answered truly."""
    scheduler = new_scheduler(new_lane())
    ask(scheduler, 1)
    assert scheduler.cancel(1) is True
    assert scheduler.cancel(1) is False
    scheduler.arrive(items(1, 2))
    assert served(scheduler) == {}
