"""Stages with an order, and items that were put to wait, in pipelines that are killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from persistq import Pipeline, UsageError

from .conftest import MakeProgram
from .program import kill, until

ORDERED = """
    pipeline = Pipeline("demo", workers=1)

    @pipeline.source
    def begin():
        yield 0

    @pipeline.stage
    def make(_):
        for n in range(200):
            yield {"n": n * 77 % 200, "urgent": n % 10 == 0}

    @pipeline.stage(priority="urgent", order="n", retries=1, backoff=0)
    def store(row, item):
        if row["n"] == 50 and noted("half") == 0:
            note("half")
            await_file("go on")
        if row["n"] == 150 and item.attempt == 1:
            raise ValueError("again")
        note("stored", row["n"], row["urgent"])

    if __name__ == "__main__":
        pipeline.run()
"""

ROWS = [{"n": n * 77 % 200, "urgent": n % 10 == 0} for n in range(200)]
RETRIED = "stored 150 True"
IN_ORDER = [
    f"stored {row['n']} {row['urgent']}"
    for row in sorted(ROWS, key=lambda row: (row["urgent"], row["n"]), reverse=True)
    if row["n"] != 150
]


def stored(notes: list[str]) -> list[str]:
    """Return what was stored, in order."""
    return [line for line in notes if line.startswith("stored")]


def at_once(notes: list[str]) -> list[str]:
    """Return what was stored at its first attempt; the other one is urgent too, and soon tried."""
    lines = stored(notes)
    assert lines.index(RETRIED) < 20
    return [line for line in lines if line != RETRIED]


def test_urgent_items_come_first_and_then_the_largest(program: MakeProgram) -> None:
    """Also inline; what is retried is behind what was in hand then, and before the others."""
    script = program(ORDERED.replace('noted("half") == 0', "False"))
    ended = script.run(PERSISTQ_WORKERS="0", PERSISTQ_WINDOW_TIME="0")
    assert ended.code == 0, ended.err
    assert at_once(script.notes) == IN_ORDER
    assert script.queues()[-1] == (200, 200, 0, 0)


def test_an_order_is_kept_when_everything_is_killed(program: MakeProgram) -> None:
    """What was not stored yet goes on in the same order; the function is not asked again."""
    script = program(ORDERED)
    process = script.start(env={"PERSISTQ_WINDOW_TIME": "0"})
    script.await_note("half")
    for pid in (script.broker(), process.pid):
        kill(pid, signal.SIGKILL)
    script.wait(process)
    before = len(at_once(script.notes))
    script.write(ORDERED.replace('order="n"', "order=lambda row: 1 / 0 if row else 0"))
    ended = script.run()
    assert ended.code == 0, ended.err
    # One worker, which has at most a window of them in hand: that is handed out again.
    first, after = at_once(script.notes)[:before], at_once(script.notes)[before:]
    assert first == IN_ORDER[:before]
    assert after == IN_ORDER[len(IN_ORDER) - len(after) :]
    assert len(after) >= len(IN_ORDER) - before


def test_a_broker_that_dies_while_it_reads_by_rank_loses_nothing(program: MakeProgram) -> None:
    """Reading changes nothing."""
    script = program(ORDERED.replace('noted("half") == 0', "False"))
    assert script.run(PERSISTQ_FAILPOINT="broker.before_ranked@70").code == 3
    ended = script.run()
    assert ended.code == 0, ended.err
    assert {*stored(script.notes)} == {*IN_ORDER, RETRIED}
    assert script.queues()[-1] == (200, 200, 0, 0)


DELAYED = """
    from persistq import Put
    pipeline = Pipeline("demo", workers=1)

    @pipeline.source
    def numbers():
        yield 1
        yield Put(2, delay=6)
        yield Put(3, delay="1h") if noted("killed") else 4
        yield Put(5)

    @pipeline.stage
    def store(number): note("stored", number, time.time())

    if __name__ == "__main__":
        pipeline.run()
