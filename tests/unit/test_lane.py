"""The places of a queue's items, and how many are handed out at a time."""

from __future__ import annotations

import pytest
from lanes import QUEUE, ids, items, new_lane, numbers, recall

from persistq.broker.lane import ITEM_BYTES, RECALL_ITEMS, STUCK_S, Pace, Span, footprint
from persistq.items import item_id_of
from persistq.wire.messages import Patience


def test_unknown_pace_hands_out_one_by_one() -> None:
    """As long as nobody has finished anything, one item at a time is safe."""
    lane = new_lane(100)
    assert numbers(lane.next_window(seconds=1, most=50, idle=True).items) == [1]
    assert numbers(lane.next_window(seconds=1, most=50, idle=False).items) == [2]


@pytest.mark.parametrize(
    ("seconds_each", "window"), [(0.001, 40), (0.1, 10), (0.6, 1), (2.0, 1), (0.0, 40)]
)
def test_window_is_as_long_as_its_work(seconds_each: float, window: int) -> None:
    """Quick items go in bulk up to the bound, slow ones one by one."""
    lane = new_lane(1000)
    lane.pace.learn(10, 10 * seconds_each)
    assert len(lane.next_window(seconds=1.0, most=40, idle=True).items) == window


def test_bounded_queue_goes_out_one_by_one() -> None:
    """What lies unseen in a consumer's hands would not count against the bound."""
    lane = new_lane(100)
    lane.pace.learn(100, 0.001)
    lane.bounded = True
    assert len(lane.next_window(seconds=1, most=50, idle=True).items) == 1


def test_last_items_are_shared_fairly() -> None:
    """Near the end a window is at most half of one consumer's share."""
    lane = new_lane(20)
    lane.pace.learn(1000, 0.001)
    lane.consumers = 2
    sizes = []
    while lane.ready:
        sizes.append(len(lane.next_window(seconds=1.0, most=500, idle=True).items))
    assert sizes[0] == 5
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1
    assert sum(sizes) == 20


def test_recent_items_weigh_more() -> None:
    """A queue whose items become slow is handed out in smaller windows soon."""
    pace = Pace()
    pace.learn(1000, 1.0)
    assert pace.items_in(1.0) == 1000
    pace.learn(64, 64.0)
    assert pace.items_in(1.0) < 20
    pace.learn(640, 640.0)
    assert pace.items_in(10.0) == 10


def test_line_is_first_in_first_out() -> None:
    """Items leave in the order in which they arrived."""
    lane = new_lane(3)
    lane.arrive(items(4, 6))
    lane.pace.learn(100, 0.001)
    windows = [lane.next_window(seconds=1, most=1, idle=True).items for _ in range(5)]
    assert list(map(numbers, windows)) == [[1], [2], [3], [4], [5]]
    assert not lane.ready
    assert lane.ready_bytes == 0


def test_returned_items_keep_their_order_at_the_front() -> None:
    """What comes back is handed out before what never went out."""
    lane = new_lane(4)
    first = [*lane.next_window(seconds=1, most=1, idle=True).items]
    second = [*lane.next_window(seconds=1, most=1, idle=True).items]
    lane.put_back(first + second)
    assert numbers(lane.peek(9)) == [1, 2, 3, 4]
    assert lane.ready_bytes == footprint(lane.peek(9))


def test_suspect_goes_alone_and_only_to_the_idle() -> None:
    """An item that may kill its worker is not handed out together with others."""
    lane = new_lane(10)
    lane.pace.learn(100, 0.001)
    lane.suspects.extend([items(90, 91), items(91, 92)])
    assert numbers(lane.next_window(seconds=1, most=5, idle=False).items) == [1, 2, 3, 4, 5]
    assert numbers(lane.next_window(seconds=1, most=5, idle=True).items) == [90]
    assert numbers(lane.next_window(seconds=1, most=5, idle=True).items) == [91]
    lane.ready.clear()
    lane.suspects.append(items(92, 93))
    lane.holders |= {1, 2}
    lane.waiting[1] = Patience.WAIT
    assert lane.next_window(seconds=1, most=5, idle=False).items == []
    lane.waiting[2] = Patience.AHEAD
    assert lane.next_window(seconds=1, most=5, idle=False).items == []


def test_delayed_items_come_when_they_are_due() -> None:
    """Earlier due times come first, and nothing comes too early."""
    lane = new_lane()
    late, soon = ids(1, 2)
    lane.delay(late, 20.0)
    lane.delay(soon, 10.0)
    assert lane.due() == 10.0
    lane.wake(9.9)
    assert lane.recall_wanted() == []
    lane.wake(10.0)
    recall(lane)
    assert (numbers(lane.peek(9)), lane.due()) == ([2], 20.0)
    lane.wake(99.0)
    assert (lane.recall_wanted(), lane.due()) == ([], None), "read before it can be handed out"
    assert numbers(lane.next_window(seconds=1, most=1, idle=True).items) == [2]
    recall(lane)
    assert numbers(lane.peek(9)) == [1]


