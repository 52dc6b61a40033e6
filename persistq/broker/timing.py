"""What is recorded of how long things take. It changes no item, and nothing goes by it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from heapq import heappush, heappushpop
from typing import TYPE_CHECKING, Final

from persistq.timings import Sample, SlowItem, StageSample, StageTimes

if TYPE_CHECKING:
    from persistq.broker.record import Record
    from persistq.journal.queuerow import QueueRow
    from persistq.wire.messages import Timed

SAMPLES_MAX: Final = 240
"""Of so many samples of a run every second one is dropped, and further ones come half as often."""


class Slowest:
    """The slowest items of one stage, as many as are kept.

    Args:
        most: How many.
        known: Those that are recorded.
    """

    def __init__(self, most: int, known: Iterable[SlowItem] = ()) -> None:
        self._most = most
        self._heap: list[tuple[float, int]] = []
        self._ids: set[int] = set()
        for one in known:
            self.add(one)

    def add(self, item: SlowItem) -> int:
        """Keep an item; return which one is kept no longer, perhaps this one, or 0."""
        if item.item_id in self._ids or not self._most:
            return item.item_id
        self._ids.add(item.item_id)
        entry = item.seconds, item.item_id
        if len(self._heap) < self._most:
            heappush(self._heap, entry)
            return 0
        _, left_out = heappushpop(self._heap, entry)
        self._ids.remove(left_out)
        return left_out


class Timing:
    """Notes what consumers tell of the time they have taken, and where the run stands.

    Crash: what was told since the last commit is missing, and a second of what was not told.

    Args:
        rows: The queues by number.
        record: What is recorded.
        zero: Returns when the clock stood at 0, in seconds since 1970.

    Attributes:
        slowest: The slowest items, by queue; of those that are missing none are kept.
        sample_at: When the next sample is due, on the monotonic clock.
    """

    def __init__(
        self, rows: Mapping[int, QueueRow], record: Record, zero: Callable[[], float]
    ) -> None:
        self._rows = rows
        self._record = record
        self._zero = zero
        self._times = {queue_id: StageTimes(queue_id) for queue_id in rows}
        self._began: float | None = None
        self._step = 1
        self._ticks: list[int] = []
        self.slowest: dict[int, Slowest] = {}
        self.sample_at = 0.0

    def note(self, queue_id: int, timed: Timed) -> None:
        """A consumer of a queue has told what it has measured."""
        times = self._times[queue_id]
        times.worked += timed.worked
        times.waited += timed.waited
        times.counts.update(timed.counts)
        self._record.batch.times[queue_id] = times
        for item in timed.slow:
            self._keep_if_slow(queue_id, item)

    def _keep_if_slow(self, queue_id: int, item: SlowItem) -> None:
        if (slowest := self.slowest.get(queue_id)) is None:
            return
        left_out = slowest.add(item)
        if left_out == item.item_id:
            return
        self._record.batch.slow[item.item_id] = item.seconds
        if left_out and self._record.batch.slow.pop(left_out, None) is None:
            self._record.batch.no_longer_slow.append(left_out)

    def sample(self, now: float, broker_rss: int, rss: Mapping[int, int]) -> None:
        """Record where the run stands, this batch included.

        Args:
            now: Monotonic time in seconds.
            broker_rss: Memory of the broker, in bytes.
            rss: Memory of all workers of a stage, by queue.
        """
        if self._began is None:
            self._began = now
        age = now - self._began
        self._thin_out()
        tick = int(age) // self._step * self._step
        if not self._ticks or self._ticks[-1] != tick:
            self._ticks.append(tick)
        self.sample_at = self._began + tick + self._step
        stages = tuple(self._stage(row, rss.get(row.queue_id, 0)) for row in self._rows.values())
        self._record.batch.sample = Sample(tick, self._zero() + now, broker_rss, stages)

    def _thin_out(self) -> None:
        if len(self._ticks) >= SAMPLES_MAX:
            self._step *= 2
            self._ticks = [tick for tick in self._ticks if tick % self._step == 0]
            self._record.batch.samples_every = self._step

    def _stage(self, row: QueueRow, rss: int) -> StageSample:
        times = self._times[row.queue_id]
        counts = row.put, row.done, row.dropped, row.parked
        return StageSample(row.queue_id, *counts, times.worked, times.waited, rss)
