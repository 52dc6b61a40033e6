"""The work of a stage whose handler is awaited, or has threads: several items at the same time."""

from __future__ import annotations

import inspect
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from persistq.client.routed import KeptByQueue, StreamedByQueue
from persistq.pipeline.outputs import output_of, outputs_of
from persistq.pipeline.routed import RoutedWork
from persistq.pipeline.routes import at_work_here, routed
from persistq.pool.concurrent import ConcurrentWorker
from persistq.pool.threads import ThreadedWork

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from persistq.channel import Channel, ConcurrentChannel
    from persistq.client.outputs import Made, Routed
    from persistq.client.window import Delivery
    from persistq.pipeline.task import StageTask, StageWork
    from persistq.pool.task import AwaitedWork


def worker_of(task: StageTask, channel: ConcurrentChannel) -> ConcurrentWorker:
    """Make the worker of a stage that works on several items at the same time."""
    stage = task.work()
    awaited: AwaitedWork
    if task.threads is not None:
        awaited = ThreadedWork(stage, task.threads)
    elif isinstance(stage, RoutedWork):
        awaited = RoutedStage(task, stage)
    else:
        awaited = AwaitedStage(stage)
    return ConcurrentWorker(awaited, channel, task.loop, task.pauses)


class AwaitedStage:
    """A stage in one of its processes, whose handler is a coroutine or an asynchronous generator.

    Args:
        stage: The same, but for the waiting.
    """

    def __init__(self, stage: StageWork) -> None:
        self._stage = stage

    async def __call__(self, delivery: Delivery, channel: Channel) -> Made | Routed:
        """Run the handler on one item; return the items for the next stage.

        Crash: what was spooled of them is void, and the item is worked on again.
        """
        stage, item_id = self._stage, delivery[0]
        result = stage.called(delivery, channel)
        if inspect.isasyncgen(result):
            return await self._drained(result, item_id, channel)
        result = await result
        return () if result is None else stage.made(result, item_id, channel)

    def close(self, patience: float) -> None:
        """Nothing: tasks are cancelled by who has made them."""

    async def _drained(
        self, outputs: AsyncGenerator[Any, Any], item_id: int, channel: Channel
    ) -> Made:
        takes = self._stage.takes_alone(item_id, channel)
        async with aclosing(outputs):
            async for output in outputs:
                one = self._stage.alone(output)
                if takes is not None:
                    takes.add(0, one)
        return () if takes is None else takes.closed().get(0, ())


class RoutedStage:
    """The same for one whose outputs say where they go.

    Args:
        task: The stage.
        stage: The same in this process, but for the waiting.
    """

    def __init__(self, task: StageTask, stage: RoutedWork) -> None:
        self._routes = task.routes
        self._stage = stage

    async def __call__(self, delivery: Delivery, channel: Channel) -> Routed:
        """Run the handler on one item; return the items for each queue that gets some.

        Crash: what was spooled of them is void, and the item is worked on again.
        """
        takes = self._stage.takes(delivery[0], channel)
        with at_work_here(self._routes, takes):
            result = self._stage.called(delivery, channel)
            if inspect.isasyncgen(result):
                await self._drain(result, takes)
            else:
                for queue_id, output in routed(outputs_of(await result), self._routes):
                    takes.add(queue_id, output)
        return takes.closed()

    def close(self, patience: float) -> None:
        """Nothing: tasks are cancelled by who has made them."""

    async def _drain(
        self, outputs: AsyncGenerator[Any, Any], takes: KeptByQueue | StreamedByQueue
    ) -> None:
        async with aclosing(outputs):
            async for output in outputs:
                for queue_id, one in routed([output_of(output)], self._routes):
                    takes.add(queue_id, one)
