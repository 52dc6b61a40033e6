"""``once=True``: what earlier loads have done is skipped, and nothing else is."""

from __future__ import annotations

import fcntl
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from persistq.testing import check_journal

from .conftest import MakeProgram
from .program import Program

NIGHTLY = """
    pipeline = Pipeline("demo", workers=1)
    NIGHT = os.environ["NIGHT"]
    BAD = os.environ.get("BAD", "").split()

    @pipeline.source(key="id", once=True)
    def rows():
        for number in range(int(os.environ.get("ROWS", "20"))):
            yield {"id": number, "night": NIGHT}

    @pipeline.stage(retries=0, on_error="park")
    def check(row):
        if f"drop{row['id']}" in BAD: raise Drop("not needed")
        if f"fail{row['id']}" in BAD: raise ValueError("no")
        yield row["id"]
        yield row["id"]

    @pipeline.stage(retries=0, on_error="park")
    def store(number):
        if f"later{number}" in BAD: raise ValueError("no")
        if f"drops{number}" in BAD: raise Drop("not needed")
        note(NIGHT, number)

    if __name__ == "__main__":
        pipeline.run(fresh=bool(os.environ.get("FRESH")))
"""


JOURNAL = ("--journal", "journal")


def night(script: Program, name: str, *codes: int, **env: str) -> set[int]:
    """Run the script and wait for its broker's end; return what of the source was stored."""
    ended = script.run(NIGHT=name, **env)
    assert ended.code in (codes or (0,)), ended.err
    with (script.home / "journal" / "demo.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
    return {int(line.split()[1]) for line in script.notes if line.startswith(f"{name} ")}


def purge(script: Program, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command on the script's journal."""
    return subprocess.run(
        [sys.executable, "-m", "persistq", "purge", "demo", *words, *JOURNAL],
        cwd=script.home,
        capture_output=True,
        text=True,
        check=False,
    )


ALL = set(range(20))


def test_only_new_rows_are_taken_each_night(program: MakeProgram) -> None:
    """What is skipped is counted, and is no work."""
    script = program(NIGHTLY)
    assert night(script, "mon") == ALL
    assert night(script, "tue") == set()
    assert script.rows("SELECT skipped FROM queue WHERE load_id = 2") == [20, 0]
    assert night(script, "wed", ROWS="25") == {20, 21, 22, 23, 24}
    assert night(script, "thu", ROWS="25") == set()
    assert script.queues() == [(0, 0, 0, 0), (0, 0, 0, 0)]


def test_what_has_not_gone_well_is_taken_again(program: MakeProgram) -> None:
    """Parked or dropped: itself, or what came of it."""
    script = program(NIGHTLY)
    night(script, "mon", 6, BAD="fail3 drop4 later5 drops6")
    assert night(script, "tue") == {3, 4, 5, 6}
    assert night(script, "wed") == set()


def test_what_is_retried_counts_when_it_is_done(program: MakeProgram) -> None:
    """Its load is settled once more, and so is what came of the retry."""
    script = program(NIGHTLY)
    night(script, "mon", 6, BAD="fail3 later5")
    night(script, "mon", PERSISTQ_RETRY_FAILED="1")
    assert script.rows("SELECT max(load_id) FROM load") == [1]
    assert night(script, "tue") == set()


def test_a_load_that_is_abandoned_has_done_nothing(program: MakeProgram) -> None:
    """Who begins anew wants all of it again."""
    script = program(NIGHTLY)
    crash = {"PERSISTQ_FAILPOINT": "broker.before_seal:kill"}
    night(script, "mon", 3, **crash)
    assert night(script, "tue", FRESH="1") == ALL
    assert night(script, "wed") == set()


def test_keys_outlive_their_loads_until_they_are_forgotten(program: MakeProgram) -> None:
    """Neither retention nor a purge takes them; --keys does, and says how many."""
    script = program(NIGHTLY)
    night(script, "mon")
    assert purge(script, "--keep-loads", "0", "--load", "1").returncode == 0
    assert script.rows("SELECT count(*) FROM put_block") == [0]
    assert night(script, "tue", PERSISTQ_KEEP_LOADS="0") == set()
    shown = purge(script, "--keys", "--dry-run")
    assert shown.stdout == "demo: 20 keys\n", shown.stderr
    assert night(script, "wed") == set()
    forgot = purge(script, "--keys")
    assert (forgot.returncode, forgot.stdout) == (0, "demo: 20 keys\n")
    assert night(script, "thu") == ALL
    refused = purge(script, "--keys", "--load", "1")
    assert refused.returncode == 2
    assert "--keys is of one journal" in refused.stderr


POINTS = ["donekeys.before_note", "donekeys.half_noted", "donekeys.after_note"]


@pytest.mark.parametrize("action", ["kill", "error"])
@pytest.mark.parametrize("point", POINTS)
def test_a_broker_that_dies_while_it_notes_leaves_it_to_the_next_run(
    program: MakeProgram, point: str, action: str
) -> None:
    """Also if that dies of the same: nothing is taken twice, and nothing is left out."""
    script = program(NIGHTLY)
    dying = {"PERSISTQ_FAILPOINT": f"{point}:{action}"}
    night(script, "mon", 6, BAD="fail3", **dying)
    path = script.home / "journal" / "demo.db"
    assert check_journal(path) == []
    with closing(sqlite3.connect(path)) as connection:
        noted = connection.execute("SELECT noted FROM queue WHERE queue_id = 1").fetchone()
    assert noted == (20 if point == "donekeys.after_note" else 0,)
    if point != "donekeys.after_note":
        night(script, "broken", 3, 4, **dying)
        assert check_journal(path) == []
    assert night(script, "tue") == {3}
    assert night(script, "wed") == set()


def test_a_purge_that_dies_half_way_has_forgotten_nothing(program: MakeProgram) -> None:
    """All keys are forgotten, or none."""
    script = program(NIGHTLY)
    night(script, "mon")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERSISTQ_FAILPOINT", "donekeys.half_forgotten:kill")
        assert purge(script, "--keys").returncode != 0
    assert night(script, "tue") == set()
