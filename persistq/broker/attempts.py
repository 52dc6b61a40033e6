"""Attempts that have ended otherwise than well, as their consumers say: raised, or put off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from persistq.broker.policy import Verdict
from persistq.items import ids_in

if TYPE_CHECKING:
    from persistq.blocks import Slice
    from persistq.broker.cause import Cause
    from persistq.broker.scheduler import Scheduler
    from persistq.broker.spools import Spools
    from persistq.broker.verdicts import Verdicts
    from persistq.items import IdRange


class FailedAttempts:
    """Takes items out of the hands of who has failed with them, and finds their places.

    What was spooled of them is void.

    Args:
        scheduler: The places.
        spools: What is made of items at work.
        verdicts: What becomes of items that have failed.
    """

    def __init__(self, scheduler: Scheduler, spools: Spools, verdicts: Verdicts) -> None:
        self._scheduler = scheduler
        self._spools = spools
        self._verdicts = verdicts

    def fail(
        self,
        consumer_id: int,
        ranges: Sequence[IdRange],
        cause: Cause,
        *,
        now: float,
        retry_after: float | None = None,
        final: bool = False,
    ) -> list[Verdict]:
        """An attempt at items has raised; each of them is retried or parked.

        Crash: each of them is, or the attempt is made again.

        Args:
            consumer_id: Who tried.
            ranges: The items.
            cause: What went wrong.
            now: The present time, in seconds.
            retry_after: Delay that the handler asked for, or None for the policy's back-off.
            final: Whether another attempt would fail as well, so that none is made.

        Returns:
            What becomes of each; nothing if the consumer does not hold all of them.
        """
        if self._taken_from(consumer_id, ranges) is None:
            return []
        queue_id, item_ids = self._queue_of(consumer_id), [*ids_in(ranges)]
        # All of a group is tried again at one time, or parked; others each for itself.
        together = self._scheduler.lanes[queue_id].gathering is not None
        policy, verdicts = self._verdicts.policies[queue_id], list[Verdict]()
        for attempt in [item_ids] if together else [[item_id] for item_id in item_ids]:
            count = self._verdicts.count(attempt, cause)
            verdict = policy.last_resort if final else policy.after_exception(count)
            due = None
            if verdict is Verdict.RETRY:
                due = now + policy.delay(count, retry_after)
                self._delay(queue_id, attempt, due)
            for item_id in attempt:
                self._verdicts.carry_out(verdict, item_id, cause, due)
            verdicts += [verdict] * len(attempt)
        return verdicts

    def defer(
        self,
        consumer_id: int,
        ranges: Sequence[IdRange],
        cause: Cause,
        *,
        now: float,
        seconds: float | None,
    ) -> bool:
        """Items are put off: none of them has failed, and each is tried again later.

        Crash: they wait for what is left of that time in the next run, or are tried at once.

        Args:
            consumer_id: Who holds them.
            ranges: The items.
            cause: Why, of kind `DEFERRED`; the journal keeps the last one of each item.
            now: The present time, in seconds.
            seconds: For how long, or None for the policy's back-off.

        Returns:
            False if the consumer does not hold all of them: then nothing has changed.
        """
        if self._taken_from(consumer_id, ranges) is None:
            return False
        queue_id, item_ids = self._queue_of(consumer_id), [*ids_in(ranges)]
        due = now + self._verdicts.policies[queue_id].put_off(seconds)
        self._delay(queue_id, item_ids, due)
        for item_id in item_ids:
            self._verdicts.note(item_id, cause, due)
        return True

    def take_apart(self, consumer_id: int, ranges: Sequence[IdRange], cause: Cause) -> bool:
        """An attempt at several items has failed: each is tried again alone, and none is counted.

        Crash: each goes alone in the next run as well, or the attempt is made again.

        Args:
            consumer_id: Who holds them.
            ranges: The items.
            cause: Why, of kind `SUSPECT`.

        Returns:
            False if the consumer does not hold all of them: then nothing has changed.
        """
        if (slices := self._taken_from(consumer_id, ranges)) is None:
            return False
        lane = self._scheduler.lanes[self._queue_of(consumer_id)]
        lane.suspects.take_apart(slices)
        for item_id in ids_in(ranges):
            self._verdicts.tell(lane.row, item_id, cause)
        return True

    # --- inside ---

    def _taken_from(self, consumer_id: int, ranges: Sequence[IdRange]) -> list[Slice] | None:
        """Take items out of a consumer's hands; None if it does not hold all of them."""
        slices = self._scheduler.take_back(consumer_id, ranges)
        if slices is not None:
            self._spools.end(consumer_id, ranges)
        return slices

    def _queue_of(self, consumer_id: int) -> int:
        return self._scheduler.consumers[consumer_id].queue_id

    def _delay(self, queue_id: int, item_ids: list[int], due: float) -> None:
        """Have items tried again at a time; those of a group together."""
        if self._scheduler.lanes[queue_id].gathering is not None:
            self._scheduler.delay_group(queue_id, item_ids, due)
            return
        for item_id in item_ids:
            self._scheduler.delay(item_id, due)
