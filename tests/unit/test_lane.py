"""The places of a queue's items, and how many are handed out at a time."""

from __future__ import annotations

import pytest
from lanes import QUEUE, ids, items, new_lane, numbers, recall, together

from persistq.blocks import Slice, count_of, whole
from persistq.broker.lane import STUCK_S
from persistq.broker.line import SLICE_BYTES, footprint
from persistq.broker.pace import Pace
from persistq.broker.retries import RECALL_ITEMS
from persistq.broker.serving import next_window
from persistq.broker.span import Span
from persistq.items import item_id_of
from persistq.wire.messages import Patience


def test_unknown_pace_hands_out_one_by_one() -> None:
    """As long as nobody has finished anything, one item at a time is safe."""
    lane = new_lane(100)
    assert numbers(next_window(lane, seconds=1, most=50, idle=True).slices) == [1]
    assert numbers(next_window(lane, seconds=1, most=50, idle=False).slices) == [2]


@pytest.mark.parametrize(
    ("seconds_each", "window"), [(0.001, 40), (0.1, 10), (0.6, 1), (2.0, 1), (0.0, 40)]
)
def test_window_is_as_long_as_its_work(seconds_each: float, window: int) -> None:
    """Quick items go in bulk up to the bound, slow ones one by one."""
    lane = new_lane(1000)
    lane.pace.learn(10, 10 * seconds_each)
    assert next_window(lane, seconds=1.0, most=40, idle=True).count == window


def test_bounded_queue_goes_out_one_by_one() -> None:
    """What lies unseen in a consumer's hands would not count against the bound."""
    lane = new_lane(100)
    lane.pace.learn(100, 0.001)
    lane.bounded = True
    assert next_window(lane, seconds=1, most=50, idle=True).count == 1


def test_last_items_are_shared_fairly() -> None:
    """Near the end a window is at most half of one consumer's share."""
    lane = new_lane(20)
    lane.pace.learn(1000, 0.001)
    lane.consumers = 2
    sizes = []
    while lane.ready:
        sizes.append(next_window(lane, seconds=1.0, most=500, idle=True).count)
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
    windows = [next_window(lane, seconds=1, most=1, idle=True).slices for _ in range(5)]
    assert list(map(numbers, windows)) == [[1], [2], [3], [4], [5]]
    assert not lane.ready
    assert lane.ready.bytes == 0


def test_returned_items_keep_their_order_at_the_front() -> None:
    """What comes back is handed out before what never went out."""
    lane = new_lane(4)
    first = [*next_window(lane, seconds=1, most=1, idle=True).slices]
    second = [*next_window(lane, seconds=1, most=1, idle=True).slices]
    lane.ready.put_back(first + second)
    assert numbers(lane.ready) == [1, 2, 3, 4]
    assert lane.ready.bytes == footprint(lane.ready)


def test_suspect_goes_alone_and_only_to_the_idle() -> None:
    """An item that may kill its worker is not handed out together with others."""
    lane = new_lane(10)
    lane.pace.learn(100, 0.001)
    lane.suspects.extend([items(90, 91), items(91, 92)])
    assert numbers(next_window(lane, seconds=1, most=5, idle=False).slices) == [1, 2, 3, 4, 5]
    assert numbers(next_window(lane, seconds=1, most=5, idle=True).slices) == [90]
    assert numbers(next_window(lane, seconds=1, most=5, idle=True).slices) == [91]
    lane.ready.take(99, exactly=True)
    lane.suspects.append(items(92, 93))
    lane.holders |= {1, 2}
    lane.waiting[1] = Patience.WAIT
    assert next_window(lane, seconds=1, most=5, idle=False).slices == []
    lane.waiting[2] = Patience.AHEAD
    assert next_window(lane, seconds=1, most=5, idle=False).slices == []


