"""A stage that rests: nothing is handed out for a while, until something is done."""

from __future__ import annotations

from lanes import QUEUE, new_lane, new_scheduler, ranges, served, together

from persistq.broker.rest import REST_MAX_S, REST_S, Rest
from persistq.broker.span import Span
from persistq.items import item_id_of
from persistq.wire.messages import Patience


def test_each_rest_is_twice_as_long_up_to_a_minute() -> None:
    """What begins while it lasts is the same one."""
    rest, now, lengths = Rest(), 10.0, []
    for _ in range(9):
        seconds = rest.begin(now)
        assert seconds is not None
        assert rest.begin(now + seconds / 2) is None
        lengths.append(seconds)
        rest.wake(now + seconds - 0.01)
        assert rest.until == now + seconds
        now += seconds
        rest.wake(now)
        assert rest.until is None
    assert lengths[:3] == [REST_S, 2 * REST_S, 4 * REST_S]
    assert lengths[-1] == REST_MAX_S


def test_nothing_is_handed_out_while_a_stage_rests() -> None:
    """And the broker sleeps until it is over, even if there is more on disk."""
    lane = new_lane(4)
    lane.backlog.append(Span(item_id_of(QUEUE, 4), item_id_of(QUEUE, 9)))
    lane.ready_bytes_max = 1
    scheduler = new_scheduler(lane)
    scheduler.join(1, QUEUE)
    assert scheduler.rest(1, 5.0) == REST_S
    assert scheduler.rest(1, 5.1) is None
    scheduler.take(1, Patience.WAIT)
    assert served(scheduler, 5.1) == {}
    assert scheduler.due() == 5.0 + REST_S
    assert not scheduler.famished
    assert served(scheduler, 5.0 + REST_S) == {1: [1]}


def test_what_is_done_ends_a_rest() -> None:
    """The next one is a short one again."""
    scheduler = new_scheduler(lane := new_lane(4))
    for consumer in (1, 2):
        scheduler.join(consumer, QUEUE)
    scheduler.take(1, Patience.WAIT)
    assert served(scheduler) == {1: [1]}
    assert scheduler.rest(2, 1.0) == REST_S
    assert scheduler.finish(1, ranges(1), 0.1)
    scheduler.take(2, Patience.WAIT)
    assert served(scheduler, 1.0) != {}
    assert scheduler.rest(2, 1.0) == REST_S
    assert lane.rest.until == 1.0 + REST_S


def test_a_rest_outlasts_arrivals() -> None:
    """New items wait with the others."""
    scheduler = new_scheduler(lane := new_lane(1))
    scheduler.join(1, QUEUE)
    scheduler.rest(1, 0.0)
    scheduler.take(1, Patience.WAIT)
    lane.arrive(together(2, 4))
    assert served(scheduler, 0.1) == {}
