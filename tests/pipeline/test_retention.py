"""A load of every night: the disk does not fill, and what failed can still be retried."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from persistq.testing import check_journal

from .program import Program

MakeProgram = Callable[..., Program]

NIGHTLY = """
    pipeline = Pipeline(os.environ.get("NAME", "demo"), workers=1)

    @pipeline.source
    def numbers(day="mon"):
        yield from range(2000)

    @pipeline.stage(retries=0)
    def store(number):
        if str(number) == os.environ.get("BROKEN"):
            raise ValueError(number)
        note("store", number)

    if __name__ == "__main__":
        pipeline.run(params={"day": os.environ.get("DAY", "mon")})
"""


def night(script: Program, name: str = "demo", **env: str) -> Path:
    """Run the script, wait for its broker's end as well, and return the journal."""
    ended = script.run(PERSISTQ_KEEP_LOADS="2", **env)
    assert ended.code in {0, 6}, ended.err
    path = script.home / "journal" / f"{name}.db"
    with path.with_suffix(".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
    return path


def rows(path: Path, query: str) -> list[Any]:
    """Return all rows of a query."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


PURGED = "SELECT load_id FROM load WHERE purged_at IS NOT NULL ORDER BY load_id"
WITH_ITEMS = """
    SELECT DISTINCT load_id FROM put_block JOIN queue ON queue_id = first_id >> 40
    ORDER BY load_id"""


def test_old_loads_give_up_their_items_at_the_end_of_a_run(program: MakeProgram) -> None:
    """Two are kept; the file does not grow with a third one, and a fourth."""
    script = program(NIGHTLY)
    sizes = [night(script).stat().st_size for _ in range(5)]
    path = night(script)
    assert rows(path, PURGED) == [(1,), (2,), (3,), (4,)]
    assert rows(path, WITH_ITEMS) == [(5,), (6,)]
    assert path.stat().st_size <= max(sizes[:3])
    assert check_journal(path) == []


def test_what_failed_in_a_load_that_was_purged_is_retried(program: MakeProgram) -> None:
    """Its payload is there; no other item is handled again, and the source is not called."""
    script = program(NIGHTLY)
    night(script, BROKEN="7")
    for _ in range(2):
        path = night(script)
    assert rows(path, PURGED) == [(1,)]
    before = len(script.notes)
    night(script, PERSISTQ_LOAD="1", PERSISTQ_RETRY_FAILED="1")
    assert script.notes[before:] == ["store 7"]
    state = "SELECT state, done, parked FROM load JOIN queue USING (load_id) WHERE load_id = 1"
    assert rows(path, state) == [("settled", 2000, 0)]
    assert check_journal(path) == []
    night(script)
    assert rows(path, WITH_ITEMS) == [(3,), (4,)]


def test_journals_of_one_template_count_together(program: MakeProgram) -> None:
    """What is too much is removed with what lies beside it; what failed stays."""
    script = program(NIGHTLY)
    days = ["mon", "tue", "wed", "thu"]
    for day in days:
        broken = {"BROKEN": "7"} if day == "mon" else {}
        night(script, f"sales-{day}", NAME="sales-{day}", DAY=day, **broken)
    directory = script.home / "journal"
    left = sorted(path.name for path in directory.glob("*.db"))
    assert left == ["sales-mon.db", "sales-thu.db", "sales-wed.db"]
    assert not [*directory.glob("sales-tue*")]
    assert rows(directory / "sales-mon.db", PURGED) == [(1,)]
    assert rows(directory / "sales-wed.db", PURGED) == []
    for path in directory.glob("*.db"):
        assert check_journal(path) == []
