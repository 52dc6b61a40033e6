"""When a batch is handed out: full, or old enough, or with nothing more to come."""

from __future__ import annotations

from lanes import QUEUE, block, items, new_lane, new_scheduler, new_transitions, numbers, together

from persistq.blocks import Slice
from persistq.broker.filling import PARTS, Filling
from persistq.broker.lane import Lane
from persistq.broker.line import SLICE_BYTES
from persistq.broker.serving import next_window
from persistq.broker.span import Span
from persistq.broker.window import Window
from persistq.items import item_id_of
from persistq.policy import Batching
from persistq.wire.messages import Patience


def filling_lane(
    put: int = 0, *, batch: int = 10, linger: float = 1.0, batch_bytes: int = 1 << 20
) -> Lane:
    """Return a lane whose items are handed out in batches."""
    lane = new_lane(put)
    lane.filling = Filling(Batching(batch=batch, linger=linger, batch_bytes=batch_bytes))
    lane.waiting[1] = Patience.WAIT
    return lane


def window(lane: Lane, now: float, *, idle: bool = True, batch: int = 10) -> Window:
    """Return what is handed out at a time."""
    lane.wake(now)
    return next_window(lane, seconds=1.0, most=512, idle=idle, together=batch, now=now)


def test_a_batch_waits_until_it_is_full() -> None:
    """One item less is not enough."""
    lane = filling_lane(9)
    assert window(lane, 0.0).count == 0
    assert lane.due() == 1.0
    lane.arrive(items(10, 13))
    full = window(lane, 0.5)
    assert (numbers(full.slices), list(full.sizes)) == ([*range(1, 11)], [10])


def test_what_is_there_goes_out_when_its_first_item_has_waited() -> None:
    """Later ones do not begin the wait anew."""
    lane = filling_lane(3)
    assert window(lane, 0.0).count == 0
    lane.arrive(items(4, 6))
    assert window(lane, 0.9).count == 0
    assert lane.due() == 1.0
    assert numbers(window(lane, 1.0).slices) == [1, 2, 3, 4, 5]
    assert lane.due() is None


def test_what_a_full_batch_leaves_has_waited_since_it_came() -> None:
    """Not since the batch before it has gone."""
    lane = filling_lane(8)
    assert window(lane, 0.0).count == 0
    lane.arrive(items(9, 14))
    lane.wake(0.5)
    assert window(lane, 0.8).count == 10
    assert window(lane, 0.8).count == 0
    assert lane.due() == 1.5
    assert numbers(window(lane, 1.5).slices) == [11, 12, 13]


def test_items_that_come_one_after_the_other_are_remembered_in_a_few_marks() -> None:
    """And each of them counts as having waited no shorter than it has."""
    lane = filling_lane(1, batch=1000)
    for number in range(2, 900):
        lane.wake(number / 1000)
        lane.arrive(items(number, number + 1))
    assert lane.filling is not None
    assert len(lane.filling._came) <= PARTS + 1
    assert lane.due() is not None
    assert lane.due() <= 1.002  # type: ignore[operator]


def test_a_batch_is_full_by_its_bytes() -> None:
    """Of large items fewer go out, and one that is larger goes alone."""
    lane = filling_lane(batch_bytes=50)
    big = block(1, 2)._replace(data=b"x" * 40)
    lane.arrive([Slice(item_id_of(QUEUE, n), big, 0, 1) for n in (1, 2, 3)])
    sizes = [window(lane, 0.0).count for _ in range(4)]
    assert sizes == [1, 1, 0, 0]
    huge = big._replace(data=b"x" * 99)
    lane.arrive([Slice(item_id_of(QUEUE, 4), huge, 0, 1)])
    assert [window(lane, 0.0).count for _ in range(3)] == [1, 0, 0]
    assert window(lane, 1.0).count == 1


def test_quick_items_go_out_in_several_full_batches() -> None:
    """The rest is left to fill."""
    lane = filling_lane(47)
    lane.pace.learn(1000, 0.001)
    lane.consumers = 1
    got = window(lane, 0.0)
    assert list(got.sizes) == [10, 10]
    assert got.count == 20


def test_the_last_items_do_not_wait() -> None:
    """Once nothing more will be put, what is there is the batch."""
    lane = filling_lane(3)
    lane.row.sealed_total = 3
    assert window(lane, 0.0).count == 3


def test_a_batch_is_filled_from_the_disk() -> None:
    """It is not handed out before what memory has room for was read."""
    lane = filling_lane(3)
    lane.row.sealed_total = 6
    lane.backlog.append(Span(item_id_of(QUEUE, 3), item_id_of(QUEUE, 6)))
    assert window(lane, 0.0).count == 0
    lane.refill(together(4, 7))
    assert window(lane, 0.0).count == 6


def test_a_batch_is_as_large_as_memory_allows() -> None:
    """If the rest has no room, nobody waits for it."""
    lane = filling_lane(0, batch=1000)
    lane.ready_bytes_max = 4 * (SLICE_BYTES + 1)
    lane.arrive(items(1, 4))
    lane.arrive(items(4, 7))
    assert lane.backlog
    assert window(lane, 0.0).count == 3


def test_suspects_wait_for_no_company() -> None:
    """They go to who holds nothing; to others goes nothing that is not full."""
    lane = filling_lane(3)
    lane.suspect(items(7, 9))
    assert window(lane, 0.0, idle=False).count == 0
    assert numbers(window(lane, 0.0).slices) == [7]


def test_a_scheduler_looks_again_when_a_batch_is_due() -> None:
    """Nothing else may happen until then."""
    lane = filling_lane(3)
    lane.waiting.clear()
    scheduler = new_scheduler(lane)
    scheduler.join(1, QUEUE, together=10)
    scheduler.take(1, Patience.WAIT)
    assert [*scheduler.assign(5.0)] == []
    assert scheduler.due() == 6.0
    [(_, got)] = scheduler.assign(6.0)
    assert numbers(got.slices) == [1, 2, 3]


def test_many_retries_that_are_due_do_not_keep_a_broker_busy() -> None:
    """They are read a part at a time; that part is handed out, so that the next can be read."""
    lane = filling_lane(0, batch=1000)
    transitions = new_transitions(lane)
    for number in range(1, 101):
        transitions.scheduler.delay(item_id_of(QUEUE, number), 0.0)
    lane.wake(0.0)
    wanted = lane.retries.wanted()
    lane.recall(items(wanted[0].after - item_id_of(QUEUE, 0) + 1, 65))
    assert window(lane, 0.0, batch=1000).count == 64
