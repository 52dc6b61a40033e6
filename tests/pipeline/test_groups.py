"""A handler gets a group when all of it is there; one that never is complete is told."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from persistq import Pipeline, UsageError

from .conftest import MakeProgram
from .program import kill, until

GROUPS = """
    import random

    pipeline = Pipeline("demo", workers=2)

    def parts(n):
        return 1 + n % 5

    @pipeline.source
    def pieces():
        rows = [{"file": n, "part": m, "of": parts(n)} for n in range(60) for m in range(parts(n))]
        random.Random(1).shuffle(rows)
        yield from rows

    @pipeline.stage
    def read(piece):
        return piece

    @pipeline.stage(group_by="file", group_size="of")
    def join(pieces):
        [file] = {piece["file"] for piece in pieces}
        assert sorted(piece["part"] for piece in pieces) == list(range(parts(file))), pieces
        note("join", file)
        yield [file, len(pieces)]

    @pipeline.stage
    def store(row):
        note("store", *row)

    if __name__ == "__main__":
        pipeline.run()
"""

PARTS = sum(1 + n % 5 for n in range(60))
STORED = sorted(f"store {n} {1 + n % 5}" for n in range(60))


def stored(notes: list[str]) -> list[str]:
    """Return what was stored, in order."""
    return sorted(line for line in notes if line.startswith("store"))


def test_a_group_is_handed_out_when_it_is_complete(program: MakeProgram, start_method: str) -> None:
    """Whichever way its items have come; what is made of them is made once."""
    script = program(GROUPS)
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 0, ended.err
    assert stored(script.notes) == STORED
    assert script.queues() == [(PARTS, PARTS, 0, 0)] * 2 + [(60, 60, 0, 0)]


def test_groups_without_processes(program: MakeProgram) -> None:
    """The same inline."""
    script = program(GROUPS.replace("workers=2", "workers=0"))
    ended = script.run()
    assert ended.code == 0, ended.err
    assert stored(script.notes) == STORED


@pytest.mark.parametrize(
    "fault",
    [
        "broker.before_commit@20",
        "broker.after_commit@25",
        "broker.before_group@3",
        "broker.before_hand_out@30",
    ],
)
def test_groups_are_found_again_by_the_next_run(program: MakeProgram, fault: str) -> None:
    """Half of them were there, some in hand: each is complete when it goes out."""
    script = program(GROUPS)
    assert script.run(PERSISTQ_FAILPOINT=fault).code == 3
    ended = script.run()
    assert ended.code == 0, ended.err
    assert {*stored(script.notes)} == {*STORED}
    assert script.queues()[-1] == (60, 60, 0, 0)


def test_groups_of_the_first_stage_and_of_pickles(program: MakeProgram) -> None:
    """The source's process says which group an item belongs to; keys may be tuples."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def pairs():
            yield from [(n, word) for word in ("a", "b") for n in range(40)]

        @pipeline.stage(group_by=lambda pair: (pair[0], "x" * 100), group_size=2)
        def join(pairs, items):
            assert [pair[1] for pair in pairs] == ["a", "b"] and len(items) == 2
            assert isinstance(pairs[0], tuple)
            note("join", pairs[0][0])

        if __name__ == "__main__":
            pipeline.run(start_method="fork")
        """
    )
    ended = script.run()
    assert ended.code == 0, ended.err
    assert sorted(script.notes) == sorted(f"join {n}" for n in range(40))


MEMBERS = """
    pipeline = Pipeline("demo", workers=1)

    @pipeline.source
    def rows():
        for name in ("a", "a", "b", "c"):
            yield {"key": "whole", "name": name}
        yield {"key": "half", "name": "c"}
        yield {"key": "strange", "name": "z"}

    @pipeline.stage
    def read(row):
        return row

    @pipeline.stage(group_by="key", members=lambda row: {"a", "b", "c"}, member="name")
    def join(rows):
        note("join", *(row["name"] for row in rows))

    if __name__ == "__main__":
        pipeline.run()
