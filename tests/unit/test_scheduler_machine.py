"""Any history of events keeps the scheduler truthful."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from itertools import count, groupby
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
from lanes import CRASHED, OVERDUE, RAISED, ZERO, Records

from persistq.blocks import JSON, Block, Slice, block_of, whole
from persistq.broker.cause import Cause
from persistq.broker.lane import STUCK_S, Lane
from persistq.broker.line import SLICE_BYTES, footprint
from persistq.broker.policy import DEFERRED_S, FailurePolicy, Verdict
from persistq.broker.scheduler import Scheduler
from persistq.broker.span import Span
from persistq.broker.transitions import Transitions
from persistq.broker.window import Window
from persistq.graph import Graph
from persistq.items import FailureKind, IdRange, ids_in, item_id_of, number_of, ranges_of
from persistq.journal.attempts import Attempts
from persistq.journal.queuerow import QueueRow
from persistq.wire.messages import Patience, StageSpec

QUEUE = 3
WINDOW = 8
PUT_OFF = Cause(FailureKind.DEFERRED, "Retry", "not now")
TOGETHER = Cause(FailureKind.SUSPECT, "ValueError", "one of them")
DAMAGED = 9
"""Blocks of this size are, so that nobody can take them apart."""

SIZE = st.sampled_from([1, 1, 2, 3, 5, 8, DAMAGED, 20, 70])


def named(item_ids: list[int], *, singly: bool = False) -> list[IdRange]:
    """Return items as a report names them."""
    return [IdRange(i, i) for i in item_ids] if singly else ranges_of(item_ids)


def ids_of(slices: Iterable[Slice]) -> list[int]:
    """Return the ids of items."""
    return [*ids_in(part.ids for part in slices)]


class SchedulerMachine(RuleBasedStateMachine):
    """Plays broker and journal for one queue, and knows what is settled and who holds what."""

    def __init__(self) -> None:
        super().__init__()
        self.row = QueueRow(QUEUE, 1, 0, "load")
        self.lane = Lane(self.row, 4 * (SLICE_BYTES + 1))
        self.scheduler = Scheduler(window_time=1.0, window_max=WINDOW)
        self.scheduler.add_lane(self.lane)
        policy = StageSpec("load", retries=1, backoff=2.0, max_crashes=2)
        self.transitions = Transitions(
            Records(),  # type: ignore[arg-type]
            [self.row],
            Graph.chain(["load"]),
            self.scheduler,
            {QUEUE: FailurePolicy(policy, random.Random(0))},
            lambda: ZERO,
        )
        self.log: dict[int, Slice] = {}
        self.settled: dict[int, str] = {}
        self.held: dict[int, list[int]] = {}
        self.together: dict[int, int] = {}
        self.attempts: dict[int, dict[int, list[int]]] = {}
        self.waiting: dict[int, Patience] = {}
        self.failures: Counter[int] = Counter()
        self.not_before: dict[int, float] = {}
        self.deaths: Counter[int] = Counter()
        self.numbers = count(1)
        self.now = 0.0

    # --- the journal ---

    def put(self, counts: Iterable[int]) -> list[Slice]:
        """Journal new items, in blocks of these sizes; some are damaged."""
        return [self.put_block(count) for count in counts]

    def put_block(self, count: int) -> Slice:
        """Journal one block."""
        first, damaged = self.row.next_n, count == DAMAGED
        made = block_of(JSON, [b"%d" % n for n in range(first, first + count)])
        part = whole(item_id_of(QUEUE, first), Block(count, JSON, made.data, made.crc ^ damaged))
        self.row.next_n += count
        self.log |= dict.fromkeys(ids_of([part]), part)
        return part

    def slices_of(self, item_ids: Iterable[int]) -> list[Slice]:
        """Return items as a journal would: neighbours of one block together."""
        return [
            self.log[first].within(first, last)
            for _, same in groupby(item_ids, lambda item_id: self.log[item_id].first_id)
            for first, last in ranges_of([*same])
        ]

    def page(self, span: Span) -> list[Slice]:
        """Read like `Journal.outstanding_page`, or the put-log alone where that is promised."""
        rows = [i for i in sorted(self.log) if span.after < i <= span.last]
        if span.untouched:
            assert not self.settled.keys() & {*rows}
        return self.slices_of([i for i in rows if i not in self.settled][:5])

    @initialize(
        earlier=st.lists(SIZE, max_size=3),
        done=st.integers(0, 6),
        hold=st.booleans(),
        sealed=st.booleans(),
    )
    def carry_on(self, earlier: list[int], done: int, hold: bool, sealed: bool) -> None:
        """Begin with the items of an earlier run, some of them done, some to be tried later."""
        self.put(earlier)
        left = [*self.log][done:]
        for item_id in left[:2]:
            self.transitions.verdicts.remember(Attempts(item_id, FailureKind.SUSPECT, 1))
        for item_id in left[3:5]:
            failed = Attempts(item_id, FailureKind.EXCEPTION, 1, ZERO + 2.0)
            self.transitions.verdicts.remember(failed)
            self.failures[item_id] += 1
            self.not_before[item_id] = 2.0
        for item_id in list(self.log)[:done]:
            self.settled[item_id] = "done"
            self.row.done += 1
        everything = Span(item_id_of(QUEUE, 0), item_id_of(QUEUE, self.row.put))
        if self.row.outstanding and hold:
            self.lane.hold_back(everything, self.row.outstanding)
        elif self.row.outstanding:
            self.lane.backlog.append(everything)
        self.row.sealed_total = self.row.put if sealed else None
        self.join()

    # --- events ---

    @precondition(lambda self: self.row.sealed_total is None)
    @rule(counts=st.lists(SIZE, min_size=1, max_size=3), turn=st.booleans())
    def arrive(self, counts: list[int], turn: bool) -> None:
        """Blocks are put and journaled."""
        self.scheduler.arrive(self.put(counts))
        self.turn(turn)

    @precondition(lambda self: self.lane.held_back)
    @rule()
    def release(self) -> None:
        """What was held back is handed out from now on."""
        self.scheduler.lanes[QUEUE].requeue()

    @precondition(lambda self: self.row.sealed_total is None)
    @rule()
    def seal(self) -> None:
        """Nothing more is put."""
        self.row.sealed_total = self.row.put

    @precondition(lambda self: len(self.held) < 4)
    @rule(together=st.sampled_from([1, 1, 3, 5]))
    def join(self, together: int = 1) -> None:
        """A consumer connects, which may begin several items together."""
        consumer = next(self.numbers)
        self.scheduler.join(consumer, QUEUE, together)
        self.held[consumer] = []
        self.together[consumer] = together
        self.attempts[consumer] = {}

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
        """A consumer finishes some of its items; a late report of others is refused whole."""
        consumer, mine, strange = self.choose(data)
        singly = data.draw(st.booleans())
        late = named(mine, singly=singly) + named(strange)
        assert not (strange and self.transitions.finish(consumer, late, busy))
        across = IdRange(min(mine), max(mine))
        if across.count > len(self.held_in(consumer, across)):
            assert not self.transitions.finish(consumer, [across], busy)
        assert self.transitions.finish(consumer, named(mine, singly=singly), busy * len(mine))
        self.settle(consumer, mine, "done")
        self.turn(turn)

    @precondition(lambda self: any(self.held.values()))
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        """A consumer drops items."""
        consumer, mine, strange = self.choose(data)
        assert not (strange and self.transitions.drop(consumer, named(mine) + named(strange), ""))
        assert self.transitions.drop(consumer, named(mine), "")
        self.settle(consumer, mine, "dropped")

    @precondition(lambda self: any(self.held.values()))
    @rule(data=st.data(), delay=st.sampled_from([None, 0.0, 3.0]))
    def fail(self, data: st.DataObject, delay: float | None) -> None:
        """Attempts raise."""
        consumer, mine, strange = self.choose(data)
        mine.sort()
        all_of_it = named(mine) + named(strange)
        late = self.transitions.attempts.fail(consumer, all_of_it, RAISED, now=self.now)
        assert not (strange and late)
        if not strange:
            self.failed(consumer, mine, late)
        else:
            timely = self.transitions.attempts.fail(
                consumer, named(mine), RAISED, now=self.now, retry_after=delay
            )
            self.failed(consumer, mine, timely)
            self.not_before |= dict.fromkeys(mine, self.now + (delay or 0.0))

    @precondition(lambda self: any(self.held.values()))
    @rule(data=st.data(), seconds=st.sampled_from([0.0, 3.0]), alone=st.booleans())
    def put_off(self, data: st.DataObject, seconds: float, alone: bool) -> None:
        """Handlers put items off, or they are to be tried again one by one; nothing is counted."""
        consumer, mine, strange = self.choose(data)
        late = named(mine) + named(strange)
        if alone:
            assert not (strange and self.transitions.attempts.take_apart(consumer, late, TOGETHER))
            assert self.transitions.attempts.take_apart(consumer, named(mine), TOGETHER)
        else:
            how = {"now": self.now, "seconds": seconds}
            assert not (strange and self.transitions.attempts.defer(consumer, late, PUT_OFF, **how))
            assert self.transitions.attempts.defer(consumer, named(mine), PUT_OFF, **how)
            self.not_before |= dict.fromkeys(mine, self.now + max(seconds, DEFERRED_S))
        for item_id in mine:
            self.let_go(consumer, item_id)

    def failed(self, consumer: int, item_ids: list[int], verdicts: list[Verdict]) -> None:
        """Note that attempts have raised."""
        for item_id, verdict in zip(item_ids, verdicts, strict=True):
            self.failures[item_id] += 1
            assert verdict is (Verdict.RETRY if self.failures[item_id] < 2 else Verdict.PARK)
            self.let_go(consumer, item_id)
            if verdict is Verdict.PARK:
                self.settled[item_id] = "parked"

    @precondition(lambda self: any(self.held.values()))
    @rule(data=st.data(), turn=st.booleans())
    def give_back(self, data: st.DataObject, turn: bool) -> None:
        """A consumer returns what it did not start."""
        consumer, mine, strange = self.choose(data)
        if strange:
            self.transitions.give_back(consumer, named(mine) + named(strange))
        self.transitions.give_back(consumer, named(mine))
        for item_id in mine:
            self.let_go(consumer, item_id)
        if self.waiting.get(consumer) is Patience.AHEAD:
            del self.waiting[consumer]
        self.turn(turn)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), killed=st.booleans(), turn=st.booleans())
    def leave(self, data: st.DataObject, killed: bool, turn: bool) -> None:
        """A consumer is gone; if it was killed, one of its attempts is blamed."""
        consumer = data.draw(st.sampled_from([*self.held]))
        held = self.held[consumer]
        if killed and held:
            several = self.attempts[consumer]
            alone = [i for i in held if all(i not in attempt for attempt in several.values())]
            name = data.draw(st.sampled_from([*several, *alone]))
            self.blamed(consumer, several.get(name, [name]), name, data)
        self.waiting.pop(consumer, None)
        assert ids_of(self.scheduler.leave(consumer)) == held
        del self.held[consumer], self.attempts[consumer], self.together[consumer]
        self.turn(turn)

    def blamed(self, consumer: int, item_ids: list[int], name: int, data: st.DataObject) -> None:
        """Blame an attempt: one item is counted, of several none is."""
        expected = [*item_ids]
        assert self.scheduler.attempt(consumer, name) == expected
        before = len(self.lane.suspects)
        verdicts = self.transitions.deaths.blame(
            consumer, name, data.draw(st.sampled_from([CRASHED, OVERDUE]))
        )
        for item_id in expected:
            self.let_go(consumer, item_id)
        if len(expected) == 1:
            self.deaths[expected[0]] += 1
            parked = self.deaths[expected[0]] >= 2
            assert verdicts == [Verdict.PARK if parked else Verdict.RETRY]
            if parked:
                self.settled[expected[0]] = "parked"
            return
        assert verdicts == [Verdict.RETRY] * len(expected)
        halves = [len(ids_of(attempt)) for attempt in self.lane.suspects][before:]
        assert halves == [(len(expected) + 1) // 2, len(expected) // 2]

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
        due = [i for s in self.lane.retries.wanted() for i in range(s.after + 1, s.last + 1)]
        assert not self.settled.keys() & {*due}
        self.lane.recall(self.slices_of(due[:2]))
        while (span := self.lane.page_wanted()) is not None:
            self.lane.refill(self.page(span))

    def assign(self) -> None:
        """Hand out what is ready to those who wait."""
        for consumer, window in self.transitions.hand_out(self.now):
            del self.waiting[consumer]
            assert window.count == len(ids_of(window.slices)) > 0
            self.note_attempts(consumer, window)
            self.look_at(window)
            for item_id in ids_of(window.slices):
                assert item_id not in self.settled
                assert all(item_id not in held for held in self.held.values())
                assert self.not_before.pop(item_id, 0.0) <= self.now
                self.held[consumer].append(item_id)
        assert not (self.lane.ready and self.waiting), "work and consumers wait for each other"

    def look_at(self, window: Window) -> None:
        """Values go with their ids, and few bytes with them that are none of the window's."""
        for part in window.slices:
            origin = self.log[part.ids.first].block
            if origin.count == DAMAGED:
                assert part.block is origin
                continue
            assert [item.payload for item in part.items()] == [
                b"%d" % number_of(item_id) for item_id in ids_of([part])
            ]
        damaged = any(part.block.count == DAMAGED for part in window.slices)
        assert damaged or window.count <= max(WINDOW, 5)

    def note_attempts(self, consumer: int, window: Window) -> None:
        """Know an attempt of several items by its number, as its consumer does."""
        item_ids = ids_of(window.slices)
        if self.together[consumer] == 1:
            assert not window.sizes
        for number, size in enumerate(window.sizes, window.first):
            assert 1 <= size <= self.together[consumer]
            attempt, item_ids = item_ids[:size], item_ids[size:]
            assert len(attempt) == size
            if size > 1:
                assert not any(number in mine for mine in self.attempts.values())
                assert not self.lane.apart & set(attempt)
                self.attempts[consumer][number] = attempt
        assert not (window.sizes and item_ids)

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
        work = lane.ready or lane.suspects or lane.retries.recalled or lane.backlog
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
        mine = data.draw(
            st.lists(st.sampled_from(held), min_size=1, unique=True) | st.just([*held])
        )
        others = [item_id for item_id in [*self.log, 77] if item_id not in held]
        return consumer, mine, data.draw(st.lists(st.sampled_from(others), max_size=1))

    def held_in(self, consumer: int, ids: IdRange) -> list[int]:
        """Return which items of a range are in these hands."""
        return [item_id for item_id in self.held[consumer] if ids.first <= item_id <= ids.last]

    def settle(self, consumer: int, item_ids: list[int], fate: str) -> None:
        """Note that items are settled."""
        for item_id in item_ids:
            self.let_go(consumer, item_id)
            self.settled[item_id] = fate

    def let_go(self, consumer: int, item_id: int) -> None:
        """Note that an item is not in these hands any more, nor in an attempt there."""
        self.held[consumer].remove(item_id)
        several = self.attempts[consumer]
        for number, attempt in [*several.items()]:
            several[number] = [other for other in attempt if other != item_id]
            if not several[number]:
                del several[number]

    # --- what always holds ---

    def places(self) -> list[int]:
        """Return the ids in all places, one entry for each place an id is in."""
        lane = self.lane
        here = [i for place in (lane.ready, *lane.suspects) for i in ids_of(place)]
        here += [*lane.retries.recalled, *(item_id for _, item_id in lane.retries.delayed)]
        for span in (*lane.backlog, *lane.held_back):
            here += [i for i in self.log if span.after < i <= span.last and i not in self.settled]
        return here + [i for one in self.scheduler.consumers.values() for i in ids_of(one.hands)]

    @invariant()
    def every_unsettled_item_is_in_exactly_one_place(self) -> None:
        """No item is lost, doubled, or kept after it was settled."""
        assert sorted(self.places()) == sorted(set(self.log) - set(self.settled))

    @invariant()
    def everybody_holds_what_was_handed_out(self) -> None:
        """The hands are as the consumers know them."""
        hands = {number: ids_of(one.hands) for number, one in self.scheduler.consumers.items()}
        assert hands == self.held
        several = {number: one.attempts for number, one in self.scheduler.consumers.items()}
        assert several == self.attempts
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
        line = self.lane.ready
        assert (line.count, line.bytes) == (len(ids_of(line)), footprint(line))
        on_hand = self.lane.queued + self.lane.held_back_count + self.lane.in_flight
        assert on_hand == row.outstanding == len(self.log) - len(self.settled)


TestScheduler: Any = SchedulerMachine.TestCase
TestScheduler.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