def test_waiting_retries_keep_no_payload_and_are_read_in_runs() -> None:
    """A run of neighbours is one page, and few of those that are due are in memory at a time."""
    lane = new_lane(3 * RECALL_ITEMS)
    window = [
        lane.next_window(seconds=1, most=1, idle=True).items[0] for _ in range(3 * RECALL_ITEMS)
    ]
    for item in window:
        lane.delay(item.item_id, 1.0 if item.item_id != ids(3)[0] else 2.0)
    assert (lane.ready_bytes, len(lane.ready)) == (0, 0)
    lane.wake(9.0)
    after, first = ids(0, 1)
    assert lane.recall_wanted() == [
        Span(after, first + 1),
        Span(first + 2, first + RECALL_ITEMS),
    ]
    recall(lane)
    assert len(lane.ready) == RECALL_ITEMS
    assert lane.recall_wanted() == []
    got = numbers(lane.next_window(seconds=1, most=1, idle=True).items)
    while lane.ready or lane.recalled:
        got += numbers(lane.next_window(seconds=1, most=1, idle=True).items)
        recall(lane)
    assert got == [1, 2, *range(4, 3 * RECALL_ITEMS + 1), 3]


def test_suspect_goes_to_a_collector_if_nobody_else_can_come_for_it() -> None:
    """Those who all hold something and all wait are served rather than left waiting for ever.

    But not at once: who has just finished something comes with empty hands a moment later.
    """
    lane = new_lane()
    lane.suspects.append(items(90, 91))
    lane.holders |= {1, 2}
    lane.waiting |= {1: Patience.WAIT, 2: Patience.WAIT}
    lane.waiting[3] = Patience.WAIT
    lane.wake(5.0)
    assert lane.due() is None, "3 has empty hands"
    del lane.waiting[3]
    lane.wake(10.0)
    assert lane.due() == 10.0 + STUCK_S
    assert lane.next_window(seconds=1, most=5, idle=False).items == []
    lane.wake(10.0 + STUCK_S)
    assert numbers(lane.next_window(seconds=1, most=5, idle=False).items) == [90]
    lane.wake(20.0)
    assert lane.due() is None, "nothing is left to wait for"


def test_suspect_goes_at_once_to_a_collector_that_would_not_wait() -> None:
    """It asks again and again, and would never have waited long enough."""
    lane = new_lane()
    lane.suspects.append(items(90, 91))
    lane.holders.add(1)
    lane.waiting[1] = Patience.NEVER
    lane.wake(10.0)
    assert numbers(lane.next_window(seconds=1, most=5, idle=False).items) == [90]


def test_items_beyond_the_bound_stay_on_disk_in_order() -> None:
    """When memory is full later items wait in the journal, and none overtakes them."""
    lane = new_lane()
    lane.ready_bytes_max = 4 * (ITEM_BYTES + 1)
    for start in range(1, 13, 2):
        lane.arrive(items(start, start + 2))
    assert numbers(lane.peek(99)) == [1, 2, 3, 4]
    assert [*lane.backlog] == [Span(item_id_of(QUEUE, 4), item_id_of(QUEUE, 12), untouched=True)]
    assert lane.page_wanted() is None
    got = []
    while lane.ready or lane.backlog:
        got += numbers(lane.next_window(seconds=1, most=1, idle=True).items)
        if (span := lane.page_wanted()) is not None:
            start = span.after - item_id_of(QUEUE, 0) + 1
            lane.refill(items(start, min(start + 3, 13)))
    assert got == list(range(1, 13))


def test_one_huge_batch_does_not_go_round_by_the_disk() -> None:
    """An empty lane takes anything."""
    lane = new_lane()
    lane.ready_bytes_max = 1
    lane.arrive(items(1, 50))
    assert len(lane.ready) == 49
    assert not lane.backlog


def test_empty_page_ends_a_range() -> None:
    """A range without outstanding items is done with."""
    lane = new_lane()
    lane.backlog.append(Span(item_id_of(QUEUE, 0), item_id_of(QUEUE, 9)))
    assert lane.page_wanted() is not None
    lane.refill([])
    assert lane.page_wanted() is None


def test_held_back_items_are_counted_apart() -> None:
    """They do not wait in line before their release, and are not over either."""
    lane = new_lane(sealed_total=5, done=2)
    lane.row.next_n = 6
    lane.hold_back(Span(item_id_of(QUEUE, 0), item_id_of(QUEUE, 5)), 3)
    assert (lane.queued, lane.over, lane.page_wanted()) == (0, False, None)
    assert lane.requeue() == 3
    assert lane.requeue() == 0
    assert lane.queued == 3
    assert lane.page_wanted() is not None


@pytest.mark.parametrize(
    "place", ["ready", "suspects", "delayed", "recalled", "backlog", "held_back"]
)
def test_nothing_is_over_while_an_item_waits_anywhere(place: str) -> None:
    """Each place that can hold an item keeps the line open."""
    lane = new_lane(sealed_total=1)
    lane.row.next_n = 2
    getattr(lane, place).append(object())
    assert not lane.over
    getattr(lane, place).clear()
    assert lane.over


def test_open_queue_is_never_over() -> None:
    """Without a seal more may come."""
    assert not new_lane().over
    assert new_lane(sealed_total=0).over


@pytest.mark.parametrize(
    ("waiting", "over"),
    [
        ({}, False),
        ({1: Patience.WAIT}, False),
        ({1: Patience.WAIT, 2: Patience.AHEAD}, False),
        ({1: Patience.WAIT, 2: Patience.NEVER}, False),
        ({1: Patience.WAIT, 2: Patience.WAIT}, True),
        ({1: Patience.WAIT, 2: Patience.WAIT, 3: Patience.AHEAD}, True),
    ],
)
def test_holders_that_all_wait_end_the_line(waiting: dict[int, Patience], over: bool) -> None:
    """Consumers that hold all that is left and wait for each other are told that it is over."""
    lane = new_lane(sealed_total=2)
    lane.row.next_n, lane.in_flight = 3, 2
    lane.holders |= {1, 2}
    lane.waiting |= waiting
    assert lane.over is over
