"""What this process has finished and the broker has not heard of yet."""

from __future__ import annotations

import time
from typing import NamedTuple

from persistq.wire.messages import Outputs


class Finished(NamedTuple):
    """Items that are reported together.

    Attributes:
        item_ids: The items, in the order in which they were finished.
        busy: The time they took together, in seconds.
        outputs: What handlers made of them, by item; those without outputs are missing.
    """

    item_ids: list[int]
    busy: float
    outputs: dict[int, list[Outputs]]


class Report:
    """What is finished and not reported yet.

    Threads add to it at the same time without a lock; one at a time takes.

    Args:
        interval: How long finished work may stay unreported, in seconds.

    Attributes:
        due_at: When it has to be sent, on the monotonic clock.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        # Lists are appended to and cut, never replaced: what one thread adds while another takes
        # goes into the next report.
        self._item_ids: list[int] = []
        self._seconds: list[float] = []
        self._outputs: dict[int, list[Outputs]] = {}
        self.due_at = time.monotonic() + interval

    def add(self, item_id: int, seconds: float, outputs: list[Outputs] | None) -> None:
        """Add an item that is finished.

        Args:
            item_id: The item.
            seconds: How long it took.
            outputs: Encoded items for other queues.
        """
        if outputs:
            # Before its item, so that whoever takes the item finds them.
            self._outputs[item_id] = outputs
        self._seconds.append(seconds)
        self._item_ids.append(item_id)

    def take(self) -> Finished:
        """Take out all that is finished by now; the next report is due an interval later."""
        self.due_at = time.monotonic() + self._interval
        item_ids = self._item_ids[:]
        del self._item_ids[: len(item_ids)]
        seconds = self._seconds[: len(item_ids)]
        del self._seconds[: len(seconds)]
        outputs = {one: self._outputs.pop(one) for one in item_ids if one in self._outputs}
        return Finished(item_ids, sum(seconds), outputs)
