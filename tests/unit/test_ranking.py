"""A lane with an order: what is handed out next, and what must not be handed out twice."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from lanes import (
    QUEUE,
    RAISED,
    Records,
    block,
    new_scheduler,
    new_transitions,
    numbers,
    ranges,
    transitions_of,
)

from persistq.blocks import Slice, whole
from persistq.broker.lane import STEP_S, Lane
from persistq.broker.line import SLICE_BYTES
from persistq.broker.ranking import AHEAD_ITEMS, Ranking
from persistq.broker.scheduler import Scheduler
from persistq.broker.span import Span
from persistq.items import item_id_of, number_of
from persistq.journal.queuerow import QueueRow
from persistq.wire.messages import Patience


def ranked(n: int, rank: int | None, count: int = 1) -> Slice:
    """Return items from this number on, with one rank, as one block."""
    made = block(n, n + count)._replace(rank=rank)
    return whole(item_id_of(QUEUE, n), made)


class Ranked:
    """A lane with an order, and the disk where its items are."""

    def __init__(self, *ranks: int | None) -> None:
        row = QueueRow(QUEUE, 1, 0, "load", next_n=len(ranks) + 1)
        self.lane = Lane(row, 1000 * (SLICE_BYTES + 1), ranking=Ranking())
        self.lane.pace.learn(1000, 10_000.0)
        self.scheduler: Scheduler = new_scheduler(self.lane)
        self.disk: dict[int, Slice] = {}
        for rank in ranks:
            self.arrive(rank)

    def arrive(self, rank: int | None) -> None:
        """Put one more item."""
        part = self.store(rank)
        self.lane.arrive([part])

    def store(self, rank: int | None) -> Slice:
        """Have one more item on disk only."""
        part = ranked(len(self.disk) + 1, rank)
        self.disk[part.first_id] = part
        return part

    def read(self) -> None:
        """Read what is wanted, as a broker does in each turn."""
        lane = self.lane
        assert lane.ranking is not None
        spans = lane.retries.wanted()
        lane.recall([self.disk[n] for s in spans for n in range(s.after + 1, s.last + 1)])
        while lane.ranked_wanted and lane.ranking:
            while lane.ranking and lane.ready.count < AHEAD_ITEMS:
                first, _ = lane.ranking.pop()
                lane.ready.append([self.disk[first]])

    def served(self, consumer: int = 1, now: float = 0.0) -> list[int]:
        """Hand out to one consumer, and return the numbers that it got."""
        if consumer not in self.scheduler.consumers:
            self.scheduler.join(consumer, QUEUE)
        self.scheduler.take(consumer, Patience.WAIT)
        found = dict(self.scheduler.assign(now))
        if consumer not in found:
            self.read()
            found = dict(self.scheduler.assign(now))
        return numbers(found[consumer].slices) if consumer in found else []


def test_the_smallest_rank_is_handed_out_first_and_of_equal_ones_the_oldest() -> None:
    """What has no rank was put before there was an order, and comes last."""
    lane = Ranked(5, None, 3, 5, 1)
    assert [lane.served() for _ in range(5)] == [[5], [3], [1], [4], [2]]
    assert lane.served() == []


def test_what_comes_while_others_were_read_ahead_goes_before_them() -> None:
    """They are read again when it is their turn."""
    lane = Ranked(5, 6, 7)
    assert lane.served() == [1]
    assert lane.lane.ready.count == 2
    lane.arrive(6)
    lane.arrive(4)
    assert not lane.lane.ready
    assert [lane.served() for _ in range(4)] == [[5], [2], [4], [3]]


def test_what_comes_back_goes_where_its_rank_is() -> None:
    """Of a consumer that has left, or has given it back."""
    lane = Ranked(1, 2, 3)
    assert (lane.served(1), lane.served(2)) == ([1], [2])
    lane.scheduler.leave(2)
    lane.arrive(0)
    lane.scheduler.give_back(1, ranges(1))
    assert [lane.served(3) for _ in range(4)] == [[4], [1], [2], [3]]


def test_nothing_is_handed_out_before_all_of_an_earlier_run_is_known() -> None:
    """The last one that is read may be the first; what comes meanwhile waits with the others."""
    lane = Ranked()
    for rank in (3, 2, 1):
        lane.store(rank)
    lane.lane.backlog.append(Span(item_id_of(QUEUE, 0), item_id_of(QUEUE, 3)))
    lane.arrive(2)
    assert lane.served() == []
    assert lane.scheduler.famished
    lane.lane.refill([lane.disk[item_id_of(QUEUE, n)] for n in (1, 2)])
    assert lane.served() == []
    lane.lane.refill([lane.disk[item_id_of(QUEUE, 3)]])
    assert [lane.served() for _ in range(4)] == [[3], [2], [4], [1]]
    assert not lane.lane.unsettled_elsewhere


def test_a_lane_is_not_over_while_items_wait_for_their_turn() -> None:
    """Nobody has read them, and nobody has them."""
    lane = Ranked(1)
    lane.lane.row.sealed_total = 1
    assert not lane.lane.over
    assert lane.served() == [1]
    lane.scheduler.finish(1, ranges(1), 0.1)
    assert lane.lane.over


def test_a_retry_that_is_due_waits_for_its_turn() -> None:
    """It is not before what has a smaller rank, nor are others that are due at the same time."""
    lane = Ranked(1, 2, 3)
    transitions = transitions_of(Records(), lane.lane, retries=9, backoff=0)
    lane.scheduler = transitions.scheduler
    lane.scheduler.join(1, QUEUE)
    for n in (1, 2):
        assert lane.served() == [n]
        transitions.attempts.fail(1, ranges(n), RAISED, now=0.0, retry_after=5.0)
    lane.arrive(1)
    assert lane.served(now=6.0) == [1]
    assert not lane.lane.retries
    assert [lane.served(now=6.0) for _ in range(3)] == [[4], [2], [3]]


def test_after_a_rest_another_item_is_tried() -> None:
    """Though its rank is not the smallest: the first may be what made the stage rest."""
    lane = Ranked(1, 2)
    assert lane.served() == [1]
    lane.scheduler.rest(1, 0.0, "away", 30.0)
    lane.scheduler.give_back(1, ranges(1))
    assert lane.served(now=1.0) == []
    assert lane.served(now=30.0) == [2]
    lane.scheduler.finish(1, ranges(2), 0.1)
    assert lane.served(now=30.0) == []
    assert lane.scheduler.due() == 30.0 + STEP_S
    assert lane.served(now=30.0 + STEP_S) == [1]


def test_what_is_put_to_wait_is_handed_out_when_it_is_due() -> None:
    """Also if it is read only later, or was put by an earlier run."""
    transitions = new_transitions(lane := Ranked(1).lane)
    assert lane.ranking is not None
    due = round((1_000_000.0 + 5.0) * 1000)
    waiting = block(2, 3)._replace(rank=0, due=due)
    transitions.intake.put(QUEUE, [waiting, block(3, 4)._replace(rank=2)], synced=True)
    transitions.commit()
    assert (lane.ranking.count, lane.due()) == (2, 5.0)
    lane.wake(4.9)
    assert not lane.retries.recalled
    lane.wake(5.0)
    assert [number_of(n) for n in lane.retries.recalled] == [2]


def test_what_is_put_by_hand_has_the_place_of_the_other_one() -> None:
    """Nobody can ask the program's function then."""

    class Pages(Records):
        def put_page(self, *_: int) -> list[Slice]:
            return [ranked(1, 7)]

    lane, records = Ranked(7), Pages()
    transitions = transitions_of(records, lane.lane)
    lane.scheduler = transitions.scheduler
    assert lane.served() == [1]
    transitions.attempts.fail(1, ranges(1), RAISED, now=0.0)
    transitions.commit()
    transitions.parked.replace(item_id_of(QUEUE, 1), block(2, 3), "")
    transitions.commit()
    [put] = records.batches[-1].puts
    assert put.block.rank == 7


@given(st.data())
def test_ranges_come_out_in_order_however_many_there_are(data: st.DataObject) -> None:
    """Of packed ones and of those that have come since."""
    rng = random.Random(data.draw(st.integers(0, 1 << 32)))
    ranking, there, n = Ranking(young_max=20), list[tuple[int, int]](), 1
    for _ in range(data.draw(st.integers(1, 4))):
        count = data.draw(st.sampled_from([3, 25, 150]))
        parts = [ranked(n + i, rng.randrange(100)) for i in range(count)]
        ranking.add(parts)
        there = sorted([*there, *((part.block.rank or 0, part.first_id) for part in parts)])
        n += count
        taken = data.draw(st.integers(0, min(len(there), 2 * AHEAD_ITEMS)))
        assert [ranking.pop()[0] for _ in range(taken)] == [found for _, found in there[:taken]]
        there = there[taken:]
    assert ranking.count == len(there)
    assert [ranking.pop()[0] for _ in there] == [found for _, found in there]
    assert not ranking
