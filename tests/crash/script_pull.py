"""The program of the pull soak: jobs of a database, asked for as they are wanted."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from persistq import Pipeline

JOBS = Path("jobs.db")
MOODS = ("plain", "empty", "slow", "more", "raises", "part")
"""What the other side may be like, for a while."""
MOOD_S = 1.0
MOST = 50

pipeline = Pipeline("pull", workers=3)


def jobs() -> sqlite3.Connection:
    """Open the database, as each process does for itself."""
    connection = sqlite3.connect(JOBS, timeout=30, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    return connection


def mood() -> str:
    """Return what the other side is like now."""
    return random.Random(int(time.monotonic() / MOOD_S)).choice(MOODS)


@pipeline.source(
    poll=True,
    max_outstanding=MOST,
    interval=0.02,
    interval_max=0.5,
    requeue_after="1h",
    retries=1000,
    backoff=0.01,
    backoff_max=0.1,
)
def pending(wanted: int) -> Iterator[int]:
    """Yield jobs that are not done; those at work among them, as such a query does."""
    Path("source.pid").write_text(str(os.getpid()))
    now = mood()
    if now == "empty":
        return
    connection = jobs()
    most = 3 * wanted if now == "more" else wanted
    rows = connection.execute(
        "SELECT job_id FROM job WHERE done = 0 ORDER BY job_id LIMIT ?", (MOST + most,)
    ).fetchall()
    connection.close()
    for place, (job_id,) in enumerate(rows):
        if now == "slow":
            time.sleep(0.005)
        if now in {"raises", "part"} and place == len(rows) // 2:
            raise ConnectionError(f"the other side is {now}")
        yield job_id


@pipeline.context
def target() -> sqlite3.Connection:
    """Open what a worker writes to."""
    return jobs()


@pipeline.stage(max_crashes=1000)
def work(job_id: int, ctx: sqlite3.Connection) -> None:
    """Do a job, and say that it is done."""
    time.sleep(0.001)
    ctx.execute("UPDATE job SET done = done + 1 WHERE job_id = ?", (job_id,))


if __name__ == "__main__":
    pipeline.run(start_method="fork")
