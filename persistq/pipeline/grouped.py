"""The work of a stage that gets groups: what it is called with, and what comes of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from persistq import forking
from persistq.client.outputs import encoded
from persistq.client.routed import KeptByQueue
from persistq.pipeline.outputs import outputs_of
from persistq.pipeline.routes import routed
from persistq.pipeline.task import StageCall, StageTask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persistq.blocks import Block
    from persistq.channel import BatchChannel
    from persistq.client.outputs import Made, Routed
    from persistq.client.window import Delivery


class GroupedWork:
    """A stage that gets groups, in one of its processes.

    Args:
        task: The stage.
    """

    def __init__(self, task: StageTask) -> None:
        self._call = StageCall(task)
        self._task = task
        self._forks = forking.forks

    def __call__(self, deliveries: Sequence[Delivery], channel: BatchChannel) -> Made | Routed:
        """Run the handler on a group; return what it makes of it.

        Crash: what was spooled of that is void, and the group is worked on again.
        """
        item_id, routes = deliveries[0][0], self._task.routes
        spool = partial(self._spool, channel, item_id)
        result = self._call([self._call.open(one, channel) for one in deliveries])
        if not routes.many:
            outputs = outputs_of(result, routes.alone)
            if self._call.makes:
                return encoded(outputs, self._call.encodes, spool)
            for _ in outputs:
                continue  # what a last stage yields goes nowhere, but it yields it to its end
            return ()
        kept = KeptByQueue(partial(routes.codec, codec=self._task.codec), spool)
        for queue_id, output in routed(outputs_of(result), routes):
            kept.add(queue_id, output)
        return kept.closed()

    def _spool(
        self, channel: BatchChannel, item_id: int, blocks: list[Block], queue_id: int = 0
    ) -> None:
        if self._forks == forking.forks:
            channel.spool(item_id, blocks, queue_id)
