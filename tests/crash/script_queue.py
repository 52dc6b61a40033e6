"""A load through a `PersistentQueue` with four consumer processes of its own."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from evidence import EFFECTS, PUTS, Pen

from persistq import PersistentQueue, PersistqError

ITEMS = int(os.environ["SOAK_ITEMS"])
SHORT_S = float(os.environ["SOAK_SHORT_S"])
LONG_S = float(os.environ["SOAK_LONG_S"])
METHOD = os.environ["PERSISTQ_START_METHOD"]
LONG_EVERY = 10
CHUNK = 100
PACE_S = 0.01
"""Putting takes a good part of the load's time, so that kills find it going on."""
CONSUMERS = 4


def consume(queue: PersistentQueue[int]) -> None:
    """Be one consumer process."""
    effects = Pen(Path(EFFECTS))
    try:
        for number in queue:
            began = time.monotonic()
            effects.write("S", number, 1, os.getpid())
            if number % LONG_EVERY == 0:
                time.sleep(LONG_S)
            # The shortest handler bounds what fits in ack_interval, so it is spun.
            while time.monotonic() - began < SHORT_S:
                pass
            effects.write("E", number, os.getpid())
            queue.task_done()
    except PersistqError as error:
        sys.exit(error.exit_code)


def produce(queue: PersistentQueue[int]) -> None:
    """Put all numbers, with a line before and one after each is acknowledged."""
    puts = Pen(Path(PUTS))
    for start in range(0, ITEMS, CHUNK):
        chunk = range(start, min(ITEMS, start + CHUNK))
        time.sleep(PACE_S)
        for number in chunk:
            puts.write("A", number)
        queue.put_many(chunk)
        queue.flush()
        for number in chunk:
            puts.write("K", number)
    queue.close()


def watch(queue: PersistentQueue[int], children: list[Any]) -> None:
    """Replace consumers that die, until all have come to their end."""
    context = multiprocessing.get_context(METHOD)
    while children:
        wait([child.sentinel for child in children])
        for child in [child for child in children if child.exitcode is not None]:
            children.remove(child)
            if child.exitcode > 0:
                sys.exit(child.exitcode)
            if child.exitcode < 0:
                children.append(started(context, queue))


def started(context: Any, queue: PersistentQueue[int]) -> Any:
    """Start one consumer."""
    child = context.Process(target=consume, args=(queue,))
    child.start()
    return child


def main() -> None:
    """Put everything and see it through."""
    Pen(Path(EFFECTS)).write("P", "script", os.getpid())
    context = multiprocessing.get_context(METHOD)
    queue: PersistentQueue[int] = PersistentQueue("soak")
    children = [started(context, queue) for _ in range(CONSUMERS)]
    produce(queue)
    watch(queue, children)


if __name__ == "__main__":
    try:
        main()
    except PersistqError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
