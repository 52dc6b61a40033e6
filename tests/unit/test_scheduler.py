"""Who gets which item, event by event."""

from __future__ import annotations

import random

import pytest
from lanes import QUEUE, ids, items, new_lane, new_scheduler, numbers, served

from persistq.broker.scheduler import Scheduler, Verdict
from persistq.items import FailureKind
from persistq.wire.messages import Patience, StageSpec


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
    assert scheduler.finish(1, ids(1), 0.001) == ids(1)
    ask(scheduler, 1)
    assert served(scheduler) == {1: list(range(2, 10))}


def test_items_of_a_lost_consumer_go_to_the_front() -> None:
    """Whoever waits gets them before new ones, in their order."""
    lane = new_lane(10)
    lane.pace.learn(100, 0.1)
    scheduler = new_scheduler(lane)
    ask(scheduler, 1)
    assert served(scheduler) == {1: [1, 2, 3, 4, 5]}
    scheduler.finish(1, ids(2), 0.001)
    assert numbers(scheduler.leave(1)) == [1, 3, 4, 5]
    ask(scheduler, 2)
    assert served(scheduler) == {2: [1, 3, 4, 5]}
    assert lane.in_flight == 4


def test_answer_for_an_item_not_held_is_stale() -> None:
    """Whatever is said about items in other hands changes nothing."""
    lane = new_lane(2)
    scheduler = new_scheduler(lane)
    ask(scheduler, 1, 2)
    assert served(scheduler) == {1: [1], 2: [2]}
    assert scheduler.finish(1, ids(1, 2, 77), 1.0) == ids(1)
    assert scheduler.finish(1, ids(1), 1.0) == []
    assert scheduler.drop(1, ids(2)[0]) is False
    assert scheduler.fail(1, ids(2)[0], 0.0, None) is None
    scheduler.give_back(1, ids(2))
    assert (lane.row.done, lane.row.dropped, lane.row.parked, lane.in_flight) == (1, 0, 0, 1)


def test_given_back_items_run_elsewhere() -> None:
    """They come first, the giver keeps the rest and its early request is void."""
    lane = new_lane(8)
    lane.pace.learn(100, 0.1)
    scheduler = new_scheduler(lane)
    ask(scheduler, 1)
    assert served(scheduler) == {1: [1, 2, 3, 4]}
    ask(scheduler, 1, patience=Patience.AHEAD)
    scheduler.give_back(1, ids(3, 4))
    ask(scheduler, 2)
    assert 1 not in lane.waiting
    assert served(scheduler)[2][0] == 3
    assert [*scheduler.consumers[1].held] == ids(1, 2)


def test_blamed_item_is_tried_alone_and_then_parked() -> None:
    """The second death convicts it."""
    lane = new_lane(6)
    lane.pace.learn(100, 0.1)
    scheduler = new_scheduler(lane)
    ask(scheduler, 1)
    assert served(scheduler) == {1: [1, 2, 3]}
    scheduler.leave(1)
    assert scheduler.blame(ids(2)[0], FailureKind.CRASH) is Verdict.RETRY
    assert scheduler.attempts(ids(1, 2)) == {ids(2)[0]: 1}
    ask(scheduler, 2)
    assert served(scheduler) == {2: [2]}
    scheduler.leave(2)
    assert scheduler.blame(ids(2)[0], FailureKind.TIMEOUT) is Verdict.PARK
    assert lane.row.parked == 1
    assert scheduler.attempts(ids(2)) == {}
    ask(scheduler, 3)
    assert served(scheduler)[3][0] == 1


def test_crashes_are_counted_apart_from_exceptions() -> None:
    """An item that raised and then killed its worker has one of each."""
    scheduler = new_scheduler(new_lane(1), retries=1, max_crashes=2)
    ask(scheduler, 1)
    served(scheduler)
    assert scheduler.fail(1, ids(1)[0], 0.0, 0.0) is Verdict.RETRY
    ask(scheduler, 1)
    assert served(scheduler) == {1: [1]}
    scheduler.leave(1)
    assert scheduler.blame(ids(1)[0], FailureKind.CRASH) is Verdict.RETRY
    assert scheduler.attempts(ids(1)) == {ids(1)[0]: 2}


