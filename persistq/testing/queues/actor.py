"""Processes that do with queues what a check tells them to, one order at a time."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from typing import Any, Final

PATIENCE_S: Final = 30.0


class Actor:
    """A child process, and the way to talk to it.

    Args:
        context: The start method.
        queues: What it can be told to use; the first is used unless another is named.
    """

    def __init__(self, context: BaseContext, *queues: Any) -> None:
        self.pipe, theirs = context.Pipe()
        # Every context has Process; typeshed says so of the concrete ones only.
        self.process = context.Process(target=obey, args=(theirs, *queues))  # type: ignore[attr-defined]
        self.process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        """The process."""
        pid: int = self.process.pid
        return pid

    def tell(self, order: str | Callable[..., Any], *args: Any, at: int = 0) -> None:
        """Give an order: a method of a queue, or a function of a module that takes the queue."""
        self.pipe.send((at, order, args))

    def hear(self) -> Any:
        """Return what an order returned, or raise what it raised."""
        fine, answer = self.listen()
        if not fine:
            raise answer
        return answer

    def listen(self) -> Any:
        """Return the next thing that the process says."""
        if not self.pipe.poll(PATIENCE_S):
            raise AssertionError(f"process {self.pid} says nothing.")
        return self.pipe.recv()

    def ask(self, order: str | Callable[..., Any], *args: Any, at: int = 0) -> Any:
        """Give an order and wait until it is carried out."""
        self.tell(order, *args, at=at)
        return self.hear()

    def kill(self) -> None:
        """Kill it, and wait until it is dead."""
        os.kill(self.pid, signal.SIGKILL)
        # With a time limit, it would be waited for those as well who have inherited its pipe.
        self.process.join()

    def dismiss(self) -> int | None:
        """Let it end, and return its exit code."""
        with suppress(OSError):
            self.pipe.send(None)
        self.process.join(PATIENCE_S)
        code: int | None = self.process.exitcode
        return code

    def clear(self) -> None:
        """Make sure that it is gone."""
        if self.process.is_alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGCONT)
            self.dismiss()
        if self.process.is_alive():
            self.kill()
        self.pipe.close()
        self.process.close()


def obey(pipe: Connection, *queues: Any) -> None:
    """Be an actor's process."""
    global _pipe  # noqa: PLW0603
    _pipe = pipe
    while (message := pipe.recv()) is not None:
        at, order, args = message
        try:
            act = getattr(queues[at], order) if isinstance(order, str) else order
            answer = act(*args) if isinstance(order, str) else act(queues[at], *args)
        except Exception as error:  # noqa: BLE001
            pipe.send((False, error))
        else:
            pipe.send((True, answer))


_pipe: Connection | None = None


def say(message: object) -> None:
    """Say something in the middle of an order; nothing in a process that is no actor's."""
    if _pipe is not None:
        _pipe.send(message)


def finish_all(queue: Any, stop: Any) -> list[Any]:
    """Get and finish items until one that says stop."""
    items = []
    while (item := queue.get()) is not stop:
        items.append(item)
        queue.task_done()
    return items


def finish_until_none(queue: Any) -> list[Any]:
    """Get and finish items until None."""
    items = finish_all(queue, None)
    queue.task_done()
    return items


def iterate(queue: Any) -> list[Any]:
    """Finish items as the iteration gives them."""
    items = []
    for item in queue:
        items.append(item)
        queue.task_done()
    return items


def put_range(queue: Any, start: int, stop: int) -> None:
    """Put numbers one by one."""
    for number in range(start, stop):
        queue.put(number)