"""


def test_a_group_of_members_waits_for_each(program: MakeProgram) -> None:
    """One that comes twice counts once; who is no member fails where it was made."""
    script = program(MEMBERS)
    ended = script.run()
    assert ended.code == 6, ended.err
    assert script.notes == ["join a a b c"]
    [strange, half] = script.rows("SELECT type, message FROM failure ORDER BY item_id")
    assert strange[0] == "UsageError"
    assert "'z' is no member of its group" in strange[1]
    assert half == ("GroupIncomplete", 'nothing more comes, and group "half" has 1 of 3')
    assert script.queues() == [(6, 5, 0, 1), (5, 4, 0, 1)]


def test_what_is_never_complete_is_parked_though_the_broker_dies_of_it(
    program: MakeProgram,
) -> None:
    """The next run finds the same groups."""
    script = program(MEMBERS)
    assert script.run(PERSISTQ_FAILPOINT="broker.before_give_up").code == 3
    assert script.run().code == 6
    assert script.queues() == [(6, 5, 0, 1), (5, 4, 0, 1)]


def test_a_marker_completes_its_group(program: MakeProgram) -> None:
    """And a group whose marker does not come is parked, and told, never dropped."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def rows():
            for key in ("x", "y"):
                yield from ({"key": key, "n": n} for n in range(5))
            yield {"key": "x", "end": True}

        @pipeline.stage(group_by="key", marker=lambda row: "end" in row)
        def join(rows):
            note("join", rows[0]["key"], len(rows))

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    ended = script.run()
    assert ended.code == 6, ended.err
    assert script.notes == ["join x 6"]
    assert script.queues() == [(11, 6, 0, 5)]
    assert {*script.rows("SELECT message FROM failure")} == {
        'nothing more comes, and group "y" has 5, and its last one did not come'
    }


FAILING = """
    pipeline = Pipeline("demo", workers=2)

    @pipeline.source
    def rows():
        yield from ({"key": n % 10, "n": n} for n in range(40))

    @pipeline.stage(group_by="key", group_size=4, retries=1, backoff=0.05)
    def join(rows):
        key = rows[0]["key"]
        assert len(rows) == 4
        note("join", key)
        if key == 3 and noted("join 3") == 1:
            raise ValueError("no")
        if key == 5:
            raise ValueError("never")
        if key == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        if key == 8:
            raise Drop("unwanted")

    if __name__ == "__main__":
        pipeline.run()
"""


def test_a_group_fails_is_retried_blamed_and_dropped_as_a_whole(program: MakeProgram) -> None:
    """It is never handed out in parts, and its items have all failed as often."""
    script = program(FAILING)
    ended = script.run()
    assert ended.code == 6, ended.err
    assert script.queues() == [(40, 28, 4, 8)]
    assert [script.counts[f"join {key}"] for key in (1, 3, 5, 7, 8)] == [1, 2, 2, 2, 1]
    kinds = script.rows(
        "SELECT kind, count(*), count(DISTINCT item_id) FROM failure "
        "WHERE item_id IN (SELECT item_id FROM parked) GROUP BY kind ORDER BY kind"
    )
    assert kinds == [("crash", 8, 4), ("exception", 8, 4)]


def test_a_parked_group_is_retried_by_hand_as_a_whole(program: MakeProgram) -> None:
    """All of its items are put back, and are a group again."""
    script = program(FAILING)
    assert script.run().code == 6
    script.write(FAILING.replace("key == 5", "key == 50").replace("key == 7", "key == 70"))
    ended = script.run(PERSISTQ_RETRY_FAILED="1")
    assert ended.code == 0, ended.err
    assert script.queues() == [(40, 36, 4, 0)]


def test_a_retry_of_a_group_waits_across_runs(program: MakeProgram) -> None:
    """The time is recorded with each of its items."""
    script = program(FAILING.replace("backoff=0.05", "backoff=2.0"))
    process = script.start()
    script.await_note("join 3")
    script.await_note("join 5")
    until(lambda: script.rows("SELECT count(*) FROM failure WHERE retry_at NOT NULL") == [8])
    process.kill()
    process.wait()
    ended = script.run()
    assert ended.code == 6, ended.err
    assert script.counts["join 3"] == 2
    assert script.queues() == [(40, 28, 4, 8)]


def test_a_killed_worker_gives_its_group_back_whole(program: MakeProgram) -> None:
    """Another one gets all of it."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def rows():
            yield from range(9)

        @pipeline.stage(group_by=lambda n: n % 3, group_size=3)
        def join(rows):
            note("join", *rows)
            if rows[0] == 1 and noted("join 1 4 7") == 1:
                note("pid", os.getpid())
                await_file("never")

        if __name__ == "__main__":
            pipeline.run(start_method="fork")
        """
    )
    process = script.start()
    kill(script.pid("pid"), signal.SIGKILL)
    ended = script.wait(process)
    assert ended.code == 0, ended.err
    assert script.counts["join 1 4 7"] == 2
    assert {line for line in script.notes if line.startswith("join")} == {
        "join 0 3 6",
        "join 1 4 7",
        "join 2 5 8",
    }


