"""A worker of several items at the same time, each of which is a task of one event loop."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from time import monotonic as _now
from typing import TYPE_CHECKING, Any, Final, Protocol

from persistq import failpoints
from persistq.errors import PersistqError
from persistq.pool.child import Word
from persistq.pool.recycling import Share
from persistq.pool.termination import Terminated
from persistq.pool.worker import Pauses, Worker

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable

    from persistq.channel import ConcurrentChannel
    from persistq.client.window import Delivery
    from persistq.pool.recycling import Limits
    from persistq.pool.task import AwaitedWork

STALL_S: Final = 0.05
"""What was handed here and cannot be begun for so long is given back."""

THREADS_S: Final = 1.0
"""How long a worker that is told to end waits for what cannot be cancelled."""


class Runs(Protocol):
    """An event loop of this process."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop itself."""

    def run(self, awaited: Awaitable[Any]) -> Any:
        """Return what an awaitable results in."""


class ConcurrentWorker(Worker["Delivery"]):
    """Works on several items at the same time.

    All is done in *turns*, callbacks of the loop that never wait: take in what has come, begin what
    there is a seat for, report, ask for more. A turn follows whatever may have changed something.

    Args:
        work: What is done with each.
        channel: Where they come from and reports go.
        loop: Where tasks run; the worker's own thread runs it.
        pauses: As for every `Worker`.
    """

    def __init__(
        self, work: AwaitedWork, channel: ConcurrentChannel, loop: Runs, pauses: Pauses = ()
    ) -> None:
        super().__init__(channel, channel.get, pauses)
        self._concurrent = channel
        self._work = work
        self._runs = loop
        self._seats = [*range(channel.at_once)]
        self._tasks = set["asyncio.Task[None]"]()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Future[Word] | None = None
        self._share: Share | None = None
        self._begun = 0
        self._drains = self._stopping = self._cancelled = self._looks = self._turns = False

    def work(self, limits: Limits | None = None) -> Word:
        """Work until it is over, or this process has done its share.

        Crash: what is in hand is handed to other workers, and suspected if it is several items;
        what was reported is kept.

        Args:
            limits: How much it does; None, or none, is everything. What is at work when that is
                reached is finished, and nothing more is begun.

        Raises:
            Terminated: `stop` was called, and what was at work has been cancelled and awaited.
        """
        self._share = Share(limits) if limits else None
        try:
            word: Word = self._runs.run(self._serve())
        finally:
            # Up to here a signal would leave tasks behind if it raised.
            self._loop = None
            self._work.close(THREADS_S)
        if self._stopping:
            raise Terminated
        if word is Word.RECYCLED:
            failpoints.point("worker.before_recycling")
        return word

    def attempt(self, got: Delivery) -> None:
        """Run the handler on one item, and nothing beside it, for a run without processes."""
        task = self._runs.loop.create_task(self._attempt(0, got))
        try:
            self._runs.run(task)
        except KeyboardInterrupt:
            self._tasks = {task} if not task.done() else set()
            self._runs.run(self._end_tasks())
            raise

    def stop(self) -> bool:
        """Have what is at work cancelled and awaited; called in a signal handler.

        Crash: what was cancelled is handed out again.
        """
        if self._loop is None:
            return False
        self._stopping = True
        self._loop.call_soon_threadsafe(self._cancel_all)
        return True

    def leave(self) -> None:
        """Report, and take no more."""
        self._work.close(THREADS_S)
        super().leave()

    # --- turns ---

    async def _serve(self) -> Word:
        import asyncio

        channel, descriptor = self._concurrent, self._concurrent.fileno()
        loop = self._loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        channel.attend(self._wake)
        loop.add_reader(descriptor, self._turn)
        self._turn()
        try:
            return await self._over
        finally:
            loop.remove_reader(descriptor)
            await self._end_tasks()
            with suppress(PersistqError):
                channel.report()

    async def _end_tasks(self) -> None:
        """Cancel and await what is at work, if anything is: an error came, or the broker went."""
        import asyncio

        if self._tasks:
            self._stopping = True
            self._cancel_all()
            await asyncio.wait(self._tasks)

    def _wake(self) -> None:
        """Have a turn; called in any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._turn)

    def _turn(self) -> None:
        # In a child that the handler has forked the loop is the parent's.
        self._stay_parent()
        self._turns = False
        try:
            if not self._is_over():
                self._take_turn()
        except BaseException as error:  # noqa: BLE001 - whoever awaits the end gets it
            self._end(error)

    def _take_turn(self) -> None:
        channel = self._concurrent
        channel.heed()
        self._begin_all()
        channel.report_if_due()
        if self._drains:
            channel.give_back()
            if not self._tasks:
                self._end(Word.RECYCLED)
        elif channel.ended is not None:
            self._end(Word.OVER)
        elif self._seats:
            channel.ask(len(self._seats), busy=bool(self._tasks))
        else:
            self._look_again()

    def _begin_all(self) -> None:
        while self._seats and not self._drains and (got := self._concurrent.take()) is not None:
            self._begin(got)
            self._drains = self._share is not None and self._share.is_done(1)

    def _begin(self, got: Delivery) -> None:
        assert self._loop is not None
        seat = self._seats.pop()
        self._begun += 1
        task = self._loop.create_task(self._attempt(seat, got))
        self._tasks.add(task)
        task.add_done_callback(partial(self._note_end, seat))

    def _note_end(self, seat: int, task: asyncio.Task[None]) -> None:
        self._seats.append(seat)
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._end(error)
        if self._stopping and not self._tasks:
            self._end(Word.OVER)
        elif self._loop is not None and not self._turns:
            # Those that end at the same moment share a report.
            self._turns = True
            self._loop.call_soon(self._turn)

    def _look_again(self) -> None:
        """See later whether what waits here is begun; if not, others had better do it."""
        if self._loop is not None and self._concurrent.buffered and not self._looks:
            self._looks = True
            self._loop.call_later(STALL_S, self._look, self._begun)

    def _look(self, begun: int) -> None:
        self._looks = False
        if self._is_over():
            return
        try:
            if begun == self._begun:
                self._concurrent.give_back()
            self._look_again()
        except PersistqError as error:
            self._end(error)

    def _cancel_all(self) -> None:
        # Once: a second time would interrupt their clean-ups.
        for task in () if self._cancelled else self._tasks:
            task.cancel()
        self._cancelled = True
        if not self._tasks:
            self._end(Word.OVER)

    def _is_over(self) -> bool:
        return self._stopping or self._over is None or self._over.done()

    def _end(self, how: Word | BaseException) -> None:
        if self._over is None or self._over.done():
            return
        if isinstance(how, Word):
            self._over.set_result(how)
        else:
            self._over.set_exception(how)

    # --- attempts ---

    async def _attempt(self, seat: int, got: Delivery) -> None:
        """Run the handler on one item and report what became of it."""
        channel, item_id, started = self._concurrent, got[0], _now()
        channel.sit(seat, item_id)
        channel.hold(item_id, started)
        try:
            failpoints.point("worker.before_handler")
            made = await self._work(got, channel)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            if self._stopping:
                # It was cancelled, which says nothing about the item: whoever kills this process
                # finds it noted.
                raise
            self._stay_parent(error)
            self._report_error(item_id, error)
        else:
            self._stay_parent()
            failpoints.point("worker.after_handler")
            channel.done(item_id, started, _now(), made)
        channel.hold(0)
