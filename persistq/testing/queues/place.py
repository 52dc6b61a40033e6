"""Where a check has its queue, its threads and its processes."""

from __future__ import annotations

import multiprocessing
import os
import queue as stdlib
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.context import BaseContext
from typing import Any

from persistq.errors import PersistqError
from persistq.testing.contract import Rules, true
from persistq.testing.queues.actor import PATIENCE_S, Actor
from persistq.testing.queues.interface import DurableQueue, OpenQueue

START_METHODS = tuple(multiprocessing.get_all_start_methods())
"""The ways in which a process can start on this machine."""


class QueuePlace:
    """Opens one queue as often as a check wants, and starts processes that use it.

    Args:
        open_queue: Opens the queue.
    """

    def __init__(self, open_queue: OpenQueue) -> None:
        self._open = open_queue
        self._opened: list[DurableQueue] = []
        self._actors: list[Actor] = []

    def open(self, maxsize: int = 0, **options: Any) -> DurableQueue:
        """Open the queue; it is released at the end of the check."""
        self._opened.append(self._open(maxsize, **options))
        return self._opened[-1]

    def reopen(self, **options: Any) -> DurableQueue:
        """Release the queue in this process, and open it again as a new run would."""
        self._release()
        return self.open(**options)

    def actor(self, queue: DurableQueue, method: str = START_METHODS[0]) -> Actor:
        """Start a process that is told what to do with the queue; it is gone after the check."""
        context: BaseContext = multiprocessing.get_context(method)
        self._actors.append(Actor(context, queue))
        return self._actors[-1]

    def in_a_process_that_is_killed(self, act: Callable[[DurableQueue], None]) -> None:
        """Open the queue in a process of its own, which is killed as soon as it has acted."""
        if not (pid := os.fork()):
            _act_and_die(self._open, act)
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        true(code == -signal.SIGKILL, "the process failed before it was killed")

    def close(self) -> None:
        """End the processes, and release the queues, the latest first."""
        for actor in self._actors:
            actor.clear()
        self._release()

    def _release(self) -> None:
        for queue in reversed(self._opened):
            # What a check has broken on purpose it has looked at itself.
            with suppress(PersistqError):
                release(queue)
        self._opened.clear()


def release(queue: DurableQueue) -> None:
    """Disconnect this process from a queue; one of multiprocessing is closed instead."""
    if hasattr(queue, "release"):
        queue.release()
    else:
        queue.close()
        queue.join_thread()


def take(queue: DurableQueue) -> Any:
    """Return the next item or sentinel, which has to come in good time."""
    try:
        return queue.get(timeout=PATIENCE_S)
    except stdlib.Empty:
        raise AssertionError("nothing came.") from None


class Waiting:
    """A thread that waits for something, and how that ended.

    Args:
        act: What waits.
    """

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act
        self._answer: object = None
        self._error: Exception | None = None
        self._begun, self._ended = threading.Event(), threading.Event()
        threading.Thread(target=self._wait, daemon=True).start()
        self._begun.wait(PATIENCE_S)

    def _wait(self) -> None:
        self._begun.set()
        try:
            self._answer = self._act()
        except Exception as error:  # noqa: BLE001
            self._error = error
        self._ended.set()

    def ended_within(self, seconds: float) -> bool:
        """Return whether it ends in this time."""
        return self._ended.wait(seconds)

    def result(self) -> object:
        """Return what came of it, or raise it."""
        true(self._ended.wait(PATIENCE_S), "it waits for ever")
        if self._error is not None:
            raise self._error
        return self._answer


def _act_and_die(open_queue: OpenQueue, act: Callable[[DurableQueue], None]) -> None:
    """Be the process that is killed; one that fails exits instead."""
    try:
        act(open_queue())
        os.kill(os.getpid(), signal.SIGKILL)
    finally:
        os._exit(1)


@contextmanager
def _entered(open_queue: OpenQueue) -> Iterator[QueuePlace]:
    place = QueuePlace(open_queue)
    try:
        yield place
    finally:
        place.close()


def queue_rules() -> Rules[OpenQueue, QueuePlace]:
    """Return an empty list of rules about queues."""
    return Rules(_entered)
