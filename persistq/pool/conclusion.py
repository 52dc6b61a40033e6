"""What a run has come to when it is over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from persistq.errors import ItemsFailed, LoadUnfinished
from persistq.outcome import Outcome
from persistq.wire.messages import QueueSizes


@dataclass(frozen=True, slots=True)
class Conclusion:
    """How a run ended, and with what.

    Attributes:
        outcome: How it ended.
        reason: Why it is not ``DONE``, in words.
        queues: The last counters.
        signal: The signal that interrupted it; 0 if none did, or the program itself.
        lost_code: What a program exits with whose run was ``LOST``.
        exception: What a source has raised, if it could be passed on.
    """

    outcome: Outcome
    reason: str
    queues: tuple[QueueSizes, ...]
    signal: int = 0
    lost_code: int = LoadUnfinished.exit_code
    exception: BaseException | None = None

    @property
    def done(self) -> int:
        """Items done, over all stages."""
        return sum(queue.done for queue in self.queues if not queue.results)

    @property
    def results(self) -> int:
        """Results that are kept."""
        return sum(queue.done for queue in self.queues if queue.results)

    @property
    def dropped(self) -> int:
        """Items dropped."""
        return sum(queue.dropped for queue in self.queues)

    @property
    def parked(self) -> int:
        """Items parked as failed."""
        return sum(queue.parked for queue in self.queues)

    @property
    def outstanding(self) -> int:
        """Items left."""
        return outstanding_in(self.queues)

    @property
    def exit_code(self) -> int:
        """What a command exits with."""
        match self.outcome:
            case Outcome.DONE:
                return ItemsFailed.exit_code if self.parked else 0
            case Outcome.FAILED:
                return LoadUnfinished.exit_code
            case Outcome.INTERRUPTED:
                return 128 + self.signal if self.signal else LoadUnfinished.exit_code
            case Outcome.LOST:
                return self.lost_code


def outstanding_in(queues: Iterable[QueueSizes]) -> int:
    """Return how many items of some queues are neither done, dropped nor parked."""
    return sum(q.put - q.done - q.dropped - q.parked for q in queues)
