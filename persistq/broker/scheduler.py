"""Who gets which item: a state machine without clock, socket or journal.

The server tells it what happened and when; it answers what to hand out and what to record. Each
method is one event, so that a test, or Hypothesis, can play any history step by step.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from persistq.broker.lane import Lane, footprint
from persistq.halting import HaltRule, halt_rule
from persistq.items import FailureKind, Item, queue_of
from persistq.wire.messages import Patience, StageSpec

_item_id_of = itemgetter(0)


class Verdict(enum.Enum):
    """What becomes of an item after a failed attempt."""

    RETRY = "retry"
    PARK = "park"
    STOP = "stop"
    """Park it, and end the load with FAILED."""


@dataclass(slots=True)
class Consumer:
    """One connection that takes items from one queue.

    Attributes:
        queue_id: The queue it takes from.
        held: The items in its hands, in the order they were handed out.
    """

    queue_id: int
    held: dict[int, Item] = field(default_factory=dict)


class Scheduler:
    """Hands out items, and remembers who has which.

    Args:
        window_time: How much expected work one consumer may be handed at a time, in seconds.
        window_max: Most items one consumer may be handed at a time.
        jitter: Source of randomness for retry delays.

    Attributes:
        lanes: The queues by id.
        consumers: The consumers by number.
        failed: Why the load has failed, None while it has not.
        at_once: Whether it fails without waiting for items in flight.
        halted: Whether nothing more is handed out in this run.
    """

    def __init__(self, *, window_time: float, window_max: int, jitter: random.Random) -> None:
        self.lanes: dict[int, Lane] = {}
        self.consumers: dict[int, Consumer] = {}
        self.failed: str | None = None
        self.at_once = False
        self.halted = False
        self._policies: dict[int, StageSpec] = {}
        self._rules: dict[int, HaltRule | None] = {}
        self._exceptions: dict[int, int] = {}
        self._deaths: dict[int, int] = {}
        self._window_time = window_time
        self._window_max = window_max
        self._jitter = jitter

    @property
    def over(self) -> bool:
        """Whether nothing more is handed out in this run."""
        return self.failed is not None or self.halted

    @property
    def ending(self) -> str:
        """Why nothing more is handed out."""
        return self.failed or "the run is being stopped"

    # --- queues ---

    def add_lane(self, lane: Lane, policy: StageSpec) -> None:
        """Schedule one more queue under its stage's failure policy."""
        self.lanes[lane.row.queue_id] = lane
        self._policies[lane.row.queue_id] = policy
        self._rules[lane.row.queue_id] = halt_rule(policy.halt)

    def remember_attempts(self, item_id: int, kind: FailureKind, count: int) -> None:
        """Take over what earlier runs recorded about an outstanding item."""
        self._count(item_id, kind, count)

    def attempts(self, item_ids: Sequence[int]) -> dict[int, int]:
        """Return how often items have failed so far, for whatever reason, if they have."""
        raised, killed = self._exceptions, self._deaths
        if not raised and not killed:
            return {}
        known = ((item_id, raised.get(item_id, 0) + killed.get(item_id, 0)) for item_id in item_ids)
        return {item_id: count for item_id, count in known if count}

    def arrive(self, items: Sequence[Item]) -> None:
        """Take in newly journaled items of one queue."""
        self.lanes[queue_of(items[0].item_id)].arrive(items)

    # --- consumers ---

    def join(self, consumer_id: int, queue_id: int) -> None:
        """A consumer connects."""
        self.consumers[consumer_id] = Consumer(queue_id)
        self.lanes[queue_id].consumers += 1

    def take(self, consumer_id: int, patience: Patience) -> None:
        """A consumer asks for work; `assign` and `answers` will say what it gets."""
        self._lane_of(consumer_id).waiting[consumer_id] = patience

    def cancel(self, consumer_id: int) -> bool:
        """A consumer no longer waits; False if it was answered before."""
        return self._lane_of(consumer_id).waiting.pop(consumer_id, None) is not None

    def leave(self, consumer_id: int) -> list[Item]:
        """A consumer is gone; its items go back to the front of the line.

        Returns:
            The items that were in its hands, in the order it got them.
        """
        lane = self._lane_of(consumer_id)
        lane.waiting.pop(consumer_id, None)
        lane.consumers -= 1
        held = list(self.consumers.pop(consumer_id).held.values())
        lane.holders.discard(consumer_id)
        lane.in_flight -= len(held)
        lane.put_back(held)
        return held

    def give_back(self, consumer_id: int, item_ids: Sequence[int]) -> None:
        """A consumer returns items that it did not start."""
        lane = self._lane_of(consumer_id)
        lane.put_back(self._release(consumer_id, item_ids))
        # It has stalled, so what it asked for early is better done elsewhere too.
        if lane.waiting.get(consumer_id) is Patience.AHEAD:
            del lane.waiting[consumer_id]

    # --- outcomes ---

    def finish(self, consumer_id: int, item_ids: Sequence[int], busy: float) -> list[int]:
        """Items are done.

        Args:
            consumer_id: Who finished them.
            item_ids: The items.
            busy: How long they took together, in seconds.

        Returns:
            The ids that this consumer really held: an answer for any other item is stale.
        """
        lane = self._lane_of(consumer_id)
        finished = list(map(_item_id_of, self._release(consumer_id, item_ids)))
        if finished:
            lane.pace.learn(len(finished), busy)
            lane.row.done += len(finished)
            self._forget(finished)
        return finished

    def drop(self, consumer_id: int, item_id: int) -> bool:
        """An item needs no work; False if this consumer did not hold it."""
        if not self._release(consumer_id, [item_id]):
            return False
        self._lane_of(consumer_id).row.dropped += 1
        self._forget([item_id])
        return True

    def fail(
        self, consumer_id: int, item_id: int, now: float, retry_after: float | None
    ) -> Verdict | None:
        """One attempt at an item raised.

        Args:
            consumer_id: Who tried.
            item_id: The item.
            now: The present time, in seconds.
            retry_after: Delay that the handler asked for, or None for the policy's back-off.

        Returns:
            What becomes of the item, or None if this consumer did not hold it.
        """
        released = self._release(consumer_id, [item_id])
        if not released:
            return None
        item, lane = released[0], self._lane_of(consumer_id)
        policy = self._policies[lane.row.queue_id]
        count = self._count(item_id, FailureKind.EXCEPTION)
        if count > policy.retries:
            return self._park(lane, item, policy)
        delay = self._backoff(policy, count) if retry_after is None else retry_after
        lane.delay(item_id, now + delay)
        return Verdict.RETRY

    def blame(self, item_id: int, kind: FailureKind) -> Verdict:
        """An item that waits at the front of its line killed the worker that ran it.

        It is handed out again alone, so that the next death convicts or acquits it; see
        `Lane.next_window` for consumers that collect. Crashes and time-outs count together, and
        apart from exceptions.
        """
        lane = self.lanes[queue_of(item_id)]
        item = next(item for item in lane.ready if item.item_id == item_id)
        lane.ready.remove(item)
        lane.ready_bytes -= footprint([item])
        policy = self._policies[lane.row.queue_id]
        lane.blamed += 1
        if self._count(item_id, kind) >= policy.max_crashes:
            return self._park(lane, item, policy)
        lane.suspects.append(item)
        return Verdict.RETRY

    def give_up(self, reason: str) -> None:
        """The load has failed: every consumer is told FAILED from now on."""
        self.failed = self.failed or reason

    def apply_rules(self) -> None:
        """End the load with FAILED if a stage's halt rule is broken."""
        for queue_id, rule in self._rules.items():
            if rule is None or self.failed is not None:
                continue
            lane = self.lanes[queue_id]
            reason = rule.broken_by(
                lane.row.name,
                failed=lane.row.parked - lane.parked_before,
                succeeded=lane.row.done + lane.row.dropped - lane.resumed,
            )
            if reason is not None:
                self.at_once = rule.now
                self.give_up(reason)

    # --- what to do next ---

    def assign(self, now: float) -> Iterator[tuple[int, list[Item]]]:
        """Yield (consumer, items) for everybody who waits and can be served."""
        if self.over:
            return
        for lane in self.lanes.values():
            lane.wake(now)
            for consumer_id in list(lane.waiting):
                if not (lane.ready or lane.suspects):
                    break
                window = self._hand_out(lane, consumer_id)
                if window:
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

    def _hand_out(self, lane: Lane, consumer_id: int) -> list[Item]:
        held = self.consumers[consumer_id].held
        window = lane.next_window(seconds=self._window_time, most=self._window_max, idle=not held)
        if window:
            del lane.waiting[consumer_id]
            lane.holders.add(consumer_id)
            lane.in_flight += len(window)
            held.update(zip(map(_item_id_of, window), window, strict=True))
        return window

    def _release(self, consumer_id: int, item_ids: Sequence[int]) -> list[Item]:
        held = self.consumers[consumer_id].held
        items = [item for item_id in item_ids if (item := held.pop(item_id, None)) is not None]
        lane = self._lane_of(consumer_id)
        lane.in_flight -= len(items)
        if not held:
            lane.holders.discard(consumer_id)
        return items

    def _count(self, item_id: int, kind: FailureKind, times: int = 1) -> int:
        counts = self._exceptions if kind is FailureKind.EXCEPTION else self._deaths
        counts[item_id] = counts.get(item_id, 0) + times
        return counts[item_id]

    def _forget(self, item_ids: Sequence[int]) -> None:
        for counts in (self._exceptions, self._deaths):
            if counts:
                for item_id in item_ids:
                    counts.pop(item_id, None)

    def _park(self, lane: Lane, item: Item, policy: StageSpec) -> Verdict:
        lane.row.parked += 1
        self._forget([item.item_id])
        if policy.on_error != "stop":
            return Verdict.PARK
        self.give_up(
            f"item {item.item_id} of stage {policy.name!r} failed, and its rule is to stop"
        )
        return Verdict.STOP

    def _backoff(self, policy: StageSpec, attempt: int) -> float:
        # Doubling with a cap, spread over its upper half so that retries do not arrive together.
        ceiling = min(policy.backoff_max, policy.backoff * 2.0 ** min(attempt - 1, 60))
        return ceiling * self._jitter.uniform(0.5, 1.0)
