"""A full queue makes what feeds it wait, and no graph of such queues ever stands still for good."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, combinations_with_replacement, product

import pytest
from lanes import QUEUE, block, new_lane, new_scheduler, served, together

from persistq.blocks import ITEMS_MAX
from persistq.broker.capacity import MARK_ITEMS, Capacity, Weight
from persistq.broker.filling import Filling
from persistq.broker.lane import Lane
from persistq.broker.serving import next_window
from persistq.broker.space import LOOK_S, Space
from persistq.broker.span import Span
from persistq.items import item_id_of
from persistq.journal.queuerow import QueueRow
from persistq.policy import Batching
from persistq.wire.messages import Patience

ALL_BYTES = 1 << 60


def row(queue_id: int = 2, put: int = 0, **counters: int) -> QueueRow:
    """Return the counters of a queue."""
    return QueueRow(queue_id, 1, queue_id, f"stage{queue_id}", next_n=put + 1, **counters)


def fed(lane: Lane, target: QueueRow, items_max: int, space: Space | None = None) -> Capacity:
    """Have a lane feed a queue of so many items."""
    capacity = Capacity(target, items_max, ALL_BYTES, space or Space())
    capacity.feeders.append(lane)
    lane.downstream.append(capacity)
    return capacity


def test_nothing_is_handed_out_while_a_queue_downstream_is_full() -> None:
    """And the broker sleeps, also if there is more on disk; it goes on when there is room."""
    lane, target = new_lane(4), row(put=10)
    fed(lane, target, 10)
    lane.backlog.append(Span(item_id_of(QUEUE, 4), item_id_of(QUEUE, 9)))
    lane.ready_bytes_max = 1
    scheduler = new_scheduler(lane)
    scheduler.join(1, QUEUE)
    scheduler.take(1, Patience.WAIT)
    assert served(scheduler) == {}
    assert not scheduler.famished
    assert scheduler.due() is None
    target.done = 1
    assert served(scheduler) == {1: [1]}


def test_items_in_hand_count_as_about_to_come() -> None:
    """Else each worker would take a window more than there is room for."""
    lane, target = new_lane(100), row()
    fed(lane, target, 3)
    lane.pace.learn(100, 0.001)
    scheduler = new_scheduler(lane)
    for consumer in (1, 2):
        scheduler.join(consumer, QUEUE)
        scheduler.take(consumer, Patience.WAIT)
    assert served(scheduler) == {1: [1, 2, 3]}
    scheduler.finish(1, [part.ids for part in scheduler.consumers[1].hands], 0.0)
    assert served(scheduler) == {2: [4, 5, 6]}


def test_who_has_waited_goes_on_when_an_eighth_is_free() -> None:
    """Windows of one would take blocks apart, and be a message each."""
    lane, target = new_lane(1), row(put=10_000)
    capacity = fed(lane, target, 10_000)
    target.done = ITEMS_MAX - 1
    assert (capacity.room, capacity.lacks) == (0, "max_outstanding")
    target.done = ITEMS_MAX
    assert (capacity.room, capacity.lacks) == (ITEMS_MAX, "")


def test_a_batch_that_cannot_get_fuller_is_handed_out() -> None:
    """What would fill it waits for it."""
    lane = new_lane(8)
    lane.filling = Filling(Batching(batch=100, linger=3600.0))
    lane.capacity = Capacity(lane.row, 8, ALL_BYTES, Space())
    scheduler = new_scheduler(lane)
    scheduler.join(1, QUEUE, 100)
    scheduler.take(1, Patience.WAIT)
    assert len(served(scheduler)[1]) == 8


@pytest.mark.parametrize("sizes", [(10, 1000), (1000, 10), (7, 7)])
def test_bytes_of_the_youngest_items_are_known_without_a_number_for_each(
    sizes: tuple[int, int],
) -> None:
    """To the items between two marks, and exactly when none is left."""
    counted = row()
    weight, true = Weight(counted), [0]
    for size in sizes:
        for _ in range(100):
            counted.next_n += 1000
            counted.bytes += 1000 * size
            true += [size] * 1000
            weight.of_youngest(counted.put)
    for count in (150_000, 100_000, 50_000, 1):
        found, wanted = weight.of_youngest(count), sum(true[-count:])
        assert abs(found - wanted) <= 2 * MARK_ITEMS * max(sizes)
    assert weight.of_youngest(0) == 0
    # Parked items that are retried make more of them outstanding than there were.
    assert 0 <= weight.of_youngest(170_000) <= counted.bytes


def test_a_queue_is_full_by_bytes_as_well() -> None:
    """An item may be larger than all there is room for: then it is the last one."""
    counted = row()
    capacity = Capacity(counted, 1000, 800, Space())
    assert (capacity.bytes_left, capacity.room) == (800, 1000)
    counted.next_n, counted.bytes = 2, 5000
    assert (capacity.lacks, capacity.room) == ("max_outstanding_bytes", 0)
    counted.done = 1
    assert (capacity.bytes_left, capacity.lacks) == (800, "")


def test_a_short_disk_holds_up_what_feeds_and_not_what_ends() -> None:
    """It is looked at again as long as it is short, and not at every turn."""
    free, looks = [5], list[float]()

    def look() -> int:
        looks.append(1.0)
        return free[0]

    space = Space(10, look)
    space.look(100.0)
    lane, last = new_lane(4), new_lane(4)
    fed(lane, row(), 10, space)
    for one, gets in ((lane, 0), (last, 1)):
        window = next_window(one, seconds=1.0, most=10, idle=True)
        assert window.count == gets
    assert space.due == 100.0 + LOOK_S
    free[0] = 10
    space.look(100.0 + LOOK_S / 2)
    assert (space.short, len(looks)) == (True, 1)
    space.look(100.0 + LOOK_S)
    assert (space.short, space.due) == (False, None)


def test_a_disk_of_which_nothing_is_to_be_left_is_not_looked_at() -> None:
    """That would cost a system call a turn."""
    space = Space(0, lambda: 1 // 0)
    space.look(1.0)
    assert not space.short


# --- a model: every graph of up to four stages, every history ---

MADE = (0, 2)
"""How many outputs an item may have for each stage that is fed."""

SOURCE_ITEMS = 2

State = tuple[int, tuple[tuple[int, int], ...]]
"""What the source has left, and for each queue its waiting items and those in hand."""

Feeds = dict[int, tuple[int, ...]]


def graphs(stages: int) -> Iterator[Feeds]:
    """Return every graph in which stages feed later ones, and all but the first are fed."""
    pairs = [*combinations(range(stages), 2)]
    for chosen in product((False, True), repeat=len(pairs)):
        ways = [pair for pair, there in zip(pairs, chosen, strict=True) if there]
        if {target for _, target in ways} == set(range(1, stages)):
            yield {n: tuple(t for source, t in ways if source == n) for n in range(stages)}


def next_states(
    state: State, feeds: Feeds, limit: int, puts: Feeds | None = None, put_most: int = 0
) -> Iterator[State]:
    """Return what may come after a state, by the rules of the broker.

    Args:
        state: The state.
        feeds: Who feeds whom.
        limit: How much each queue may hold.
        puts: Who puts back into whom, without looking for room.
        put_most: How many items may still be put back, in all: else there would be no end.
    """
    left, queues = state
    lanes = []
    for number, (waiting, held) in enumerate(queues):
        lane = Lane(row(number + 1, put=waiting + held), ready_bytes_max=ALL_BYTES)
        lane.in_flight = held
        lane.capacity = Capacity(lane.row, limit, ALL_BYTES, Space())
        if waiting:
            lane.ready.append(together(1, waiting + 1))
        lanes.append(lane)
    for number, targets in feeds.items():
        for target in targets:
            capacity = lanes[target].capacity
            assert capacity is not None
            capacity.feeders.append(lanes[number])
            lanes[number].downstream.append(capacity)
    entry = lanes[0].capacity
    assert entry is not None
    if left and entry.room:
        yield left - 1, changed(queues, {0: (1, 0)})
    for number, lane in enumerate(lanes):
        if next_window(lane, seconds=0.0, most=1, idle=True).count:
            yield left, changed(queues, {number: (-1, 1)})
        for made in MADE if queues[number][1] else ():
            outputs = dict.fromkeys(feeds[number], (made, 0))
            yield left, changed(queues, outputs | {number: (0, -1)})
            for target in (puts or {}).get(number, ()) if put_most else ():
                done = changed(queues, outputs | {number: (0, -1)})
                yield left, changed(done, {target: (1, 0)})


def changed(
    queues: tuple[tuple[int, int], ...], changes: dict[int, tuple[int, int]]
) -> tuple[tuple[int, int], ...]:
    """Return queues with so many more items waiting and in hand."""
    return tuple(
        (waiting + changes.get(n, (0, 0))[0], held + changes.get(n, (0, 0))[1])
        for n, (waiting, held) in enumerate(queues)
    )


@pytest.mark.parametrize("limit", [1, 2])
@pytest.mark.parametrize("stages", [1, 2, 3, 4])
def test_no_graph_deadlocks(stages: int, limit: int) -> None:
    """From each state that can be reached there is a next one, until all is settled."""
    for feeds in graphs(stages):
        first: State = (SOURCE_ITEMS, ((0, 0),) * stages)
        seen, todo = {first}, [first]
        while todo:
            state = todo.pop()
            following = {*next_states(state, feeds, limit)}
            settled = state == (0, ((0, 0),) * stages)
            assert following or settled, (feeds, state)
            todo += following - seen
            seen |= following
        assert (0, ((0, 0),) * stages) in seen


def circles(stages: int) -> Iterator[tuple[Feeds, Feeds]]:
    """Return every graph with one way back: it closes a circle, or is from a stage to itself."""
    for feeds in graphs(stages):
        for target, source in combinations_with_replacement(range(stages), 2):
            if target == source or source in reached(feeds, target):
                yield feeds, {source: (target,)}


def reached(feeds: Feeds, start: int) -> set[int]:
    """Return what a stage leads to."""
    return {start}.union(*(reached(feeds, target) for target in feeds[start]))


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_no_circle_blocks_itself(stages: int) -> None:
    """What is put back goes there though it is full, and from each state all can be settled."""
    empty = ((0, 0),) * stages
    for feeds, puts in circles(stages):
        first = (2, (SOURCE_ITEMS, empty))
        seen, todo = {first}, [first]
        while todo:
            put_most, state = todo.pop()
            following = set()
            for after in next_states(state, feeds, 1, puts, put_most):
                back = after not in {*next_states(state, feeds, 1)}
                following.add((put_most - back, after))
            assert following or state == (0, empty), (feeds, puts, state)
            todo += following - seen
            seen |= following
        assert {left for left, state in seen if state == (0, empty)} == {0, 1, 2}


def test_a_queue_holds_no_more_than_its_limit_and_what_one_round_makes() -> None:
    """The model above says that nothing stands still; this, that the limit means something."""
    feeds: Feeds = {0: (1,), 1: ()}
    seen, todo = set[State](), [(4, ((0, 0), (0, 0)))]
    while todo:
        state = todo.pop()
        following = {*next_states(state, feeds, 2)} - seen
        todo += following
        seen |= following
    most = max(sum(queues[1]) for _, queues in seen)
    assert most == 1 + 2 * max(MADE) - 1
    assert max(sum(queues[0]) for _, queues in seen) == 2


def test_blocks_are_not_taken_apart_by_a_limit_that_is_far() -> None:
    """A window near the limit is still a good part of a block."""
    lane = new_lane()
    lane.arrive([part._replace(block=block(1, 513)) for part in together(1, 513)])
    fed(lane, row(put=9_000), 10_000)
    lane.pace.learn(1000, 0.0001)
    window = next_window(lane, seconds=1.0, most=512, idle=True)
    assert [part.block.count for part in window.slices] == [512]
