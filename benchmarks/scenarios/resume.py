"""Carrying on a load of which millions are done."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from broker_memory import memory_of_broker
from contest import Claim, Contender, Outcome, Scale, Scenario
from rivals import ours

from persistq import PersistentQueue
from persistq.items import item_id_of
from persistq.journal.sqlite import open_journal

NAME = "bench"
JOURNAL = Path("journal", f"{NAME}.db")
MEMORY_MB = 200

PERSISTQ, NEW, BARE = "persistq", "persistq, a new name", "bare SQL difference"

_NUMBERS = "WITH RECURSIVE number(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM number WHERE n < ?)"
_JSON = "CAST(CAST(n - 1 AS TEXT) AS BLOB)"
_PUT = f"INSERT INTO put_log {_NUMBERS} SELECT ? + n, 0, {_JSON} FROM number"
_DONE = f"INSERT INTO done_log {_NUMBERS} SELECT ? + n, 0 FROM number"
_COUNT = "UPDATE queue SET next_n = ?, done = ? WHERE queue_id = ?"
_DIFFERENCE = (
    "SELECT item_id FROM put_log AS p WHERE NOT EXISTS "
    "(SELECT 1 FROM done_log AS d WHERE d.item_id = p.item_id) ORDER BY item_id"
)


def prepare(done: int, outstanding: int) -> None:
    """Write a journal as it is after a crash: all rows, the counters right, the load open."""
    journal = open_journal(JOURNAL.resolve())
    load = journal.begin_load("queue")
    queue_id = journal.add_queue(load.load_id, 0, NAME).queue_id
    journal.close()
    base, put = item_id_of(queue_id, 0), done + outstanding
    with closing(sqlite3.connect(JOURNAL)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(_PUT, (put, base))
        connection.execute(_DONE, (done, base))
        connection.execute(_COUNT, (put + 1, done, queue_id))


def carry_on(done: int) -> Outcome:
    """From before the name is opened until the first outstanding item is there."""
    began = time.perf_counter()
    queue: PersistentQueue[int] = PersistentQueue(NAME)
    got = queue.get()
    took = time.perf_counter() - began
    if got != done:
        raise RuntimeError(f"the first item is {got}, not {done}")
    memory = memory_of_broker(Path(queue.journal))
    queue.dispose()
    return Outcome(took, details={"memory_mb": memory})


def begin() -> Outcome:
    """From before a new name is opened until its first item is there."""
    began = time.perf_counter()
    queue: PersistentQueue[int] = PersistentQueue(NAME)
    queue.put(0)
    queue.get()
    took = time.perf_counter() - began
    memory = memory_of_broker(Path(queue.journal))
    queue.task_done()
    return Outcome(took, details={"memory_mb": memory})


def difference(outstanding: int) -> Outcome:
    """Open the journal, subtract done from put in SQL, and fetch all ids."""
    began = time.perf_counter()
    with closing(sqlite3.connect(f"{JOURNAL.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        found = connection.execute(_DIFFERENCE).fetchall()
    took = time.perf_counter() - began
    if len(found) != outstanding:
        raise RuntimeError(f"{len(found)} items are outstanding, not {outstanding}")
    return Outcome(took)


def scenario(scale: Scale) -> Scenario:
    """State the question."""
    done = scale.of(1_000_000, tiny=5_000, full=10_000_000)
    outstanding = scale.of(100_000, tiny=1_000)
    return Scenario(
        name="resume",
        title=f"Carrying on a load with {done:,} items done and {outstanding:,} outstanding",
        unit="s",
        better="lower",
        method="From opening the name to the first item in hand, including the start of the "
        "broker's process. The outstanding items are the last ones, so that everything done is "
        "passed over before the first is found. The yardstick subtracts the logs in SQL, in a "
        "process that runs already, and fetches all ids.",
        payload="an int",
        prepare=("scenarios.resume:prepare", {"done": done, "outstanding": outstanding}),
        contenders=[
            _ours(PERSISTQ, "carry_on", {"done": done}, prepared=True),
            _ours(NEW, "begin", {}, prepared=False),
            Contender(
                name=BARE,
                play="scenarios.resume:difference",
                options={"outstanding": outstanding},
                durable="-",
                prepared=True,
            ),
        ],
        claims=_claims(judged=scale.name == "full"),
        timeout=1800,
        long=True,
    )


def _ours(name: str, function: str, options: dict[str, int], *, prepared: bool) -> Contender:
    return Contender(
        name=name,
        play=f"scenarios.resume:{function}",
        options=options,
        durable=ours.DURABLE,
        ours=True,
        prepared=prepared,
    )


def _claims(*, judged: bool) -> list[Claim]:
    # With few items the start of a process is most of the time, and the ratio says nothing.
    return [
        Claim(
            label=f"{PERSISTQ} / {BARE}",
            ours=PERSISTQ,
            rivals=(BARE,),
            at_most=1.5 if judged else None,
        ),
        Claim(label=f"{PERSISTQ} / {NEW}", ours=PERSISTQ, rivals=(NEW,)),
        Claim(
            label="broker's memory at most, MB",
            ours=PERSISTQ,
            figure="memory_mb",
            at_most=MEMORY_MB,
        ),
    ]