"""


def test_what_was_put_to_wait_waits_when_everything_is_killed(program: MakeProgram) -> None:
    """For what is left of its time; a source that is called again puts nothing twice."""
    script = program(DELAYED)
    process = script.start()
    until(lambda: len(stored(script.notes)) == 3)
    [due] = script.rows("SELECT due_at FROM put_block WHERE due_at IS NOT NULL")
    for pid in (script.broker(), process.pid):
        kill(pid, signal.SIGKILL)
    script.wait(process)
    assert time.time() * 1000 < due
    words = [
        sys.executable,
        "-m",
        "persistq",
        "why",
        "store:2",
        "--journal",
        script.home / "journal",
    ]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert ", to wait until 20" in said
    ended = script.run()
    assert ended.code == 0, ended.err
    times = {line.split()[1]: float(line.split()[2]) for line in stored(script.notes)}
    assert [*times] == ["1", "4", "5", "2"]
    assert due <= times["2"] * 1000 < due + 10_000
    assert script.queues() == [(4, 4, 0, 0)]


def test_items_wait_inline_and_in_stages_with_keys_groups_and_cursors(
    program: MakeProgram,
) -> None:
    """Whatever else is said of an item that is put to wait."""
    script = program(
        """
        from persistq import Put
        pipeline = Pipeline("demo", workers=0)

        @pipeline.source(key="id")
        def rows(cursor):
            yield Put({"id": 1, "of": "a"}, cursor=1, delay=0.3)
            yield {"id": 2, "of": "b"}
            yield Put({"id": 1, "of": "again"}, delay=0.3)
            yield Put({"id": 3, "of": "a"}, cursor=3)
            yield Put({"id": 4, "of": "b"}, delay="100ms")

        @pipeline.stage(group_by="of", group_size=2)
        def store(rows): note("stored", [row["id"] for row in rows])

        pipeline.run()
        """
    )
    ended = script.run()
    assert ended.code == 0, ended.err
    assert stored(script.notes) == ["stored [2, 4]", "stored [1, 3]"]


def test_a_source_says_the_places_of_its_items(program: MakeProgram) -> None:
    """With a key, and of one that waits; each is recorded."""
    script = program(
        """
        from persistq import Put
        pipeline = Pipeline("demo", workers=0)

        @pipeline.source(key=lambda number: number)
        def numbers():
            yield from (3, 1, 2, 1)
            yield Put(9, delay=0.05)

        @pipeline.stage(order=lambda number: number)
        def store(number): note("stored", number)

        pipeline.run()
        """
    )
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.rows("SELECT first_id & 15 FROM put_block ORDER BY rank") == [4, 1, 3, 2]
    assert sorted(stored(script.notes)) == [f"stored {n}" for n in (1, 2, 3, 9)]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"order": 5}, "order=5 is refused: give the name of a field, or a function of an item"),
        ({"priority": ""}, "priority='' is refused"),
        ({"order": "n", "batch": 5}, "do not go with batch="),
        ({"priority": "n", "group_by": "n", "marker": "last"}, "do not go with group_by="),
    ],
)
def test_an_order_that_cannot_be_kept_is_refused(options: dict[str, object], says: str) -> None:
    """Before anything is made."""
    pipeline = Pipeline("demo")
    pipeline.source(lambda: range(3), name="numbers")

    def build_and_run() -> None:
        pipeline.stage(name="store", **options)(lambda rows: None)  # type: ignore[arg-type]
        pipeline.run()

    with pytest.raises(UsageError, match=says):
        build_and_run()


@pytest.mark.parametrize(
    ("yields", "options", "says"),
    [
        ("'x'", 'order="n"', "stage 'store': order= gives no place for 'x': AttributeError"),
        ("Put(1, delay='soon')", "", "Put(..., delay)='soon' is refused: it should be seconds"),
        ("Put(1, cursor=2)", "", "yields a cursor and takes none: give it a parameter cursor"),
    ],
)
def test_a_source_whose_items_have_no_place_fails_in_a_sentence(
    program: MakeProgram, yields: str, options: str, says: str
) -> None:
    """No traceback: the program is wrong, not persistq."""
    script = program(
        f"""
        from persistq import Put
        pipeline = Pipeline("demo", workers=0)
        @pipeline.source
        def rows(): yield {yields}
        @pipeline.stage({options})
        def store(row): note("stored")
        pipeline.run()
        """
    )
    ended = script.run()
    assert ended.code == 3, ended.err
    assert says in ended.err
    assert "Traceback" not in ended.err
    assert stored(script.notes) == []