def test_a_group_that_meets_an_error_of_nobodys_fault_is_tried_again_as_a_whole(
    program: MakeProgram,
) -> None:
    """The stage rests, one group is tried, and no attempt is counted."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=2)

        @pipeline.source
        def rows():
            yield from range(12)

        @pipeline.stage(group_by=lambda n: n % 4, group_size=3, pause={ConnectionError: "0.1s"})
        def join(rows):
            assert len(rows) == 3
            if noted("away") < 4:
                note("away")
                raise ConnectionError("away")
            note("join", *rows)
            # What a last stage returns goes nowhere, whatever it is.
            return lambda: rows

        if __name__ == "__main__":
            pipeline.run(start_method="fork")
        """
    )
    ended = script.run()
    assert ended.code == 0, ended.err
    joined = sorted(line for line in script.notes if line.startswith("join"))
    assert joined == ["join 0 4 8", "join 1 5 9", "join 2 6 10", "join 3 7 11"]
    assert script.rows("SELECT count(*) FROM failure") == [0]


def test_what_waits_for_its_group_takes_no_room(program: MakeProgram) -> None:
    """Else what would complete it waited for it."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source(max_outstanding=5)
        def rows():
            yield from range(200)

        @pipeline.stage
        def read(n):
            return n

        @pipeline.stage(group_by=lambda n: n % 100, group_size=2)
        def join(rows):
            note("join", *rows)

        if __name__ == "__main__":
            pipeline.run(start_method="fork", max_outstanding=5)
        """
    )
    ended = script.run()
    assert ended.code == 0, ended.err
    assert len(script.notes) == 100


def test_an_edited_item_stays_in_its_group(program: MakeProgram) -> None:
    """What is put for it has the same key; the command shows it without."""
    script = program(FAILING.replace("if key == 5:", 'if key == 5 and rows[0]["n"] == 5:'))
    assert script.run().code == 6
    journal = ["--journal", str(script.home / "journal")]

    def persistq(*words: str) -> str:
        command = [sys.executable, "-m", "persistq", *words, *journal]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    assert '{"key":5,"n":5}' in persistq("failed", "demo")
    persistq("edit", "join:6", "--name", "demo", "--set", "n=55")
    persistq("retry", "--name", "demo", "--all")
    ended = script.run(PERSISTQ_LOAD="demo:1")
    assert script.counts["join 5"] == 3, ended.err
    assert script.rows("SELECT count(*) FROM parked") == [4]


def test_what_is_wrong_with_groups_is_said_where_it_is_written() -> None:
    """What does not tell when one is complete, and what does not go with groups."""
    pipeline = Pipeline("demo")

    def join(rows: list[int]) -> None:
        pass

    for options, words in (
        ({"group_size": 2}, "group_size= without group_by="),
        ({"group_by": "key"}, "needs one of group_size=, marker=, and members="),
        ({"group_by": "key", "group_size": 2, "marker": "end"}, "needs one of"),
        ({"group_by": "key", "members": "all"}, "needs one of"),
        ({"group_by": 3, "group_size": 2}, "group_by=3 is refused: give a function"),
        ({"group_by": "key", "group_size": 0}, "group_size=0 is refused"),
    ):
        with pytest.raises(UsageError, match=words):
            pipeline.stage(**options)(join)  # type: ignore[arg-type]
    for more in ({"batch": 3}, {"stream": True}, {"sink": "sqlite:///x.db"}):
        stage = Pipeline("demo")
        stage.source(lambda: [1])
        stage.stage(group_by="key", group_size=2, **more)(join)  # type: ignore[call-overload]
        with pytest.raises(UsageError, match=r"group_by= does not go with (batch|stream|sink)="):
            stage.run()
    circle = Pipeline("demo")
    circle.source(lambda: [1])
    circle.stage(group_by="key", group_size=2, puts="join")(join)
    with pytest.raises(UsageError, match="group_by= does not go with puts="):
        circle.run()
