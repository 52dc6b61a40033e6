"""How often the handler of a stage may be called: a meter of each stage that has a rate.

A meter is one number: until when the calls that were begun would last if they were spread evenly
(the theoretical arrival time of GCRA). So it costs nothing to keep, and can be recorded: the
journal always holds a time that is not before it. Who carries the load on goes by that one.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, floor
from typing import Final

from persistq.journal.queuerow import QueueRow
from persistq.rate import Rate

RESERVE_S: Final = 1.0
"""So much more than is spent is recorded, and is lost if the broker dies just then."""

TOGETHER_S: Final = 0.004
LATE_S: Final = 0.05
LATE_PART: Final = 4
"""A call may begin so much earlier than it would by an even spread as the one before was late: a
quarter of an interval, 50 ms at most; and always 4 ms, because nobody sleeps more exactly."""

NEVER: Final = -1e15
"""A time before all others, by any clock."""

_EXACT: Final = 1e-6


class Meter:
    """Measures the calls of one stage; pure: time is handed in, by the clock of the broker.

    Args:
        rate: How often.
        spent: Until when earlier calls last, as it was recorded.
        now: The present time.

    Attributes:
        holds: Whether it was too early for a call when somebody looked last.
    """

    def __init__(self, rate: Rate, spent: float = NEVER, now: float = 0.0) -> None:
        late = min(rate.interval / LATE_PART, LATE_S)
        self._interval = rate.interval
        self._slack = (rate.burst - 1) * rate.interval + max(TOGETHER_S, late)
        # A clock that has been set back since must not keep the stage waiting for longer than any
        # record can.
        latest = now + self._slack + rate.interval + RESERVE_S
        self._spent = self._recorded = self._recording = min(spent, latest)
        self._now = now
        self.holds = False

    def look(self, now: float) -> None:
        """Notice what time it is."""
        self._now = now
        self.holds = self._by_rate < 1

    @property
    def allowed(self) -> int:
        """How many calls may begin now: no more than is recorded."""
        recorded = self._recorded - max(self._spent, self._now)
        return max(0, min(self._by_rate, floor(recorded / self._interval + _EXACT)))

    @property
    def due(self) -> float:
        """When the next call may begin."""
        return self._spent - self._slack

    def spend(self, calls: int) -> None:
        """So many calls begin now."""
        self._spent = max(self._spent, self._now) + calls * self._interval
        self.holds = self._by_rate < 1

    # --- the record ---

    @property
    def lacks(self) -> bool:
        """Whether a call could begin if more were recorded."""
        return self.allowed < 1 <= self._by_rate

    def to_record(self) -> float:
        """Return until when the stage's calls will last at most, which is going to be recorded."""
        begun = max(self._spent, self._now) + max(0, self._by_rate) * self._interval
        self._recording = max(self._recorded, begun + RESERVE_S)
        return self._recording

    def have_recorded(self) -> None:
        """What `to_record` has said is recorded."""
        self._recorded = self._recording

    @property
    def _by_rate(self) -> int:
        start = max(self._spent, self._now)
        return floor((self._now + self._slack - start) / self._interval + _EXACT) + 1


class Meters:
    """The meters of a load, by queue, and their record in the queues' rows."""

    def __init__(self) -> None:
        self._meters: dict[int, Meter] = {}

    def __bool__(self) -> bool:
        return bool(self._meters)

    def add(self, queue_id: int, meter: Meter) -> None:
        """Add the meter of a stage."""
        self._meters[queue_id] = meter

    def note_in(self, rows: Mapping[int, QueueRow], zero: float) -> None:
        """Note in those rows that are going to be committed what is going to be spent.

        Args:
            rows: The rows by queue.
            zero: When the clock of the meters stood at 0, in seconds since 1970.
        """
        for queue_id, meter in self._meters.items():
            if (row := rows.get(queue_id)) is not None:
                row.rated_until = max(0, ceil((meter.to_record() + zero) * 1000))

    def have_committed(self, rows: Mapping[int, QueueRow]) -> None:
        """These rows are committed."""
        for queue_id, meter in self._meters.items():
            if queue_id in rows:
                meter.have_recorded()
