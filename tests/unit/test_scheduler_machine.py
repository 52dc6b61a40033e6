"""Any history of events keeps the scheduler truthful."""

from __future__ import annotations

import random
from collections import Counter
from itertools import count
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from persistq.broker.lane import ITEM_BYTES, STUCK_S, Lane, Span, footprint
from persistq.broker.scheduler import Scheduler, Verdict
from persistq.broker.wire import Patience, StageSpec
from persistq.items import FailureKind, Item, item_id_of
from persistq.journal.base import QueueRow

QUEUE = 3


class SchedulerMachine(RuleBasedStateMachine):
    """Plays broker and journal for one queue, and knows what is settled and who holds what."""

    def __init__(self) -> None:
        super().__init__()
        self.row = QueueRow(QUEUE, 1, 0, "load")
        self.lane = Lane(self.row, 4 * (ITEM_BYTES + 1))
        self.scheduler = Scheduler(window_time=1.0, window_max=4, jitter=random.Random(0))
        policy = StageSpec("load", retries=1, backoff=2.0, max_crashes=2)
        self.scheduler.add_lane(self.lane, policy)
        self.log: dict[int, Item] = {}
        self.settled: dict[int, str] = {}
        self.held: dict[int, list[int]] = {}
        self.waiting: dict[int, Patience] = {}
        self.failures: Counter[int] = Counter()
        self.deaths: Counter[int] = Counter()
        self.numbers = count(1)
        self.now = 0.0

    # --- the journal ---

    def put(self, number: int) -> list[Item]:
        """Journal new items."""
        first = self.row.next_n
        items = [Item(item_id_of(QUEUE, n), 0, b"x") for n in range(first, first + number)]
        self.row.next_n += number
        self.log.update({item.item_id: item for item in items})
        return items

    def page(self, span: Span) -> list[Item]:
        """Read like `Journal.outstanding_page`, or the put-log alone where that is promised."""
        rows = [self.log[i] for i in sorted(self.log) if span.after < i <= span.last]
        if span.untouched:
            assert not any(item.item_id in self.settled for item in rows)
        return [item for item in rows if item.item_id not in self.settled][:3]

    @initialize(
        earlier=st.integers(0, 6), done=st.integers(0, 6), hold=st.booleans(), sealed=st.booleans()
    )
    def carry_on(self, earlier: int, done: int, hold: bool, sealed: bool) -> None:
        """Begin with the items of an earlier run, some of them done."""
        self.put(earlier)
        for item_id in list(self.log)[:done]:
            self.settled[item_id] = "done"
            self.row.done += 1
        everything = Span(item_id_of(QUEUE, 0), item_id_of(QUEUE, earlier))
        if self.row.outstanding and hold:
            self.lane.hold_back(everything, self.row.outstanding)
        elif self.row.outstanding:
            self.lane.backlog.append(everything)
        self.row.sealed_total = earlier if sealed else None
        self.join()

    # --- events ---

    @precondition(lambda self: self.row.sealed_total is None)
    @rule(number=st.integers(1, 5), turn=st.booleans())
    def arrive(self, number: int, turn: bool) -> None:
        """Items are put and journaled."""
        self.scheduler.arrive(self.put(number))
        self.turn(turn)

    @precondition(lambda self: self.lane.held_back)
    @rule()
    def release(self) -> None:
        """What was held back is handed out from now on."""
        self.scheduler.lanes[QUEUE].release()

    @precondition(lambda self: self.row.sealed_total is None)
    @rule()
    def seal(self) -> None:
        """Nothing more is put."""
        self.row.sealed_total = self.row.put

    @precondition(lambda self: len(self.held) < 4)
    @rule()
    def join(self) -> None:
        """A consumer connects."""
        consumer = next(self.numbers)
        self.scheduler.join(consumer, QUEUE)
        self.held[consumer] = []

    @precondition(lambda self: self.held)
    @rule(data=st.data(), patience=st.sampled_from(Patience), turn=st.booleans())
    def take(self, data: st.DataObject, patience: Patience, turn: bool) -> None:
        """A consumer asks."""
        consumer = data.draw(st.sampled_from([*self.held]))
        self.scheduler.take(consumer, patience)
        self.waiting[consumer] = patience
        self.turn(turn)

    @precondition(lambda self: self.held)
    @rule()
    def everybody_waits(self) -> None:
        """All consumers ask."""
        for consumer in self.held:
            self.scheduler.take(consumer, Patience.WAIT)
            self.waiting[consumer] = Patience.WAIT
        self.turn()

    @precondition(lambda self: self.held)
    @rule()
    def everybody_collects(self) -> None:
        """All consumers ask, and report nothing, until nothing comes any more."""
        asking = set(self.held)
        while asking:
            for consumer in asking:
                self.scheduler.take(consumer, Patience.WAIT)
                self.waiting[consumer] = Patience.WAIT
            before = {consumer: len(held) for consumer, held in self.held.items()}
            self.turn()
            asking = {c for c, held in self.held.items() if len(held) > before[c]}

    @precondition(lambda self: len(self.held) > 1 and all(self.held.values()))
    @rule(data=st.data(), blamed=st.booleans())
    def a_collector_dies(self, data: st.DataObject, blamed: bool) -> None:
        """All hold items and wait when one of them dies."""
        self.everybody_collects()
        self.leave(data, killed=blamed, turn=True)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), number=st.integers(2, 5))
    def collect(self, data: st.DataObject, number: int) -> None:
        """A consumer gets several items before it reports any; it may have to wait for the last."""
        consumer = data.draw(st.sampled_from([*self.held]))
        while len(self.held[consumer]) < number and self.waiting.get(consumer) is not Patience.WAIT:
            before = len(self.held[consumer])
            self.scheduler.take(consumer, Patience.WAIT)
            self.waiting[consumer] = Patience.WAIT
            self.turn()
            if len(self.held[consumer]) == before:
                break

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """A consumer no longer waits."""
        consumer = data.draw(st.sampled_from([*self.waiting]))
        assert self.scheduler.cancel(consumer) is True
        assert self.scheduler.cancel(consumer) is False
        del self.waiting[consumer]

    @precondition(lambda self: any(self.held.values()))
    @rule(data=st.data(), busy=st.sampled_from([0.0, 0.1, 5.0]), turn=st.booleans())
    def finish(self, data: st.DataObject, busy: float, turn: bool) -> None:
        """A consumer finishes some of its items, and perhaps some that are not its own."""
        consumer, mine, strange = self.choose(data)
        finished = self.scheduler.finish(consumer, mine + strange, busy * len(mine))
        assert sorted(finished) == sorted(mine)
        self.settle(consumer, mine, "done")
        self.turn(turn)

    @precondition(lambda self: any(self.held.values()))
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        """A consumer drops items."""
        consumer, mine, strange = self.choose(data)
        for item_id in mine:
            assert self.scheduler.drop(consumer, item_id)
        assert not any(self.scheduler.drop(consumer, item_id) for item_id in strange)
        self.settle(consumer, mine, "dropped")

    @precondition(lambda self: any(self.held.values()))
    @rule(data=st.data(), delay=st.sampled_from([None, 0.0, 3.0]))
    def fail(self, data: st.DataObject, delay: float | None) -> None:
        """Attempts raise."""
        consumer, mine, strange = self.choose(data)
        for item_id in mine:
            verdict = self.scheduler.fail(consumer, item_id, self.now, delay)
            self.failures[item_id] += 1
            assert verdict is (Verdict.RETRY if self.failures[item_id] < 2 else Verdict.PARK)
            self.held[consumer].remove(item_id)
            if verdict is Verdict.PARK:
                self.settled[item_id] = "parked"
        assert not any(self.scheduler.fail(consumer, i, self.now, delay) for i in strange)

    @precondition(lambda self: any(self.held.values()))
    @rule(data=st.data(), turn=st.booleans())
    def give_back(self, data: st.DataObject, turn: bool) -> None:
        """A consumer returns what it did not start."""
        consumer, mine, strange = self.choose(data)
        self.scheduler.give_back(consumer, mine + strange)
        for item_id in mine:
            self.held[consumer].remove(item_id)
        if self.waiting.get(consumer) is Patience.AHEAD:
            del self.waiting[consumer]
        self.turn(turn)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), killed=st.booleans(), turn=st.booleans())
    def leave(self, data: st.DataObject, killed: bool, turn: bool) -> None:
        """A consumer is gone; if it was killed, one of its items is blamed."""
        consumer = data.draw(st.sampled_from([*self.held]))
        held = self.held.pop(consumer)
        self.waiting.pop(consumer, None)
        assert [item.item_id for item in self.scheduler.leave(consumer)] == held
        if killed and held:
            item_id = data.draw(st.sampled_from(held))
            kind = data.draw(st.sampled_from([FailureKind.CRASH, FailureKind.TIMEOUT]))
            self.deaths[item_id] += 1
            verdict = self.scheduler.blame(item_id, kind)
            assert verdict is (Verdict.RETRY if self.deaths[item_id] < 2 else Verdict.PARK)
            if verdict is Verdict.PARK:
                self.settled[item_id] = "parked"
        self.turn(turn)

    @rule(seconds=st.sampled_from([0.5, 1.0, 4.0]))
    def wait(self, seconds: float) -> None:
        """Time passes, and who waits is served."""
        self.now += seconds
        self.turn()

    # --- what the broker does in each turn ---

    def turn(self, whole: bool = True) -> None:
        """Hand out, refill, hand out, answer."""
        if whole:
            self.assign()
            self.refill()
            self.assign()
            self.answer()
            if self.scheduler.famished:
                self.turn()
            else:
                self.nobody_waits_for_ever()

    def refill(self) -> None:
        """Fill memory from the disk."""
        due = [
            self.log[i] for s in self.lane.recall_wanted() for i in range(s.after + 1, s.last + 1)
        ]
        assert not any(item.item_id in self.settled for item in due)
        self.lane.recall(due[:2])
        while (span := self.lane.page_wanted()) is not None:
            self.lane.refill(self.page(span))

    def assign(self) -> None:
        """Hand out what is ready to those who wait."""
        for consumer, items in self.scheduler.assign(self.now):
            del self.waiting[consumer]
            assert items
            for item in items:
                assert item.item_id not in self.settled
                assert all(item.item_id not in held for held in self.held.values())
                self.held[consumer].append(item.item_id)
        assert not (self.lane.ready and self.waiting), "work and consumers wait for each other"

    def answer(self) -> None:
        """Tell those who wait in vain."""
        waiting = dict(self.waiting)
        for consumer in self.scheduler.answers():
            assert self.waiting.pop(consumer) is not Patience.AHEAD
            assert self.row.sealed_total is not None
            in_hand = {item_id for held in self.held.values() for item_id in held}
            assert set(self.log) - set(self.settled) == in_hand, "DONE while an item waits"
            for holder, held in self.held.items():
                assert not held or waiting.get(holder) is Patience.WAIT
        for consumer in self.scheduler.impatient():
            assert self.waiting.pop(consumer) is Patience.NEVER
        assert Patience.NEVER not in self.waiting.values()
        everything_settled = self.row.sealed_total is not None and not self.row.outstanding
        assert not everything_settled or Patience.WAIT not in self.waiting.values()

    def nobody_waits_for_ever(self) -> None:
        """Where work and a consumer wait for each other, somebody is at work who will end that."""
        lane = self.lane
        waits = [c for c, patience in self.waiting.items() if patience is Patience.WAIT]
        work = lane.ready or lane.suspects or lane.recalled or lane.backlog
        at_work = [c for c, held in self.held.items() if held and c not in waits]
        # A suspect waits a moment for empty hands; then it goes to whoever there is.
        due = self.scheduler.due()
        ends_soon = lane.suspects and due is not None and self.now < due <= self.now + STUCK_S
        assert not (waits and work) or at_work or ends_soon
        # Whoever has empty hands is kept from nothing, whatever others hold.
        assert not work or all(self.held[consumer] for consumer in waits)

    def choose(self, data: st.DataObject) -> tuple[int, list[int], list[int]]:
        """Draw a consumer, some of the items in its hands, and items that are not."""
        consumer = data.draw(st.sampled_from([c for c, held in self.held.items() if held]))
        held = self.held[consumer]
        mine = data.draw(st.lists(st.sampled_from(held), min_size=1, unique=True))
        others = [item_id for item_id in [*self.log, 77] if item_id not in held]
        return consumer, mine, data.draw(st.lists(st.sampled_from(others), max_size=1))

    def settle(self, consumer: int, item_ids: list[int], fate: str) -> None:
        """Note that items are settled."""
        for item_id in item_ids:
            self.held[consumer].remove(item_id)
            self.settled[item_id] = fate

    # --- what always holds ---

    def places(self) -> list[int]:
        """Return the ids in all places, one entry for each place an id is in."""
        lane = self.lane
        here = [item.item_id for place in (lane.ready, lane.suspects) for item in place]
        here += [*lane.recalled, *(item_id for _, item_id in lane.delayed)]
        for span in (*lane.backlog, *lane.held_back):
            here += [i for i in self.log if span.after < i <= span.last and i not in self.settled]
        return here + [i for one in self.scheduler.consumers.values() for i in one.held]

    @invariant()
    def every_unsettled_item_is_in_exactly_one_place(self) -> None:
        """No item is lost, doubled, or kept after it was settled."""
        assert sorted(self.places()) == sorted(set(self.log) - set(self.settled))

    @invariant()
    def everybody_holds_what_was_handed_out(self) -> None:
        """The hands are as the consumers know them."""
        hands = {number: [*one.held] for number, one in self.scheduler.consumers.items()}
        assert hands == self.held
        assert self.lane.holders == {consumer for consumer, held in self.held.items() if held}
        assert self.lane.in_flight == sum(map(len, self.held.values()))
        assert self.lane.consumers == len(self.held)
        assert self.lane.waiting == self.waiting

    @invariant()
    def counters_add_up(self) -> None:
        """The row counts the fates, and memory its bytes."""
        fates = [*self.settled.values()]
        row: Any = self.row
        for fate in ("done", "dropped", "parked"):
            assert getattr(row, fate) == fates.count(fate)
        assert self.lane.ready_bytes == footprint([*self.lane.ready])
        on_hand = self.lane.queued + self.lane.held_back_count + self.lane.in_flight
        assert on_hand == row.outstanding == len(self.log) - len(self.settled)


TestScheduler: Any = SchedulerMachine.TestCase
TestScheduler.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