def test_delayed_items_come_when_they_are_due() -> None:
    """Earlier due times come first, and nothing comes too early."""
    lane = new_lane()
    late, soon = ids(1, 2)
    lane.retries.delay(late, 20.0)
    lane.retries.delay(soon, 10.0)
    assert lane.due() == 10.0
    lane.wake(9.9)
    assert lane.retries.wanted() == []
    lane.wake(10.0)
    recall(lane)
    assert (numbers(lane.ready), lane.due()) == ([2], 20.0)
    lane.wake(99.0)
    assert (lane.retries.wanted(), lane.due()) == ([], None), "read before it can be handed out"
    assert numbers(next_window(lane, seconds=1, most=1, idle=True).slices) == [2]
    recall(lane)
    assert numbers(lane.ready) == [1]


def test_waiting_retries_keep_no_payload_and_are_read_in_runs() -> None:
    """A run of neighbours is one page, and few of those that are due are in memory at a time."""
    lane = new_lane(3 * RECALL_ITEMS)
    window = [
        next_window(lane, seconds=1, most=1, idle=True).slices[0] for _ in range(3 * RECALL_ITEMS)
    ]
    for part in window:
        item_id = part.ids.first
        lane.retries.delay(item_id, 1.0 if item_id != ids(3)[0] else 2.0)
    assert (lane.ready.bytes, lane.ready.count) == (0, 0)
    lane.wake(9.0)
    after, first = ids(0, 1)
    assert lane.retries.wanted() == [
        Span(after, first + 1),
        Span(first + 2, first + RECALL_ITEMS),
    ]
    recall(lane)
    assert lane.ready.count == RECALL_ITEMS
    assert lane.retries.wanted() == []
    got = numbers(next_window(lane, seconds=1, most=1, idle=True).slices)
    while lane.ready or lane.retries.recalled:
        got += numbers(next_window(lane, seconds=1, most=1, idle=True).slices)
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
    assert next_window(lane, seconds=1, most=5, idle=False).slices == []
    lane.wake(10.0 + STUCK_S)
    assert numbers(next_window(lane, seconds=1, most=5, idle=False).slices) == [90]
    lane.wake(20.0)
    assert lane.due() is None, "nothing is left to wait for"


def test_suspect_goes_at_once_to_a_collector_that_would_not_wait() -> None:
    """It asks again and again, and would never have waited long enough."""
    lane = new_lane()
    lane.suspects.append(items(90, 91))
    lane.holders.add(1)
    lane.waiting[1] = Patience.NEVER
    lane.wake(10.0)
    assert numbers(next_window(lane, seconds=1, most=5, idle=False).slices) == [90]


def test_items_beyond_the_bound_stay_on_disk_in_order() -> None:
    """When memory is full later items wait in the journal, and none overtakes them."""
    lane = new_lane()
    lane.ready_bytes_max = 4 * (SLICE_BYTES + 2)
    for start in range(1, 13, 2):
        lane.arrive(items(start, start + 2))
    assert numbers(lane.ready) == [1, 2, 3, 4]
    assert [*lane.backlog] == [Span(item_id_of(QUEUE, 4), item_id_of(QUEUE, 12), untouched=True)]
    assert lane.page_wanted() is None
    got = []
    while lane.ready or lane.backlog:
        got += numbers(next_window(lane, seconds=1, most=1, idle=True).slices)
        if (span := lane.page_wanted()) is not None:
            start = span.after - item_id_of(QUEUE, 0) + 1
            lane.refill(items(start, min(start + 3, 13)))
    assert got == list(range(1, 13))


def test_one_huge_batch_does_not_go_round_by_the_disk() -> None:
    """An empty lane takes anything."""
    lane = new_lane()
    lane.ready_bytes_max = 1
    lane.arrive(items(1, 50))
    assert lane.ready.count == 49
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


@pytest.mark.parametrize("place", ["ready", "suspects", "retries", "backlog", "held_back"])
def test_nothing_is_over_while_an_item_waits_anywhere(place: str) -> None:
    """Each place that can hold an item keeps the line open."""
    lane = new_lane(sealed_total=1)
    lane.row.next_n = 2
    assert lane.over
    setattr(lane, place, [object()])
    assert not lane.over


@pytest.mark.parametrize("place", ["delayed", "recalled"])
def test_nothing_is_over_while_a_retry_waits(place: str) -> None:
    """Whether it is due or not."""
    lane = new_lane(sealed_total=1)
    lane.row.next_n = 2
    getattr(lane.retries, place).append(object())
    assert not lane.over


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


