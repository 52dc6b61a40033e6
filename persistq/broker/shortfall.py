"""Groups that can never be complete, because nothing more comes to their stage: they are parked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from persistq import failpoints
from persistq.broker.cause import Cause
from persistq.items import FailureKind, queue_of

if TYPE_CHECKING:
    from persistq.broker.gathering import Incomplete
    from persistq.broker.intake import Intake
    from persistq.broker.lane import Lane
    from persistq.broker.record import Record
    from persistq.broker.scheduler import Scheduler
    from persistq.broker.verdicts import Verdicts

GIVEN_UP_MOST: Final = 2000
"""So many items of groups that are not complete are parked in one batch, about."""


class Shortfall:
    """Gives groups up.

    Crash: the next run finds the same groups, and parks them.

    Args:
        scheduler: The places.
        intake: What comes.
        verdicts: What becomes of items that have failed.
        record: What is recorded.
    """

    def __init__(
        self, scheduler: Scheduler, intake: Intake, verdicts: Verdicts, record: Record
    ) -> None:
        self._scheduler = scheduler
        self._intake = intake
        self._verdicts = verdicts
        self._record = record

    def give_up(self) -> bool:
        """Park some of the items whose groups can never be complete; whether there were any."""
        given_up = False
        for lane in self._scheduler.lanes.values():
            if lane.gathering is not None and self._is_due(lane):
                for group in lane.gathering.give_up(GIVEN_UP_MOST):
                    failpoints.point("broker.before_give_up")
                    self._park(group)
                    given_up = True
        return given_up

    def _is_due(self, lane: Lane) -> bool:
        # What is put in this batch is not in its group before that is committed.
        is_coming = self._intake.is_coming(lane.row.queue_id)
        return lane.falls_short and self._is_small and not is_coming

    @property
    def _is_small(self) -> bool:
        return len(self._record.batch.parked) < GIVEN_UP_MOST

    def _park(self, group: Incomplete) -> None:
        cause = Cause(FailureKind.EXCEPTION, "GroupIncomplete", str(group))
        for item_id in group.item_ids:
            policy = self._verdicts.policies[queue_of(item_id)]
            self._verdicts.carry_out(policy.last_resort, item_id, cause)
