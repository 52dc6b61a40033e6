"""What this process has finished and the broker has not heard of yet."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from persistq.client.outputs import Made, Routed, joined
from persistq.client.routed import outputs_by_queue
from persistq.items import ranges_of
from persistq.wire.messages import Done, Outputs


class Finished(NamedTuple):
    """Items that are reported together.

    Attributes:
        item_ids: The items, in the order in which they were finished.
        busy: The time they took together, in seconds.
        seconds: The time that each took.
        made: What handlers made of them, by item; those of which nothing was made are missing.
    """

    item_ids: list[int]
    busy: float
    seconds: list[float]
    made: Mapping[int, Made | Routed]

    def told(self, targets: Sequence[int]) -> Done:
        """Return what the broker is told.

        Args:
            targets: The queues that get what was made, each of them all of it; none if what was
                made says itself where it goes.
        """
        if self.made and not targets:
            routed = {n: made for n, made in self.made.items() if isinstance(made, Mapping)}
            return Done(ranges_of(self.item_ids), self.busy, outputs_by_queue(routed))
        made = cast("Mapping[int, Made]", self.made)
        blocks, origins = joined(made) if made else ([], [])
        outputs = [Outputs(target, blocks, origins) for target in targets if blocks]
        return Done(ranges_of(self.item_ids), self.busy, outputs)


class Report:
    """What is finished and not reported yet.

    Threads add to it at the same time without a lock; one at a time takes.

    Args:
        interval: How long finished work may stay unreported, in seconds.

    Attributes:
        due_at: When it has to be sent, on the monotonic clock; 0 with the next item.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        # Lists are appended to and cut, never replaced: what one thread adds while another takes
        # goes into the next report.
        self._item_ids: list[int] = []
        self._seconds: list[float] = []
        self._made: dict[int, Made | Routed] = {}
        self.due_at = time.monotonic() + interval

    def add(self, item_id: int, seconds: float, made: Made | Routed = ()) -> None:
        """Add an item that is finished.

        Args:
            item_id: The item.
            seconds: How long it took.
            made: What was made of it.
        """
        if made:
            # Before its item, so that whoever takes the item finds it.
            self._made[item_id] = made
        self._seconds.append(seconds)
        self._item_ids.append(item_id)

    def take(self) -> Finished:
        """Take out all that is finished by now; the next report is due an interval later."""
        self.due_at = time.monotonic() + self._interval
        item_ids = self._item_ids[:]
        del self._item_ids[: len(item_ids)]
        seconds = self._seconds[: len(item_ids)]
        del self._seconds[: len(seconds)]
        return Finished(item_ids, sum(seconds), seconds, self._take_made(item_ids))

    def _take_made(self, item_ids: list[int]) -> dict[int, Made | Routed]:
        made = self._made
        return {one: made.pop(one) for one in item_ids if one in made} if made else {}
