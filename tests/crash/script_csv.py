"""The program of the CSV load: all files of a directory, largest first, behind the last offset."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from persistq import Pipeline, Put, sources

SEEN = Path("seen")
"""A byte for each line of all files: how often a handler has had it."""

pipeline = Pipeline("csv", workers=1)


@pipeline.source
def rows(directory: str, cursor: Any) -> Iterator[Put]:
    """Yield the rows of each file."""
    Path("source.pid").write_text(str(os.getpid()))
    found = [file["path"] for file in sources.files(f"{directory}/*.csv", order="largest")]
    begun = found.index(cursor["file"]["path"]) if cursor else 0
    for path in found[begun:]:
        yield from sources.csv_rows(path, cursor)
        cursor = None


@pipeline.context
def seen() -> mmap.mmap:
    """Open the counters, which all workers share."""
    file = os.open(SEEN, os.O_RDWR)
    return mmap.mmap(file, 0)


@pipeline.stage(batch=1000)
def note(batch: list[dict[str, str]], ctx: mmap.mmap) -> None:
    """Count each line."""
    for row in batch:
        ctx[int(row["line"])] += 1


if __name__ == "__main__":
    pipeline.run(params={"directory": "incoming"})
