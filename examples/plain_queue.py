"""A persistent queue between ordinary processes: count the lines of Python's own library.

The main process puts file names, three others take them. Kill all of it at any time with
``kill -9``, and start it again: it does what is left, and nothing twice but what was in hand.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from pathlib import Path

from persistq import PersistentQueue

CONSUMERS = 3


def count_lines(queue: PersistentQueue[str], pause: float) -> None:
    """Take files until all are done, and say how many that were.

    Args:
        queue: File names.
        pause: Seconds of pretended work with each file, so that there is time to kill it.
    """
    files = lines = 0
    for path in queue:
        lines += len(Path(path).read_bytes().splitlines())
        files += 1
        time.sleep(pause)
        queue.task_done()
    print(f"process {os.getpid()}: {files:,} files, {lines:,} lines", flush=True)


def main() -> None:
    """Put the files, start the consumers, and wait for them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pause", type=float, default=0.05, help="seconds spent with each file")
    pause = parser.parse_args().pause
    paths = sorted(str(path) for path in Path(os.__file__).parent.glob("*.py"))
    with PersistentQueue[str]("lines") as queue:
        if queue.carried_on:
            print(f"carrying on with what an earlier run left in {queue.journal}", flush=True)
        consumers = [
            multiprocessing.Process(target=count_lines, args=(queue, pause))
            for _ in range(CONSUMERS)
        ]
        for consumer in consumers:
            consumer.start()
        queue.put_many(paths)  # What an earlier run has put already is not put twice.
        queue.close()
        for consumer in consumers:
            consumer.join()
        left = sum(1 for _ in queue.outstanding())
    print(f"{len(paths):,} files were put, {left:,} are left", flush=True)


if __name__ == "__main__":
    main()
