"""The getting side of a process that works on several items at a time."""

from __future__ import annotations

from collections.abc import Mapping

from persistq.client.consumer import Consumer
from persistq.client.outputs import Made, Routed
from persistq.client.window import Together
from persistq.wire.messages import Ended


class BatchConsumer(Consumer):
    """Takes batches from one queue. It asks for no further one while it works on one.

    Only one thread gets.
    """

    def get_together(self, timeout: float | None = None) -> Together | Ended | None:
        """Return the next batch, `Ended` if it is over, or None if nothing came in time.

        Args:
            timeout: Longest wait in seconds; 0 does not wait, None waits for ever.

        Raises:
            RunEnded: The program that opened the load is dead.
            BrokerLost: The broker is gone.
        """
        return self._await_work(timeout, self._window.take_together)

    def done_together(self, made: Mapping[int, Made | Routed], seconds: float, now: float) -> None:
        """Report items as finished, in one message unless there is much before them.

        Crash: items whose report was not sent are redone.

        Args:
            made: What was made of each, by item.
            seconds: How long they took together.
            now: When they ended, on the monotonic clock.
        """
        for item_id, outputs in made.items():
            self._report.add(item_id, seconds / len(made), outputs)
        if now >= self._report.due_at or not self._items:
            self.report()
