"""Handlers that block, in threads of one process: to the worker they are awaited like others."""

from __future__ import annotations

import concurrent.futures
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from persistq import forking
from persistq.pool.worker import end_child

if TYPE_CHECKING:
    from persistq.channel import Channel
    from persistq.client.outputs import Made, Routed
    from persistq.client.window import Delivery
    from persistq.pool.task import Work


class ThreadedWork:
    """Works on items in threads.

    Args:
        work: What is done with each.
        threads: How many there are, at most.
    """

    def __init__(self, work: Work, threads: int) -> None:
        self._work = work
        self._forks = forking.forks
        self._pool = concurrent.futures.ThreadPoolExecutor(threads, "persistq-handler")
        self._running = set[concurrent.futures.Future[Any]]()

    async def __call__(self, delivery: Delivery, channel: Channel) -> Made | Routed:
        """Do what is to be done with an item, in one of the threads.

        If this is cancelled the thread goes on.
        """
        import asyncio

        # What the handler prints is found to be its item's by its context.
        running = self._pool.submit(copy_context().run, self._called, delivery, channel)
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        made: Made | Routed = await asyncio.wrap_future(running)
        return made

    def close(self, patience: float) -> None:
        """Wait for threads that are at work, for so many seconds at most."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        concurrent.futures.wait([*self._running], patience)

    def _called(self, delivery: Delivery, channel: Channel) -> Made | Routed:
        try:
            made = self._work(delivery, channel)
        except BaseException as error:
            self._stay_parent(error)
            if isinstance(error, StopIteration):
                # No future takes it.
                raise RuntimeError("the handler raised StopIteration") from error  # noqa: TRY004
            raise
        self._stay_parent()
        return made

    def _stay_parent(self, error: BaseException | None = None) -> None:
        """End here if the handler has forked and this is the child, which has no other thread."""
        if self._forks != forking.forks:
            end_child(error)
