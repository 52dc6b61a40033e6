"""Processes that do with queues what a test tells them to, one order at a time.

Everything a process runs is at the top of this module, so that spawn and forkserver find it.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from multiprocessing import Pipe as Pipe_
from typing import Any

from persistq import DONE, FAILED
from persistq.client.connection import Connection
from persistq.testing.queues import actor
from persistq.testing.queues.actor import (  # noqa: F401
    PATIENCE_S,
    finish_all,
    finish_until_none,
    iterate,
    put_range,
)
from persistq.wire.messages import Take


class Actor(actor.Actor):
    """A child process that can also say when it has begun to wait."""

    def wait_in_get(self) -> None:
        """Have the process wait in `get`; returns when its request is with the broker."""
        self.tell(get_aloud)
        assert self.listen() == "asked"


def get_aloud(queue: Any) -> Any:
    """Get, and say so once the request is on its way."""
    send = Connection.send

    def loud(self: Connection, message: Any) -> None:
        send(self, message)
        if isinstance(message, Take):
            actor.say("asked")

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


def put_in_messages(queue: Any, items: list[Any]) -> None:
    """Put items, each in a message of its own."""
    for item in items:
        queue.put_many([item])


def finish_until_done(queue: Any) -> list[Any]:
    """Get and finish items until DONE."""
    return finish_all(queue, DONE)


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
