"""`LiveRun`: a run on a thread of its own, which the program goes on beside."""

from __future__ import annotations

import asyncio
import atexit
import math
import os
import signal
import threading
from collections.abc import Generator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from persistq import ending
from persistq.errors import UsageError
from persistq.pipeline.run import run
from persistq.pool.signals import Signals
from persistq.pool.stops import Stop, Stops

if TYPE_CHECKING:
    from persistq.pipeline.definition import Definition
    from persistq.pipeline.summary import Summary
    from persistq.settings import Settings

_alive: set[LiveRun] = set()
"""Those that an exit of the interpreter has to stop."""


class LiveRun:
    """A run of a pipeline beside the program that has started it.

    What `persistq.Pipeline.start` returns. All methods may be called by any thread, but only in the
    process that has started it. ``await`` it in a coroutine, or `wait` for it elsewhere.

    Crash: if the program is killed, the run ends with it, as `Pipeline.run` does. At an exit of the
    interpreter a run that is alive is stopped, as by `stop()`, and waited for.

    Args:
        definition: The pipeline.
        settings: The settings of this start.
        check: Whether who waits gets an error unless everything is done.
    """

    def __init__(self, definition: Definition, settings: Settings, *, check: bool) -> None:
        self._definition = definition
        self._settings = settings
        self._check = check
        self._pid = os.getpid()
        self._stops = Stops()
        self._signals: Signals | None = None
        self._begun: Future[str] = Future()
        self._over: Future[Summary] = Future()
        # So whoever cancels its awaiting cancels no more than that.
        self._over.set_running_or_notify_cancel()
        # An exit of the interpreter would wait for another thread before it stops the run.
        self._thread = threading.Thread(
            target=self._work, name=f"persistq-{definition.name}", daemon=True
        )

    def __repr__(self) -> str:
        return f"<LiveRun of {self._definition.name!r}, {'alive' if self.alive else 'over'}>"

    # --- for users ---

    @property
    def name(self) -> str:
        """The name of the load, which is that of its journal file without its ending."""
        return self._begun.result()

    @property
    def alive(self) -> bool:
        """Whether it is not over yet."""
        return not self._over.done()

    def stop(self, grace: float | None = None) -> None:
        """Have it end, and return at once.

        Sources end at once, also those that sleep, and no further item is handed out; those in
        flight may end. Only a source with ``poll=True`` may end the call that is going on, and what
        it has put is worked off. An inline run (``workers=0``) ends when its item or its source's
        next one is done. To stop what is being stopped, or is over, changes nothing, but that it
        has to end within the grace if one is given.

        Crash: nothing is recorded of the order; what is left is outstanding, as after a signal.

        Args:
            grace: How long items in flight may go on, in seconds; 0 ends them at once. None takes
                the setting ``shutdown_grace``.

        Raises:
            UsageError: The grace is no such number.
        """
        if grace is not None and not (grace >= 0 and math.isfinite(grace)):
            raise UsageError(f"stop(grace={grace!r}): it should be a number of seconds from 0 on")
        self.order(Stop("stop()", grace=grace))

    def wait(self, timeout: float | None = None) -> Summary:
        """Block until it is over.

        Args:
            timeout: Longest wait in seconds; None waits as long as it takes.

        Returns:
            What was done and what is left.

        Raises:
            TimeoutError: It is still at work; it goes on.
            LoadUnfinished: It failed or was stopped, and the start said ``check``.
            ItemsFailed: It is settled with failed items, and the start said ``check``.
            JournalError: The journal could not be used any more.
            UsageError: A worker cannot be started as the script is written; or another process has
                started this run.
        """
        if not self.join(timeout):
            raise TimeoutError(f"load {self.name!r} is still at work after {timeout:g} s")
        return self._over.result()

    def __await__(self) -> Generator[Any, None, Summary]:
        """Wait in a coroutine, as `wait` does; if that is cancelled, the run goes on."""
        self._require_own()
        try:
            return (yield from asyncio.wrap_future(self._over).__await__())
        finally:
            self._leave_signals()

    # --- for those who start it ---

    def begin(self, *, signals: bool = False) -> LiveRun:
        """Start its thread.

        Args:
            signals: Whether SIGINT, SIGTERM and SIGHUP stop it while it is alive.

        Raises:
            UsageError: Python delivers no signals to this thread.
        """
        if signals:
            if not _in_main_thread():
                raise UsageError(
                    "start(signals=True) is for the main thread, which alone gets signals; "
                    "elsewhere have your program call stop()"
                )
            self._signals = Signals(self._heed).__enter__()
        _alive.add(self)
        self._thread.start()
        return self

    def await_begin(self) -> LiveRun:
        """Block until its load is open.

        Raises:
            UsageError: The unfinished load has other stages or other parameters.
            JournalError: The journal cannot be used, or this pipeline is running already.
            LoadUnfinished: The broker has died.
        """
        try:
            self._begun.result()
        except KeyboardInterrupt:
            # Nobody gets it to stop it.
            self.order(Stop("SIGINT"))
            raise
        return self

    def order(self, stop: Stop) -> None:
        """Pass an order on."""
        self._stops.order(stop)

    def join(self, timeout: float | None = None) -> bool:
        """Wait until its thread has ended; return whether it has.

        Raises:
            UsageError: Another process has started it.
        """
        self._require_own()
        self._thread.join(timeout)
        if self._thread.is_alive():
            return False
        self._leave_signals()
        return True

    async def to_the_end(self) -> Summary:
        """Wait in a coroutine; if that is cancelled, stop, and raise it when it is over.

        Raises:
            asyncio.CancelledError: It was; a second time ends the run at once.
            PersistqError: As `wait`.
        """
        try:
            return await self
        except asyncio.CancelledError:
            self.order(Stop("cancellation"))
            await self._await_end()
            raise

    @property
    def is_own(self) -> bool:
        """Whether this process has started it."""
        return self._pid == os.getpid()

    # --- inside ---

    def _require_own(self) -> None:
        if not self.is_own:
            raise UsageError(
                f"process {self._pid} has started this run of {self._definition.name!r}, and it "
                "alone can wait for it"
            )

    def _heed(self, stop: Stop) -> None:
        """A signal has come; one that comes when it is over has its effect on the program."""
        if self.alive:
            self.order(stop)
        else:
            self._leave_signals()
            signal.raise_signal(stop.signal)

    def _leave_signals(self) -> None:
        """Give signals back; whoever waits in another thread leaves that to the main one."""
        if self._signals is not None and not self.alive and _in_main_thread():
            self._signals.__exit__()

    async def _await_end(self) -> None:
        over = asyncio.wrap_future(self._over)
        while not over.done():
            try:
                await asyncio.wait([over])
            except asyncio.CancelledError:
                self.order(Stop("cancellation", grace=0.0))
        # What it is raised for is said already.
        over.exception()

    def _work(self) -> None:
        try:
            summary = run(
                self._definition,
                self._settings,
                check=self._check,
                stops=self._stops,
                begun=self._begun.set_result,
            )
        except BaseException as error:  # noqa: BLE001 - it is raised to who waits
            self._fail(error)
        else:
            self._over.set_result(summary)
        finally:
            _alive.discard(self)

    def _fail(self, error: BaseException) -> None:
        if not self._begun.done():
            self._begun.set_exception(error)
        elif ending.has_sentence(error):
            # Perhaps nobody ever waits.
            ending.tell(error)
            error.told = True
        self._over.set_exception(error)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _stop_all() -> None:
    own = [live for live in _alive if live.is_own]
    for live in own:
        live.order(Stop("the end of the program"))
    for live in own:
        _see_off(live)


def _see_off(live: LiveRun) -> None:
    try:
        live.join()
    except KeyboardInterrupt:
        live.order(Stop("SIGINT", signal.SIGINT))
        live.join()


# What multiprocessing has registered would wait for children, and comes after this.
atexit.register(_stop_all)
