"""`item.key` names an item everywhere: at each attempt, in each run, in each copy of a journal."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import pytest

from .conftest import MakeProgram
from .program import Program, kill, until

ONE_TABLE = """
    import sqlite3
    pipeline = Pipeline(os.environ["NAME"], workers=2)

    @pipeline.source
    def numbers():
        yield from range(50)

    @pipeline.context
    def table():
        connection = sqlite3.connect(HERE / "table.sqlite", timeout=30, isolation_level=None)
        connection.execute("CREATE TABLE IF NOT EXISTS t (key VARCHAR(52) PRIMARY KEY, row TEXT)")
        return connection

    @pipeline.stage
    def store(number, ctx, item):
        row = f"{os.environ['NAME']} {number}"
        ctx.execute("INSERT OR IGNORE INTO t VALUES (?, ?)", (item.key, row))

    if __name__ == "__main__":
        pipeline.run()
"""


def test_loads_of_two_names_store_all_their_rows_in_one_table(program: MakeProgram) -> None:
    """The table ignores a key that it has: no load takes another's rows for its own."""
    script = program(ONE_TABLE)
    for name in ("monday", "tuesday"):
        ended = script.run(NAME=name)
        assert ended.code == 0, ended.err
    with closing(sqlite3.connect(script.home / "table.sqlite")) as table:
        rows = [row for (row,) in table.execute("SELECT row FROM t")]
    assert sorted(rows) == sorted(f"{day} {n}" for day in ("monday", "tuesday") for n in range(50))


STORE = """
    @pipeline.stage
    def store(number, item):
        note("store", number, item.key)

    if __name__ == "__main__":
        pipeline.run()
"""

KILLED = """
    pipeline = Pipeline("demo")

    @pipeline.source
    def numbers():
        for number in range(60):
            if number == 45:
                await_file("fixed")
            yield number

    @pipeline.stage(retries=1, backoff=0.01)
    def work(number, item):
        note("work", number, item.key)
        if number == 7 and item.attempt == 1:
            raise ValueError
        if number == 9 and not noted("died"):
            note("died")
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 30:
            note("stuck")
            await_file("fixed")
        if number == 50:
            raise KeyError
        return number
"""


def keys_of(script: Program) -> dict[tuple[str, str], list[str]]:
    """Return the keys that each item was seen with, by stage and number."""
    keys = defaultdict(list)
    for line in script.notes:
        match line.split():
            case (stage, number, key):
                keys[stage, number].append(key)
    return keys


@pytest.mark.parametrize("start_method", ["fork", "spawn", "forkserver", "inline"])
def test_an_item_has_one_key_at_every_attempt_in_every_run(
    program: MakeProgram, start_method: str
) -> None:
    """After an error, the death of a worker, the death of everything, and a retry by hand."""
    script = program(KILLED + STORE)
    inline = start_method == "inline"
    env = {"PERSISTQ_WORKERS": "0" if inline else "2", "PERSISTQ_MAX_CRASHES": "9"}
    if not inline:
        env["PERSISTQ_START_METHOD"] = start_method
    if inline:
        assert script.run(**env).code == -signal.SIGKILL
    process = script.start(env=env)
    script.await_note("stuck")
    for pid in script.processes():
        kill(pid)
    script.wait(process)
    script.touch("fixed")
    script.run(**env)
    assert script.queues() == [(60, 59, 0, 1), (59, 59, 0, 0)]
    script.run(**env, PERSISTQ_RETRY_FAILED="1")
    seen = keys_of(script)
    assert len(seen) == 60 + 59
    repeated = {number: len(seen["work", number]) for number in ("7", "9", "30", "50")}
    assert all(count > 1 for count in repeated.values()), repeated
    assert repeated["50"] == 4
    assert {place: len(set(keys)) for place, keys in seen.items()} == dict.fromkeys(seen, 1)
    assert len({key for keys in seen.values() for key in keys}) == len(seen)
    runs = script.rows("SELECT uuid FROM run ORDER BY run_id")
    assert seen["work", "0"][0].startswith(f"{runs[0]}-")
    assert seen["work", "59"][0].startswith(f"{runs[2 if inline else 1]}-")


COPIED = """
    pipeline = Pipeline("demo", workers=2)

    @pipeline.source
    def numbers():
        for number in range(30):
            if number == 20:
                await_file("copied")
            yield number

    @pipeline.stage
    def work(number, item):
        note("work", number, item.key)
        await_file("copied")
        return number
"""


def test_copies_of_a_journal_share_the_keys_of_the_items_they_share(program: MakeProgram) -> None:
    """The original goes on in its run, two copies in runs of their own, with other items."""
    scripts = [program(COPIED + STORE, home=home) for home in ("original", "copy1", "copy2")]
    original = scripts[0]
    process = original.start()
    original.await_note("work", 2)
    until(lambda: original.rows("SELECT count(*) FROM item") == [20])
    for script in scripts[1:]:
        copy_journal(original.home, script.home)
    for script in scripts:
        script.touch("copied")
    assert original.wait(process).code == 0
    for script in scripts[1:]:
        ended = script.run()
        assert ended.code == 0, ended.err
    seen = [{place: set(keys) for place, keys in keys_of(script).items()} for script in scripts]
    assert [len(one) for one in seen] == [60, 60, 60]
    for place in seen[0]:
        keys = set.union(*(one[place] for one in seen))
        stage, number = place
        shared = stage == "work" and int(number) < 20
        assert len(keys) == (1 if shared else 3), place
    everything = set.union(*(keys for one in seen for keys in one.values()))
    assert len(everything) == 20 + 3 * (10 + 30)


def copy_journal(source: Path, target: Path) -> None:
    """Copy a journal that is in use, as one moment has it."""
    (target / "journal").mkdir(mode=0o700)
    path = target / "journal" / "demo.db"
    with (
        closing(sqlite3.connect(source / "journal" / "demo.db")) as origin,
        closing(sqlite3.connect(os.fspath(path))) as copy,
    ):
        origin.backup(copy)
    path.chmod(0o600)