def test_attempts_of_earlier_runs_count() -> None:
    """What the journal says about an item is continued."""
    scheduler = new_scheduler(new_lane(1), retries=3)
    scheduler.remember_attempts(ids(1)[0], FailureKind.EXCEPTION, 3)
    ask(scheduler, 1)
    served(scheduler)
    assert scheduler.fail(1, ids(1)[0], 0.0, None) is Verdict.PARK


@pytest.mark.parametrize("seed", range(5))
def test_backoff_doubles_within_its_bounds(seed: int) -> None:
    """The n-th retry waits between half of and the whole doubled delay, and never over the cap."""
    scheduler = Scheduler(window_time=1.0, window_max=9, jitter=random.Random(seed))
    scheduler.add_lane(new_lane(1), StageSpec("load", retries=200, backoff=2.0, backoff_max=100.0))
    scheduler.join(1, QUEUE)
    now = 0.0
    for attempt in range(150):
        scheduler.take(1, Patience.WAIT)
        assert served(scheduler, now) == {1: [1]}
        assert scheduler.fail(1, ids(1)[0], now, None) is Verdict.RETRY
        ceiling = min(100.0, 2.0 * 2.0 ** min(attempt, 20))
        due = scheduler.due()
        assert due is not None
        assert ceiling / 2 <= due - now <= ceiling
        assert served(scheduler, due - 0.001) == {}
        now = due


def test_handler_can_choose_the_delay() -> None:
    """A delay that was asked for counts instead of the back-off."""
    scheduler = new_scheduler(new_lane(1), retries=1, backoff=50.0)
    ask(scheduler, 1)
    served(scheduler)
    scheduler.fail(1, ids(1)[0], 100.0, 7.0)
    assert scheduler.due() == 107.0


def test_rule_to_stop_fails_the_load() -> None:
    """With on_error=stop the first parked item ends it, and everybody is told."""
    scheduler = new_scheduler(new_lane(5), on_error="stop")
    ask(scheduler, 1, 2)
    served(scheduler)
    assert scheduler.fail(1, ids(1)[0], 0.0, None) is Verdict.STOP
    assert scheduler.failed is not None
    assert "load" in scheduler.failed
    ask(scheduler, 1)
    assert served(scheduler) == {}
    assert [*scheduler.answers()] == [1]


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
    assert scheduler.finish(2, ids(2), 1.0) == ids(2)


@pytest.mark.parametrize("ending", ["halted", "failed"])
def test_halted_run_wakes_for_no_retry(ending: str) -> None:
    """What is due is not handed out, so the loop has no reason to wake."""
    scheduler = new_scheduler(new_lane(1), retries=1)
    ask(scheduler, 1)
    served(scheduler)
    scheduler.fail(1, ids(1)[0], 0.0, 5.0)
    assert scheduler.due() == 5.0
    setattr(scheduler, ending, "for a reason")
    assert scheduler.due() is None
    assert not scheduler.famished


def test_more_readers_than_are_read_at_a_time_are_served() -> None:
    """Whoever waits while retries are still to be read has the loop go on at once."""
    lane = new_lane(2)
    scheduler = new_scheduler(lane, retries=1)
    ask(scheduler, 1, 2)
    served(scheduler)
    for consumer in (1, 2):
        scheduler.fail(consumer, ids(consumer)[0], 0.0, 0.0)
    ask(scheduler, 1, 2)
    assert [*scheduler.assign(1.0)] == []
    assert scheduler.famished
    assert served(scheduler, 1.0) == {1: [1], 2: [2]}
    assert not scheduler.famished


def test_done_is_told_when_all_is_settled() -> None:
    """Each waiting consumer once, the one that only asked early not at all."""
    lane = new_lane(1)
    scheduler = new_scheduler(lane)
    ask(scheduler, 1, 2)
    ask(scheduler, 3, patience=Patience.AHEAD)
    served(scheduler)
    lane.row.sealed_total = 1
    assert [*scheduler.answers()] == []
    scheduler.finish(1, ids(1), 1.0)
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


def test_dropped_item_is_settled() -> None:
    """It counts apart from done items."""
    lane = new_lane(1)
    scheduler = new_scheduler(lane)
    ask(scheduler, 1)
    served(scheduler)
    assert scheduler.drop(1, ids(1)[0]) is True
    assert (lane.row.dropped, lane.row.outstanding, lane.in_flight) == (1, 0, 0)
