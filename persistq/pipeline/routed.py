"""The work of a stage whose outputs say where they go: each is kept for its queue."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from persistq.client.routed import KeptByQueue, StreamedByQueue
from persistq.pipeline.outputs import outputs_of
from persistq.pipeline.routes import at_work, at_work_here, routed
from persistq.pipeline.task import StageWork

if TYPE_CHECKING:
    from persistq.channel import Channel
    from persistq.client.outputs import Encoder, Routed
    from persistq.client.window import Delivery


class RoutedWork(StageWork):
    """A stage whose outputs say where they go, in one of its processes."""

    def __call__(self, delivery: Delivery, channel: Channel) -> Routed:
        """Run the handler on one item; return the items for each queue that gets some.

        Crash: what was spooled of them is void, and the item is worked on again.
        """
        routes, takes = self._task.routes, self.takes(delivery[0], channel)
        # Threads of the handler put as well, if it is the only one here.
        with (at_work_here if self._task.several else at_work)(routes, takes):
            for queue_id, output in routed(outputs_of(self.called(delivery, channel)), routes):
                takes.add(queue_id, output)
        return takes.closed()

    def takes(self, item_id: int, channel: Channel) -> KeptByQueue | StreamedByQueue:
        """Return what takes the outputs of an attempt at an item."""
        if self._task.stream:
            return StreamedByQueue(self._codec, partial(self._stream, channel, item_id))
        return KeptByQueue(self._codec, partial(self._spool, channel, item_id))

    def _codec(self, queue_id: int) -> Encoder:
        return self._task.routes.codec(queue_id, self._task.codec)
