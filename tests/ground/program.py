"""The program whose ground gives way: a pipeline or a plain queue, with evidence elsewhere.

At a number that the environment names, the source or a handler runs a shell command: the mishap.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from interpreter import OtherPython

from persistq import PersistentQueue, Pipeline
from persistq.client import starting

ITEMS = int(os.environ.get("ITEMS", "400"))
FILLING = "x" * int(os.environ.get("FILLING", "300"))
EVIDENCE = Path(os.environ["EVIDENCE"])


def note(number: int) -> None:
    """Leave evidence that an item was worked on."""
    file = os.open(EVIDENCE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, f"{number}\n".encode())
    os.close(file)


def mishap(when: str, number: int) -> None:
    """Let happen what is to happen at this number, once."""
    happened = EVIDENCE.with_name("happened")
    if os.environ.get(f"{when}_AT") == str(number) and not happened.exists():
        happened.touch()
        subprocess.run(os.environ[f"{when}_DO"], shell=True, check=True)


def numbers() -> Iterator[list[Any]]:
    """Yield all items."""
    for number in range(ITEMS):
        mishap("PUT", number)
        yield [number, FILLING]


def work(item: list[Any]) -> None:
    """Work on an item: it ends here."""
    mishap("WORK", item[0])
    note(item[0])


pipeline = Pipeline("load")
pipeline.source(numbers)


@pipeline.stage
def first(item: list[Any]) -> list[Any]:
    """Pass an item on."""
    return item


pipeline.stage(name="last")(work)


def run_queue() -> None:
    """Put and finish all items through a queue, in one process."""
    queue: PersistentQueue[list[Any]] = PersistentQueue("load")
    queue.put_many(numbers())
    queue.close()
    for item in queue:
        work(item)
        queue.task_done()
    queue.flush()


if __name__ == "__main__":
    if "BROKER_PYTHON" in os.environ:
        starting.sys = OtherPython(os.environ["BROKER_PYTHON"])  # type: ignore[assignment]
    if sys.argv[1] == "queue":
        run_queue()
    else:
        pipeline.run(workers=int(sys.argv[1]))
