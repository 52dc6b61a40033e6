"""Plays a worker: gets items that are not done, stores them, writes down what is done.

Called with a directory and the target's URL, or ``files``. Each batch goes into the table ``rows``,
a file of its own and one that all append to.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from persistq.sinks import FileSink, Sink, Stored, append_output, open_output
from tests.sinks.targets import EVERY, RUN, key

ITEMS = 30
BATCH = 10
BAD = 17


def main(home: Path, target: str) -> None:
    """Work until all is done."""
    loader = (FileSink(str(home / "receipts.db")) if target == "files" else Sink(target)).open()
    done_log = home / "done"
    done = set(done_log.read_text().split()) if done_log.exists() else set()
    items = [n for n in range(1, ITEMS + 1) if str(n) not in done]
    for start in range(0, len(items), BATCH):
        batch = items[start : start + BATCH]

        def attempt(conn: Any, positions: Sequence[int], batch: list[int] = batch) -> list[Any]:
            return store(home, conn, [batch[position] for position in positions])

        endings = loader.load([key(n) for n in batch], attempt)
        with done_log.open("a") as file:
            for n, ending in zip(batch, endings, strict=True):
                if isinstance(ending, Stored):
                    assert ending.outputs == f"out of {n}".encode()
                assert isinstance(ending, Stored) == (n != BAD), ending
                file.write(f"{n}\n")
    loader.purge(RUN, *EVERY)
    loader.close()


def store(home: Path, connection: Any, numbers: list[int]) -> list[bytes]:
    """Store numbers everywhere."""
    with append_output(home / "all.txt", header="n\n") as file:
        file.writelines(f"{n}\n" for n in numbers)
    for n in numbers:
        with open_output(home / f"{n}.txt") as file:
            file.write("x" * n)
    if connection is not None:
        for n in numbers:
            connection.exec_driver_sql(f"INSERT INTO rows VALUES ({-1 if n == BAD else n}, 'x')")
    elif BAD in numbers:
        raise ValueError("bad")
    return [f"out of {n}".encode() for n in numbers]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
