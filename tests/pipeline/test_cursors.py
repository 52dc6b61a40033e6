"""Sources that say how far they have come, and go on behind that."""

from __future__ import annotations

import pytest

from persistq import Put

from .conftest import MakeProgram
from .program import kill

SEVENS = """
    from persistq import Put
    pipeline = Pipeline("demo", workers=2)

    @pipeline.source
    def sevens(count=3000, *, cursor):
        note("behind", cursor)
        for number in range(cursor or 0, count):
            if number == 1500 and not (HERE / "fixed").exists():
                raise ConnectionError("the other side hung up")
            yield Put(7, cursor=number + 1)

    @pipeline.stage
    def store(number): note("stored", number)

    if __name__ == "__main__":
        pipeline.run()
"""


def test_a_source_goes_on_behind_its_cursor(program: MakeProgram, start_method: str) -> None:
    """Equal values are new items there: they are not compared with what was put before."""
    script = program(SEVENS)
    assert script.run(PERSISTQ_START_METHOD=start_method).code == 3
    assert script.queues()[0][0] == 1500
    assert script.rows("SELECT put, data FROM cursor") == [(1500, b"1500")]
    script.touch("fixed")
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 0, ended.err
    assert [line for line in script.notes if line.startswith("behind")] == [
        "behind None",
        "behind 1500",
    ]
    assert script.queues() == [(3000, 3000, 0, 0)]
    assert script.counts["stored 7"] == 3000


def test_a_killed_source_is_called_again_behind_its_cursor(program: MakeProgram) -> None:
    """In the same run: what it had sent is read to its end before the next one begins."""
    script = program(
        """
        from persistq import Put
        pipeline = Pipeline("demo", workers=2)

        @pipeline.source
        def numbers(cursor):
            note("source", cursor, os.getpid())
            for number in range(cursor or 0, 2000):
                if number == 1000 and noted("half") == 0:
                    note("half")
                    await_file("never")
                yield Put(number, cursor=number + 1)

        @pipeline.stage
        def store(number): note("stored", number)

        pipeline.run()
        """
    )
    process = script.start()
    script.await_note("half")
    kill(script.pid("source None"))
    ended = script.wait(process)
    assert ended.code == 0, ended.err
    assert script.queues() == [(2000, 2000, 0, 0)]
    counts = script.counts
    assert all(counts[f"stored {number}"] == 1 for number in range(2000))
    [again] = [line for line in script.notes if line.startswith("source ")][1:]
    assert 0 < int(again.split()[1]) <= 1000


def test_what_was_put_behind_the_last_cursor_is_absorbed(program: MakeProgram) -> None:
    """A cursor need not come with each item; those since then are compared, as without one."""
    script = program(
        """
        from persistq import Put
        pipeline = Pipeline("demo", workers=2)

        @pipeline.source
        def numbers(cursor):
            note("behind", cursor)
            for number in range(cursor or 0, 1000):
                if number == 250 and cursor is None:
                    raise ConnectionError
                yield Put(number % 10, cursor=number + 1) if number % 100 == 99 else number % 10

        @pipeline.stage
        def store(number): note("stored", number)

        pipeline.run()
        """
    )
    assert script.run().code == 3
    assert script.queues()[0][0] == 250
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.counts["behind 200"] == 1
    assert script.queues() == [(1000, 1000, 0, 0)]
    assert {script.counts[f"stored {number}"] for number in range(10)} == {100}


def test_a_cursor_waits_for_what_is_still_to_be_repeated(program: MakeProgram) -> None:
    """A source that comes in another order doubles nothing, however often it breaks off."""
    script = program(
        """
        from persistq import Put
        pipeline = Pipeline("demo", workers=1)
        START = noted("start")
        ENDS = [150, 110, None]

        @pipeline.source
        def numbers(cursor):
            note("start")
            note("behind", cursor)
            order = [*range(cursor or 0, 200)]
            if cursor is not None:
                order[:50] = order[49::-1]
            for done, number in enumerate(order, cursor or 0):
                if done == ENDS[START]:
                    raise ConnectionError
                counts = number == 99 or START
                yield Put(number, cursor=done + 1) if counts else number

        @pipeline.stage
        def store(number): note("stored", number)

        pipeline.run()
        """
    )
    assert [script.run().code for _ in range(3)] == [3, 3, 0]
    assert script.counts["behind 100"] == 2
    assert script.queues() == [(200, 200, 0, 0)]
    assert all(script.counts[f"stored {number}"] == 1 for number in range(200))
    assert script.rows("SELECT put, data FROM cursor") == [(200, b"200")]


