"""Who gets which item: a state machine without clock, socket or journal.

It is told what happened and when, and answers what to hand out; it counts nothing and judges
nothing. Each method is one event, so that a test, or Hypothesis, can play any history step by step.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from persistq.blocks import Slice
from persistq.broker.hands import Hands
from persistq.broker.lane import Lane
from persistq.broker.serving import next_window
from persistq.broker.window import Window
from persistq.items import IdRange, count_in, ids_in, queue_of, ranges_of
from persistq.wire.messages import Patience


@dataclass(slots=True)
class Consumer:
    """One connection that takes items from one queue.

    Attributes:
        queue_id: The queue it takes from.
        together: Most items that it begins together, as one attempt.
        at_once: How many attempts it works on at the same time.
        room: How many more it would begin at once; it has said so when it asked last.
        alone: Whether it works on what a worker has died of, and so on nothing beside that.
        hands: The items in its hands.
        attempts: Ids of those that belong to an attempt of several items, by its number.
    """

    queue_id: int
    together: int = 1
    at_once: int = 1
    room: int = 0
    alone: bool = False
    hands: Hands = field(default_factory=Hands)
    attempts: dict[int, list[int]] = field(default_factory=dict)

    def let_go(self, ranges: Sequence[IdRange]) -> None:
        """Take items out of the attempts they belong to."""
        gone = {*ids_in(ranges)}
        left = {
            number: [item_id for item_id in attempt if item_id not in gone]
            for number, attempt in self.attempts.items()
        }
        self.attempts = {number: attempt for number, attempt in left.items() if attempt}


class Scheduler:
    """Hands out items, and remembers who has which.

    Args:
        window_time: How much expected work one consumer may be handed at a time, in seconds.
        window_max: Most items one consumer may be handed at a time.

    Attributes:
        lanes: The queues by id.
        consumers: The consumers by number.
        failed: Why the load has failed, None while it has not.
        at_once: Whether it fails without waiting for items in flight.
        halted: Whether nothing more is handed out in this run.
    """

    def __init__(self, *, window_time: float, window_max: int) -> None:
        self.lanes: dict[int, Lane] = {}
        self.consumers: dict[int, Consumer] = {}
        self.failed: str | None = None
        self.at_once = False
        self.halted = False
        self._attempts = 0
        self._window_time = window_time
        self._window_max = window_max

    @property
    def over(self) -> bool:
        """Whether nothing more is handed out in this run."""
        return self.failed is not None or self.halted

    @property
    def ending(self) -> str:
        """Why nothing more is handed out."""
        return self.failed or "the run is being stopped"

    # --- queues ---

    def add_lane(self, lane: Lane) -> None:
        """Schedule one more queue."""
        self.lanes[lane.row.queue_id] = lane

    def arrive(self, slices: Sequence[Slice]) -> None:
        """Take in newly journaled items of one queue."""
        self.lanes[queue_of(slices[0].first_id)].arrive(slices)

    def arrive_on_disk(self, ids: IdRange) -> None:
        """Take in newly journaled items of one queue that are to be read from the journal."""
        self.lanes[queue_of(ids.first)].arrive_on_disk(ids)

    def unpark(self, queue_id: int, item_ids: Sequence[int]) -> None:
        """Take in items that were parked."""
        self.lanes[queue_id].unpark(item_ids)

    # --- consumers ---

    def join(self, consumer_id: int, queue_id: int, together: int = 1, at_once: int = 1) -> None:
        """A consumer connects; it begins so many items together, or works on so many at once."""
        self.consumers[consumer_id] = Consumer(queue_id, together, at_once)
        self.lanes[queue_id].consumers += 1

    def take(self, consumer_id: int, patience: Patience, room: int = 0) -> None:
        """A consumer asks for work; `assign` and `answers` will say what it gets."""
        consumer = self.consumers[consumer_id]
        consumer.room = room
        if consumer.alone and patience is Patience.AHEAD:
            # It asks once more when it is done with what nothing is begun beside. Until then it
            # would seem that somebody waits, and could be served.
            return
        self._lane_of(consumer_id).waiting[consumer_id] = patience

    def cancel(self, consumer_id: int) -> bool:
        """A consumer no longer waits; False if it was answered before."""
        return self._lane_of(consumer_id).waiting.pop(consumer_id, None) is not None

    def leave(self, consumer_id: int) -> list[Slice]:
        """A consumer is gone; its items go back to the front of the line.

        Returns:
            The items that were in its hands, in the order it got them.
        """
        lane = self._lane_of(consumer_id)
        lane.waiting.pop(consumer_id, None)
        lane.consumers -= 1
        hands = self.consumers.pop(consumer_id).hands
        held = [*hands]
        lane.holders.discard(consumer_id)
        lane.in_flight -= hands.count
        lane.rest.in_hand = False
        lane.put_back(held)
        return held

    def give_back(self, consumer_id: int, ranges: Sequence[IdRange]) -> None:
        """A consumer returns items that it did not start."""
        lane = self._lane_of(consumer_id)
        slices = self.take_back(consumer_id, ranges) or ()
        lane.step_back(slices)
        # It has stalled, so what it asked for early is better done elsewhere too.
        if lane.waiting.get(consumer_id) is Patience.AHEAD:
            del lane.waiting[consumer_id]

    def is_held(self, consumer_id: int, item_id: int) -> bool:
        """Return whether an item is in a consumer's hands."""
        return item_id in self.consumers[consumer_id].hands

    # --- outcomes ---

    def take_back(self, consumer_id: int, ranges: Sequence[IdRange]) -> list[Slice] | None:
        """Take items out of a consumer's hands.

        Returns:
            The items, or None if it does not hold all of them: then it keeps what it holds.
        """
        consumer = self.consumers[consumer_id]
        slices = consumer.hands.take(ranges)
        if slices is None:
            return None
        lane = self.lanes[consumer.queue_id]
        lane.in_flight -= count_in(ranges)
        lane.rest.in_hand = False
        if not consumer.hands:
            lane.holders.discard(consumer_id)
            consumer.alone = False
        if consumer.attempts:
            consumer.let_go(ranges)
        return slices

    def finish(self, consumer_id: int, ranges: Sequence[IdRange], busy: float) -> bool:
        """Let go of items that took so many seconds together; False if one is not held."""
        if self.take_back(consumer_id, ranges) is None:
            return False
        lane = self._lane_of(consumer_id)
        lane.pace.learn(count_in(ranges), busy)
        lane.rest.end()
        if lane.apart:
            lane.apart.difference_update(ids_in(ranges))
        return True

    def rest(
        self, consumer_id: int, now: float, reason: str = "", seconds: float | None = None
    ) -> float | None:
        """Hand out nothing of a consumer's queue for a while; None if that is so already.

        Crash: the next run does not rest, until it learns why it should.

        Args:
            consumer_id: Who has found out.
            now: The present time, in seconds.
            reason: Why.
            seconds: How long; None doubles with each rest.

        Returns:
            For how many seconds.
        """
        return self._lane_of(consumer_id).rest.begin(now, reason, seconds)

    def delay(self, item_id: int, due: float) -> None:
        """Leave an item that is in nobody's hands on disk until a time."""
        self.lanes[queue_of(item_id)].retries.delay(item_id, due)

    def delay_group(self, queue_id: int, item_ids: list[int], due: float) -> None:
        """Leave a group that is in nobody's hands on disk until a time."""
        gathering = self.lanes[queue_id].gathering
        assert gathering is not None, "its stage groups"
        gathering.delay(item_ids, due)

    def note_delay(self, item_id: int, due: float) -> None:
        """Have an item of an earlier run, which is still to be read, wait until a time."""
        self.lanes[queue_of(item_id)].note_delay(item_id, due)

    def attempt(self, consumer_id: int, name: int) -> list[int]:
        """Return the items of an attempt that a consumer holds still, in order.

        Args:
            consumer_id: The consumer.
            name: The item's id, or the number of an attempt of several.
        """
        consumer = self.consumers[consumer_id]
        return [name] if name in consumer.hands else consumer.attempts.get(name, [])

    def unstarted(self, consumer_id: int, name: int) -> list[IdRange]:
        """Return what a consumer that goes in order holds behind an attempt; none if it is over."""
        begun = self.attempt(consumer_id, name)
        behind = self.consumers[consumer_id].hands.behind(begun[-1]) if begun else ()
        return [part.ids for part in behind]

    def beside(self, consumer_id: int, begun: Collection[int]) -> list[IdRange]:
        """Return what a consumer that works on several items at once holds and has not begun."""
        held = ids_in(part.ids for part in self.consumers[consumer_id].hands)
        return ranges_of([item_id for item_id in held if item_id not in begun])

    def suspect(self, consumer_id: int, ranges: Sequence[IdRange]) -> None:
        """Have what its consumer has died of tried again alone, so that the next death tells more.

        See `serving.next_window` for consumers that collect.
        """
        if slices := self.take_back(consumer_id, ranges):
            self._lane_of(consumer_id).suspect(slices)

    def give_up(self, reason: str, *, at_once: bool = False) -> None:
        """The load has failed: every consumer is told FAILED from now on."""
        if self.failed is None:
            self.failed, self.at_once = reason, at_once

    # --- what to do next ---

    def assign(self, now: float) -> Iterator[tuple[int, Window]]:
        """Yield (consumer, window) for everybody who waits and can be served."""
        if self.over:
            return
        for lane in self.lanes.values():
            lane.wake(now)
            for consumer_id in list(lane.waiting):
                if not lane.has_ready:
                    break
                window = self._hand_out(lane, consumer_id, now)
                if window.count:
                    yield consumer_id, window

    def answers(self) -> Iterator[int]:
        """Yield the consumers that wait and must be told that it is over."""
        for lane in self.lanes.values():
            if self.over or lane.over:
                for consumer_id in [c for c, p in lane.waiting.items() if p is not Patience.AHEAD]:
                    del lane.waiting[consumer_id]
                    yield consumer_id

    def impatient(self) -> Iterator[int]:
        """Yield the consumers that would not wait, and for which nothing was ready."""
        for lane in self.lanes.values():
            for consumer_id in [c for c, p in lane.waiting.items() if p is Patience.NEVER]:
                del lane.waiting[consumer_id]
                yield consumer_id

    def due(self) -> float | None:
        """Return when the next delayed item is due, or None if nothing more is handed out."""
        if self.over:
            return None
        times = [due for lane in self.lanes.values() if (due := lane.due()) is not None]
        return min(times, default=None)

    @property
    def famished(self) -> bool:
        """Whether somebody could be served if more were read."""
        return not self.over and any(lane.famished for lane in self.lanes.values())

    # --- inside ---

    def _lane_of(self, consumer_id: int) -> Lane:
        return self.lanes[self.consumers[consumer_id].queue_id]

    def _hand_out(self, lane: Lane, consumer_id: int, now: float) -> Window:
        consumer = self.consumers[consumer_id]
        if consumer.alone:
            return Window([], 0)
        window = next_window(
            lane,
            seconds=self._window_time,
            most=self._window_max,
            idle=not consumer.hands,
            together=consumer.together,
            room=consumer.room,
            now=now,
        )
        if window.count:
            del lane.waiting[consumer_id]
            lane.holders.add(consumer_id)
            lane.in_flight += window.count
            consumer.alone = window.suspect and consumer.at_once > 1
            consumer.hands.hold(window.slices)
            if window.sizes:
                self._number(consumer, window)
        return window

    def _number(self, consumer: Consumer, window: Window) -> None:
        """Give the attempts of a window numbers, which are smaller than any item's id."""
        window.first, self._attempts = self._attempts + 1, self._attempts + len(window.sizes)
        item_ids = ids_in(window.ids)
        for number, size in enumerate(window.sizes, window.first):
            attempt = list(islice(item_ids, size))
            if size > 1:
                consumer.attempts[number] = attempt
