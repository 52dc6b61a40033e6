"""Several sources in one pipeline: each in a process of its own, kept apart by what it has put."""

from __future__ import annotations

import pytest

from persistq import Pipeline, UsageError

from .conftest import MakeProgram
from .program import kill, until

TWO = """
    from persistq import Put
    pipeline = Pipeline("demo", workers=2)

    def broken(name): return not (HERE / f"{name} fixed").exists()

    @pipeline.source
    def plain(count=600):
        note("source plain", os.getpid())
        for number in range(count):
            if number == 300 and broken("plain"):
                note("plain waits")
                await_file("plain fixed")
            yield number % 300

    @pipeline.source
    def marked(cursor, count=600):
        note("behind", cursor)
        note("source marked", os.getpid())
        for number in range(cursor or 0, count):
            if number == 200 and broken("marked"):
                note("marked waits")
                await_file("marked fixed")
            yield Put(number, cursor=number + 1)

    @pipeline.stage
    def store(number): note("stored", number)

    if __name__ == "__main__":
        pipeline.run()
"""


def all_stored(counts: dict[str, int]) -> bool:
    """Return whether all items of both sources, of which many are equal, were stored once."""
    return all(counts[f"stored {n}"] == (3 if n < 300 else 1) for n in range(600))


def test_a_stage_is_over_when_all_of_its_sources_are(
    program: MakeProgram, start_method: str
) -> None:
    """One that has ended is not called again, and what equals the other's items is new."""
    script = program(TWO)
    script.touch("plain fixed")
    process = script.start(env={"PERSISTQ_START_METHOD": start_method})
    script.await_note("marked waits")
    until(lambda: script.queues() == [(800, 800, 0, 0)])
    until(lambda: script.rows("SELECT ended FROM source") == [1, 0])
    assert script.rows("SELECT sealed_total FROM queue") == [None]
    script.touch("marked fixed")
    ended = script.wait(process)
    assert ended.code == 0, ended.err
    assert script.rows("SELECT name, ended FROM source") == [("plain", 1), ("marked", 1)]
    assert script.queues() == [(1200, 1200, 0, 0)]
    assert all_stored(script.counts)


@pytest.mark.parametrize("name", ["plain", "marked"])
def test_a_killed_source_repeats_only_itself(program: MakeProgram, name: str) -> None:
    """The other one goes on, and its equal items are not taken for repetitions."""
    script = program(TWO)
    process = script.start()
    script.await_note("plain waits")
    script.await_note("marked waits")
    kill(script.pid(f"source {name}"))
    script.await_note(f"{name} waits", 2)
    script.touch("plain fixed")
    script.touch("marked fixed")
    ended = script.wait(process)
    assert ended.code == 0, ended.err
    assert script.queues() == [(1200, 1200, 0, 0)]
    assert all_stored(script.counts)


def test_sources_are_carried_on_each_where_it_was(program: MakeProgram) -> None:
    """After everything was killed: by cursor, by value, or not at all if it had ended."""
    script = program(TWO)
    script.touch("plain fixed")
    process = script.start()
    script.await_note("marked waits")
    until(lambda: script.queues() == [(800, 800, 0, 0)])
    until(lambda: script.rows("SELECT ended FROM source") == [1, 0])
    for pid in script.processes():
        kill(pid)
    process.wait()
    script.touch("marked fixed")
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.queues() == [(1200, 1200, 0, 0)]
    assert script.notes.count("plain waits") == 0
    behind = [line for line in script.notes if line.startswith("behind")]
    assert behind == ["behind None", "behind 200"]


def test_what_two_sources_have_put_in_turns_is_kept_apart(program: MakeProgram) -> None:
    """Each change from one to the other has a row; a run that is carried on follows them."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        def turns(name, other):
            for number in range(40):
                if number == 30 and not (HERE / "fixed").exists():
                    note(name, "waits")
                    await_file("never")
                yield number
                note(name, number)
                while noted(other, number) == 0: time.sleep(0.001)

        @pipeline.source
        def one(): yield from turns("one", "two")

        @pipeline.source
        def two(): yield from turns("two", "one")

        @pipeline.stage
        def store(number): note("stored", number)

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    process = script.start()
    script.await_note("one waits")
    script.await_note("two waits")
    script.await_note("stored 29", 2)
    for pid in script.processes():
        kill(pid)
    process.wait()
    assert len(script.rows("SELECT first_id FROM source_span")) > 3
    script.touch("fixed")
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.queues() == [(80, 80, 0, 0)]
    assert all(script.counts[f"stored {number}"] >= 2 for number in range(40))


def test_a_source_feeds_a_later_stage(program: MakeProgram) -> None:
    """Beside the stage before it: that one's outputs are no puts of the source."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def early(): yield from range(10)

        @pipeline.source(to="second")
        def late():
            yield from range(100, 105)
            if not (HERE / "fixed").exists():
                while noted("second 9") == 0: time.sleep(0.002)
                raise ConnectionError
            yield 105

        @pipeline.stage
        def first(number): return number

        @pipeline.stage
        def second(number): note("second", number)

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    assert script.run().code == 3
    assert script.rows("SELECT sealed_total FROM queue ORDER BY position") == [10, None]
    script.touch("fixed")
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.queues() == [(10, 10, 0, 0), (16, 16, 0, 0)]
    assert {script.counts[f"second {number}"] for number in [*range(10), *range(100, 106)]} == {1}