# --- blocks ---


def test_blocks_go_out_as_they_came() -> None:
    """While items are quick, nothing is cut or copied on the way through the broker."""
    lane = new_lane()
    put = [whole(ids(start)[0], together(start, start + 100)[0].block) for start in (1, 101, 201)]
    lane.arrive(put)
    lane.pace.learn(100, 1e-6)
    window = next_window(lane, seconds=1, most=100, idle=True)
    assert window.slices[0] is put[0]
    assert window.slices[0].block is put[0].block


def test_a_further_block_is_left_whole_rather_than_cut_for_the_rest_of_a_window() -> None:
    """So it does not travel twice; but a window is at least half full."""
    lane = new_lane()
    lane.arrive([*together(1, 51), *together(51, 151), *together(151, 251), *together(251, 400)])
    lane.pace.learn(100, 1e-6)
    windows = [next_window(lane, seconds=1, most=most, idle=True) for most in (80, 60, 60)]
    assert [window.count for window in windows] == [50, 60, 40]
    assert [numbers(window.slices)[0] for window in windows] == [1, 51, 111]


def test_of_a_block_of_slow_items_only_those_travel_that_are_wanted() -> None:
    """It is taken apart, once and in order, when an eighth of it is more than a window."""
    lane = new_lane(100)
    first = next_window(lane, seconds=1, most=50, idle=True).slices
    assert [part.block.count for part in first] == [1]
    assert {part.block.count for part in lane.ready} == {1}
    assert numbers([*first, *lane.ready]) == [*range(1, 101)]
    assert lane.ready.bytes == footprint(lane.ready)


def test_a_larger_part_of_a_block_is_cut_and_not_copied() -> None:
    """Both parts are of the same block."""
    lane = new_lane(100)
    lane.pace.learn(100, 5.0)
    [part] = next_window(lane, seconds=1, most=50, idle=True).slices
    [rest] = lane.ready
    assert part.block is rest.block
    assert (part.count, rest.count, lane.ready.count) == (20, 80, 80)


def test_a_damaged_block_is_handed_out_whole() -> None:
    """Nobody can take it apart; its consumer will say so of each of its items."""
    lane = new_lane()
    [part] = together(1, 101)
    lane.arrive([part._replace(block=part.block._replace(crc=1)), *together(101, 103)])
    window = next_window(lane, seconds=1, most=50, idle=True)
    assert (window.count, lane.ready.count) == (100, 2)
    lane.ready.put_back(piece for n in range(0, 100, 2) for piece in [part_of(window.slices, n)])
    assert lane.ready.count == 52


def part_of(slices: list[Slice], position: int) -> Slice:
    """Return one item of a block."""
    return slices[0]._replace(start=position, stop=position + 1)


def test_what_comes_back_in_pieces_leaves_its_block() -> None:
    """Each piece would carry the whole block with it."""
    lane = new_lane(100)
    lane.pace.learn(100, 1e-6)
    window = next_window(lane, seconds=1, most=100, idle=True)
    assert window.count == 50
    odd = [part_of(window.slices, n) for n in range(0, 50, 2)]
    lane.ready.put_back(odd)
    front = [*lane.ready][:25]
    assert [part.block.count for part in front] == [1] * 25
    assert numbers(lane.ready) == [*range(1, 51, 2), *range(51, 101)]
    assert count_of(lane.ready) == lane.ready.count == 75


def test_retries_of_an_earlier_run_wait_until_they_are_due() -> None:
    """They are found where everything else is that is still to be read, and left there."""
    lane = new_lane()
    lane.row.next_n = 10
    lane.backlog.append(Span(ids(0)[0], ids(9)[0]))
    for number in (1, 4, 5, 9):
        lane.retries.note(ids(number)[0], 10.0 + number)
    lane.refill(together(1, 10))
    assert numbers(lane.ready) == [2, 3, 6, 7, 8]
    assert sorted(lane.retries.delayed) == [(10.0 + n, ids(n)[0]) for n in (1, 4, 5, 9)]
    assert not lane.backlog
