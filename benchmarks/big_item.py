"""A whole file as one item: a handler that yields millions of rows, and what that takes.

    python benchmarks/big_item.py                       # this tree
    python benchmarks/big_item.py --tree ../old --rows 300000

Prints one line of JSON: rows per second from start to end, through both stages, and the most memory
that the reading worker, the storing one and the broker ever had, in MB. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS = 8_000_000
LOOK_S = 0.2
SCRIPT = """\
import os
from persistq import Pipeline

pipeline = Pipeline("big", workers=1)

@pipeline.source
def files():
    yield "one.csv"

@pipeline.stage
def read(path):
    open("read", "w").write(str(os.getpid()))
    yield from range(ROWS)

@pipeline.stage
def store(row):
    if row == 0:
        open("store", "w").write(str(os.getpid()))

if __name__ == "__main__":
    pipeline.run()
"""


def main() -> None:
    """Run once and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--tree", type=Path, default=Path(__file__).parents[1])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        print(json.dumps(measured(Path(home), options.rows, options.tree.resolve())))


def measured(home: Path, rows: int, tree: Path) -> dict[str, float]:
    """Return the figures of one run in a directory, with the persistq of a tree."""
    (home / "script.py").write_text(SCRIPT.replace("ROWS", str(rows)))
    environment = {**os.environ, "PYTHONPATH": str(tree), "PERSISTQ_PROGRESS": "none"}
    began = time.monotonic()
    script = subprocess.Popen([sys.executable, "script.py"], cwd=home, env=environment)
    peaks: dict[str, float] = {}
    while script.poll() is None:
        for name, pid in processes(home).items():
            peaks[name] = max(peaks.get(name, 0.0), peak_of(pid))
        time.sleep(LOOK_S)
    if script.returncode:
        raise SystemExit(script.returncode)
    seconds = time.monotonic() - began
    size = sum(file.stat().st_size for file in home.glob(".persistq/big.db*")) / 1e6
    figures = {"rows": rows, "rows_per_s": rows / seconds, "journal_mb": size, **peaks}
    return {name: round(figure, 1) for name, figure in figures.items()}


def processes(home: Path) -> dict[str, int]:
    """Return the numbers of the processes that are looked at, as far as they have begun."""
    found = {name: pid_in(home / name) for name in ("read", "store")}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            is_broker = b"persistq.broker" in (entry / "cmdline").read_bytes()
            if is_broker and os.readlink(entry / "cwd") == str(home):  # noqa: PTH115 - text
                found["broker"] = int(entry.name)
        except OSError:
            continue
    return {name: pid for name, pid in found.items() if pid}


def pid_in(file: Path) -> int:
    """Return what a handler has noted, 0 if nothing yet."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return 0


def peak_of(pid: int) -> float:
    """Return the most memory that a process ever had, in MB, 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmHWM")), 0.0)


if __name__ == "__main__":
    main()
