"""Puts and works on numbers, and writes down which puts were acknowledged and what was done."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from interpreter import OtherPython

from persistq import PersistentQueue
from persistq.client import starting

CHUNK = 5


def opened(path: Path) -> int:
    """Open a file for evidence."""
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def main(home: Path) -> None:
    """Put, work, put more."""
    acknowledged, worked = opened(home / "acknowledged"), opened(home / "worked")
    queue: PersistentQueue[int] = PersistentQueue("load")
    for start in range(0, int(os.environ["ITEMS"]), CHUNK):
        chunk = range(start, start + CHUNK)
        queue.put_many(chunk)
        queue.join_thread()
        os.write(acknowledged, "".join(f"{number}\n" for number in chunk).encode())
        number = queue.get()
        os.write(worked, f"{number}\n".encode())
        queue.task_done()


if __name__ == "__main__":
    if "BROKER_PYTHON" in os.environ:
        starting.sys = OtherPython(os.environ["BROKER_PYTHON"])  # type: ignore[assignment]
    main(Path(sys.argv[1]))