def test_a_source_that_takes_no_cursor_any_more_begins_anew(program: MakeProgram) -> None:
    """What it repeats is absorbed by value, from the first item on."""
    script = program(SEVENS)
    assert script.run().code == 3
    plain = SEVENS.replace(", *, cursor", "").replace("cursor or 0", "0")
    script.write(plain.replace("Put(7, cursor=number + 1)", "7").replace(", cursor)", ")"))
    script.touch("fixed")
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.queues() == [(3000, 3000, 0, 0)]


def test_a_new_load_begins_without_a_cursor(program: MakeProgram) -> None:
    """Cursors belong to their load, as parameters do."""
    script = program(SEVENS)
    assert script.run().code == 3
    script.touch("fixed")
    assert script.run(PERSISTQ_FRESH="1").code == 0
    assert script.counts["behind None"] == 2
    assert script.rows("SELECT source_id, put FROM cursor") == [(1, 1500), (2, 3000)]


def test_a_cursor_without_processes(program: MakeProgram) -> None:
    """With ``workers=0`` as well: each item is carried through before the next one is asked for."""
    script = program(SEVENS)
    assert script.run(PERSISTQ_WORKERS="0").code == 3
    script.touch("fixed")
    ended = script.run(PERSISTQ_WORKERS="0")
    assert ended.code == 0, ended.err
    assert script.counts["behind 1500"] == 1
    assert script.counts["stored 7"] == 3000


def test_a_cursor_that_cannot_be_read_is_told(program: MakeProgram) -> None:
    """Its class may be gone; what was put stays, and nothing is put twice."""
    script = program(
        """
        from persistq import Put
        pipeline = Pipeline("demo", workers=1)

        class Place:
            pass

        @pipeline.source
        def numbers(cursor):
            yield Put(1, cursor=Place())
            raise ConnectionError

        @pipeline.stage
        def store(number): note("stored", number)

        pipeline.run()
        """
    )
    assert script.run().code == 3
    renamed = script.script.read_text().replace("class Place", "class Spot")
    script.script.write_text(renamed.replace("Place()", "Spot()"))
    ended = script.run()
    assert ended.code == 3
    assert "the cursor of source 'numbers' cannot be read: AttributeError" in ended.err
    assert "begin anew with --fresh" in ended.err
    assert "Traceback" not in ended.err
    assert script.queues()[0][0] == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "    @pipeline.source\n    def numbers(): yield Put(1, cursor=1)",
            "yields a cursor and takes none",
        ),
        (
            "    @pipeline.source\n    def numbers(cursor): yield Put(1, cursor=lambda: 1)",
            "it cannot be pickled",
        ),
    ],
)
def test_a_cursor_that_means_nothing_is_refused(
    program: MakeProgram, text: str, sentence: str
) -> None:
    """A source that does not take it would not go on behind it; one that cannot be kept is none."""
    script = program(
        f"""
    from persistq import Put
    pipeline = Pipeline("demo", workers=1)
{text}
    @pipeline.stage
    def store(number): pass
    pipeline.run()
"""
    )
    ended = script.run()
    assert ended.code == 3
    assert sentence in ended.err


def test_a_handler_puts_no_cursors(program: MakeProgram) -> None:
    """Its outputs are recorded with its item anyway; the item fails and says so."""
    script = program(
        """
        from persistq import Put
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def numbers(): return [1]

        @pipeline.stage
        def make(number): return Put(number, cursor=1)

        @pipeline.stage
        def store(number): pass

        pipeline.run(retries=0)
        """
    )
    ended = script.run()
    assert ended.code == 6
    assert "only a source yields it" in script.rows("SELECT message FROM failure")[0]


def test_nobody_gives_a_source_its_cursor(program: MakeProgram) -> None:
    """It is filled in; as a parameter it is refused."""
    script = program(SEVENS.replace("pipeline.run()", 'pipeline.run(params={"cursor": 5})'))
    ended = script.run()
    assert ended.code == 2
    assert "source 'sevens' takes no parameter 'cursor'" in ended.err


def test_a_put_says_what_it_is() -> None:
    """It compares by what it holds, so tests of a source can name what they expect."""
    assert [*((Put(n, cursor=n)) for n in range(2))] == [Put(0, cursor=0), Put(1, cursor=1)]
    assert Put(1).cursor is None