def test_a_source_that_keeps_dying_is_given_up_beside_one_that_goes_on(
    program: MakeProgram,
) -> None:
    """What the other one puts is no progress of this one."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def going():
            number = 0
            while True:
                yield (number := number + 1)
                time.sleep(0.01)

        @pipeline.source
        def dying():
            os.kill(os.getpid(), signal.SIGKILL)
            yield

        @pipeline.stage
        def store(number): pass

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    ended = script.run()
    assert ended.code == 3
    assert "source dying keeps dying" in ended.err


def test_sources_of_an_unfinished_load_stay(program: MakeProgram) -> None:
    """One may be renamed if it is the only one of its stage; what is gone or new is refused."""
    script = program(TWO)
    script.touch("plain fixed")
    process = script.start()
    script.await_note("marked waits")
    kill(process.pid)
    process.wait()
    text = script.script.read_text()
    script.script.write_text(text.replace("def plain", "def simple"))
    ended = script.run()
    assert ended.code == 2
    assert "has the sources marked (to store), plain (to store)" in ended.err
    script.script.write_text(text)
    script.touch("marked fixed")
    assert script.run().code == 0


def test_the_only_source_may_be_renamed(program: MakeProgram) -> None:
    """It is known by its stage then."""
    text = """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def numbers():
            yield from range(5)
            if not (HERE / "fixed").exists():
                raise ConnectionError

        @pipeline.stage
        def store(number): note("stored", number)

        pipeline.run()
    """
    script = program(text)
    assert script.run().code == 3
    script.touch("fixed")
    script.write(text.replace("def numbers", "def counted"))
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.rows("SELECT name FROM source") == ["counted"]
    assert script.queues() == [(5, 5, 0, 0)]


def test_sources_of_a_load_that_have_ended_may_be_gone(program: MakeProgram) -> None:
    """A program that only retries failed items calls none of them."""
    text = """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def one(): yield 1

        @pipeline.source
        def two(): yield 2

        @pipeline.stage
        def store(number):
            note("stored", number)
            assert number == 1 or (HERE / "fixed").exists()

        pipeline.run()
    """
    script = program(text)
    assert script.run().code == 6
    script.touch("fixed")
    script.write(text.replace("def two", "def second"))
    ended = script.run(PERSISTQ_RETRY_FAILED="1")
    assert ended.code == 0, ended.err
    assert script.queues() == [(2, 2, 0, 0)]


def test_several_sources_without_processes(program: MakeProgram) -> None:
    """With ``workers=0`` they are called one after the other."""
    script = program(TWO)
    script.touch("plain fixed")
    script.touch("marked fixed")
    ended = script.run(PERSISTQ_WORKERS="0")
    assert ended.code == 0, ended.err
    assert script.queues() == [(1200, 1200, 0, 0)]
    assert all_stored(script.counts)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('@pipeline.source(to="nowhere")\ndef a(): yield 1', "is to feed 'nowhere', which is no"),
        (
            "@pipeline.source\ndef a(): yield 1\n@pipeline.source(name='a')\ndef b(): yield 1",
            "pipeline 'demo' has a source 'a' already",
        ),
        (
            "@pipeline.source\ndef a(day=1): yield 1\n@pipeline.source\ndef b(day=2): yield 1",
            "the sources 'a' or 'b' have different defaults for the parameter 'day'",
        ),
        ("@pipeline.source(interval=3)\ndef a(): yield 1", "interval= without poll=True"),
        ("@pipeline.source(poll=1)\ndef a(): yield 1", "poll=1 is refused"),
        ('@pipeline.source(poll=True, interval="soon")\ndef a(): yield 1', "interval='soon' is"),
        ("@pipeline.source(poll=True, exhausted_after=0)\ndef a(): yield 1", "exhausted_after=0"),
        ("@pipeline.source(poll=True, retries=-1)\ndef a(): yield 1", "retries=-1 is refused"),
        ("@pipeline.source(poll=True, max_outstanding=0)\ndef a(): yield 1", "max_outstanding=0"),
        ("@pipeline.source(poll=True, requeue=3)\ndef a(): yield 1", "has no option 'requeue'"),
        ("@pipeline.source\nasync def a(): return [1]", "persistq calls ordinary functions"),
    ],
)
def test_a_wrong_source_is_one_sentence(text: str, sentence: str) -> None:
    """Before anything is opened."""
    stage = "@pipeline.stage\ndef store(number): pass\n"
    names = {"pipeline": Pipeline("demo", workers=1)}
    with pytest.raises(UsageError) as refused:
        exec(f"{text}\n{stage}pipeline.run()", names)
    assert sentence in str(refused.value)
