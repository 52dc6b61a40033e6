"""What becomes of items that have failed, as it is counted and recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from persistq.broker.policy import Verdict
from persistq.items import Failure, FailureKind, IdRange, queue_of

if TYPE_CHECKING:
    from persistq.broker.cause import Cause
    from persistq.broker.failures import FailureCounts
    from persistq.broker.policy import FailurePolicy
    from persistq.broker.record import Record
    from persistq.broker.scheduler import Scheduler
    from persistq.journal.attempts import Attempts
    from persistq.journal.queuerow import QueueRow


class Verdicts:
    """Carries verdicts out on items that are in nobody's hands; who fails them finds their places.

    Args:
        rows: The queues by number.
        scheduler: Who ends the load if that is the verdict.
        policies: The rules for failures, by queue.
        failures: How often outstanding items have failed.
        record: What is recorded.
        zero: When the scheduler's clock stood at 0, in seconds since 1970.

    Attributes:
        policies: The rules for failures, by queue.
        on_failure: Told of each failed attempt: the stage, the failure, which attempt at its item
            it was, and whether that was parked.
    """

    def __init__(
        self,
        rows: Mapping[int, QueueRow],
        scheduler: Scheduler,
        policies: Mapping[int, FailurePolicy],
        failures: FailureCounts,
        record: Record,
        zero: Callable[[], float],
    ) -> None:
        self.policies = policies
        self.on_failure: Callable[[str, Failure, int, bool], None] = _nobody_listens
        self._rows = rows
        self._scheduler = scheduler
        self._failures = failures
        self._record = record
        self._zero = zero

    def remember(self, attempts: Attempts) -> None:
        """Take over what earlier runs have recorded about an outstanding item."""
        if attempts.kind is FailureKind.SUSPECT:
            self._scheduler.lanes[queue_of(attempts.item_id)].apart.add(attempts.item_id)
        elif attempts.kind.counts:
            self._failures.add(attempts.item_id, attempts.kind, attempts.count)
        if attempts.retry_at is not None:
            self._scheduler.note_delay(attempts.item_id, attempts.retry_at - self._zero())

    def count(self, item_ids: Sequence[int], cause: Cause) -> int:
        """Count a failure of each of these items; return how many the worst of them has now."""
        return max(self._failures.add(item_id, cause.kind) for item_id in item_ids)

    def carry_out(
        self, verdict: Verdict, item_id: int, cause: Cause, due: float | None = None
    ) -> None:
        """Record a failure, and what follows from it.

        Crash: the failure and what follows from it are in one transaction.

        Args:
            verdict: What becomes of the item.
            item_id: The item.
            cause: Why it has failed.
            due: When it is tried again, if later, by the scheduler's clock.
        """
        row = self._rows[queue_of(item_id)]
        parked = verdict is not Verdict.RETRY
        self.tell(row, item_id, cause, parked=parked, due=due)
        if parked:
            row.parked += 1
            self._failures.forget([IdRange(item_id, item_id)])
            self._record.batch.parked.append(item_id)
            self._record.touch(row)
        if verdict is Verdict.STOP:
            self._scheduler.give_up(self.policies[row.queue_id].reason_to_stop(item_id))

    def tell(
        self,
        row: QueueRow,
        item_id: int,
        cause: Cause,
        *,
        parked: bool = False,
        due: float | None = None,
    ) -> None:
        """Record a failure, and tell of it who listens."""
        failure = self.note(item_id, cause, due)
        # What counts is counted by now.
        made = self._failures.of([IdRange(item_id, item_id)]).get(item_id, 0)
        self.on_failure(row.name, failure, made + (not cause.kind.counts), parked)

    def note(self, item_id: int, cause: Cause, due: float | None) -> Failure:
        """Record a failure."""
        failure = Failure(
            item_id,
            cause.kind,
            cause.type,
            cause.message,
            cause.traceback,
            cause.pid,
            retry_at=None if due is None else due + self._zero(),
        )
        self._record.batch.failures.append(failure)
        self._record.batch.synced = True
        return failure

    def apply_rules(self) -> None:
        """End the load with FAILED if a stage's halt rule is broken."""
        for queue_id, policy in self.policies.items():
            row, lane = self._rows[queue_id], self._scheduler.lanes[queue_id]
            reason = policy.reason_to_halt(
                failed=row.parked - lane.parked_before,
                succeeded=row.done + row.dropped - lane.resumed,
            )
            if reason is not None:
                self._scheduler.give_up(reason, at_once=policy.halts_at_once)


def _nobody_listens(_stage: str, _failure: Failure, _attempt: int, _parked: bool) -> None:
    """Failures are told to nobody until somebody wants to hear of them."""
