"""Processes that do with queues what a test tells them to, one order at a time.

Everything a process runs is at the top of this module, so that spawn and forkserver find it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe as Pipe_
from multiprocessing.connection import Connection as Pipe
from multiprocessing.context import BaseContext
from typing import Any

from persistq import DONE, FAILED
from persistq.client.connection import Connection
from persistq.wire.messages import Take

PATIENCE_S = 30.0


class Actor:
    """A child process, and the way to talk to it.

    Args:
        context: The start method.
        queues: What it can be told to use; the first is used unless another is named.
    """

    def __init__(self, context: BaseContext, *queues: Any) -> None:
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=obey, args=(theirs, *queues))
        self.process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        """The process."""
        assert self.process.pid is not None
        return self.process.pid

    def tell(self, order: str | Callable[..., Any], *args: Any, at: int = 0) -> None:
        """Give an order: a method of a queue, or a function of this module that takes the queue."""
        self.pipe.send((at, order, args))

    def hear(self) -> Any:
        """Return what an order returned, or raise what it raised."""
        fine, answer = self.listen()
        if not fine:
            raise answer
        return answer

    def listen(self) -> Any:
        """Return the next thing that the process says."""
        assert self.pipe.poll(PATIENCE_S), "the process says nothing"
        return self.pipe.recv()

    def ask(self, order: str | Callable[..., Any], *args: Any, at: int = 0) -> Any:
        """Give an order and wait until it is carried out."""
        self.tell(order, *args, at=at)
        return self.hear()

    def wait_in_get(self) -> None:
        """Have the process wait in `get`; returns when its request is with the broker."""
        self.tell(get_aloud)
        assert self.listen() == "asked"

    def kill(self) -> None:
        """Kill it, and wait until it is dead."""
        os.kill(self.pid, signal.SIGKILL)
        self.process.join(PATIENCE_S)

    def dismiss(self) -> int | None:
        """Let it end, and return its exit code."""
        with suppress(OSError):
            self.pipe.send(None)
        self.process.join(PATIENCE_S)
        return self.process.exitcode

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


def obey(pipe: Pipe, *queues: Any) -> None:
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


_pipe: Pipe | None = None


def get_aloud(queue: Any) -> Any:
    """Get, and say so once the request is on its way."""
    send = Connection.send

    def loud(self: Connection, message: Any) -> None:
        send(self, message)
        if isinstance(message, Take) and _pipe is not None:
            _pipe.send("asked")

    Connection.send = loud  # type: ignore[method-assign]
    try:
        return queue.get()
    finally:
        Connection.send = send  # type: ignore[method-assign]


def join_checking(queue: Any) -> None:
    """Wait for the end, and raise if not all is well."""
    queue.join(check=True)


def name_of_next(queue: Any) -> str:
    """Get, and say by identity what came."""
    item = queue.get()
    return "DONE" if item is DONE else "FAILED" if item is FAILED else "an item"


def put_range(queue: Any, start: int, stop: int) -> None:
    """Put numbers one by one."""
    for number in range(start, stop):
        queue.put(number)


def put_in_messages(queue: Any, items: list[Any]) -> None:
    """Put items, each in a message of its own."""
    for item in items:
        queue.put_many([item])


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


def finish_until_done(queue: Any) -> list[Any]:
    """Get and finish items until DONE."""
    return finish_all(queue, DONE)


def iterate(queue: Any) -> list[Any]:
    """Finish items as the iteration gives them."""
    items = []
    for item in queue:
        items.append(item)
        queue.task_done()
    return items


def relay(queue: Any, target: Any) -> Any:
    """Move one item from a queue to another, and finish it."""
    item = queue.get()
    target.put(item)
    queue.task_done()
    queue.flush()
    return item


def fork_helper(queue: Any, file: str) -> int:
    """Fork a process that is at work until there is a file, and return it."""
    pid = os.fork()
    if not pid:
        while not os.path.exists(file):  # noqa: PTH110
            time.sleep(0.002)
        os._exit(0)
    return pid


def fork_consumer(queue: Any) -> Any:
    """Fork a process that gets an item for itself and keeps it until this one ends."""
    ours, theirs = Pipe_()
    if not os.fork():
        ours.close()
        theirs.send(queue.get())
        # The end of this process's parent; a reader sees it when nobody can write any more.
        with suppress(EOFError):
            theirs.recv()
        os._exit(0)
    theirs.close()
    answer = ours.recv()
    _kept.append(ours)
    return answer


_kept: list[Any] = []
