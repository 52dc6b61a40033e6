"""Workers that have died, or were killed, at work: what is to blame, and what is suspected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from persistq.broker.policy import Verdict
from persistq.items import FailureKind, queue_of, ranges_of

if TYPE_CHECKING:
    from persistq.broker.attempts import FailedAttempts
    from persistq.broker.cause import Cause
    from persistq.broker.scheduler import Scheduler
    from persistq.broker.verdicts import Verdicts


class Deaths:
    """Has what a worker has died of tried again alone, or parked.

    Crash: what was not committed is blamed for nothing; it is tried again as if it were new.

    Args:
        scheduler: The places.
        attempts: What takes several items apart.
        verdicts: What becomes of items that have failed.
    """

    def __init__(self, scheduler: Scheduler, attempts: FailedAttempts, verdicts: Verdicts) -> None:
        self._scheduler = scheduler
        self._attempts = attempts
        self._verdicts = verdicts

    def blame(self, consumer_id: int, attempt: int, cause: Cause) -> list[Verdict]:
        """A worker has died of an attempt, which is tried again alone, or parked if it is one item.

        If it is several, nobody knows which of them it was. It is tried again in halves, until it
        is one alone, and what the others have gone through does not count against them. A group
        would be none in halves, so all of it is to blame.

        Args:
            consumer_id: Whose worker died; `leave` follows.
            attempt: What its slot in the fence says: an item's id, or an attempt's number.
            cause: How it died.

        Returns:
            What becomes of each item; nothing if the attempt was over.
        """
        item_ids = self._scheduler.attempt(consumer_id, attempt)
        if not item_ids:
            return []
        lane = self._scheduler.lanes[queue_of(item_ids[0])]
        lane.blamed += 1
        if len(item_ids) > 1 and lane.gathering is None:
            return self._halve(consumer_id, item_ids, cause)
        return self._condemn(consumer_id, item_ids, cause)

    def suspect(self, consumer_id: int, item_ids: Sequence[int], cause: Cause) -> None:
        """A worker has died with several items at work, each an attempt: nobody knows of which.

        Each is tried again alone, and none is counted. If it is one, it is blamed.

        Args:
            consumer_id: Whose worker died; `leave` follows.
            item_ids: What its slots in the fence say.
            cause: How it died.
        """
        held = [one for one in item_ids if self._scheduler.is_held(consumer_id, one)]
        if len(held) > 1:
            self._scheduler.lanes[queue_of(held[0])].blamed += 1
            self._attempts.take_apart(consumer_id, ranges_of(held), _suspicion(cause))
            return
        for item_id in held:
            self.blame(consumer_id, item_id, cause)

    # --- inside ---

    def _halve(self, consumer_id: int, item_ids: list[int], cause: Cause) -> list[Verdict]:
        """Have each half of an attempt tried again; no item is counted."""
        row = self._scheduler.lanes[queue_of(item_ids[0])].row
        self._scheduler.suspect(consumer_id, ranges_of(item_ids))
        for item_id in item_ids:
            self._verdicts.tell(row, item_id, _suspicion(cause))
        return [Verdict.RETRY] * len(item_ids)

    def _condemn(self, consumer_id: int, item_ids: list[int], cause: Cause) -> list[Verdict]:
        """Count the death against an item, or a group; it is tried again alone, or parked."""
        policy = self._verdicts.policies[queue_of(item_ids[0])]
        verdict = policy.after_crash(self._verdicts.count(item_ids, cause))
        if verdict is Verdict.RETRY:
            self._scheduler.suspect(consumer_id, ranges_of(item_ids))
        else:
            self._scheduler.take_back(consumer_id, ranges_of(item_ids))
        for item_id in item_ids:
            self._verdicts.carry_out(verdict, item_id, cause)
        return [verdict] * len(item_ids)


def _suspicion(cause: Cause) -> Cause:
    """Return why an item is tried alone with which a worker has died, maybe of another one."""
    return replace(cause, kind=FailureKind.SUSPECT)
