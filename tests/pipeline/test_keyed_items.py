"""Natural keys in pipelines: which items are the same, and what is done with the second one."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from .conftest import MakeProgram
from .program import Program, kill

ROWS = """
    from dataclasses import dataclass
    pipeline = Pipeline("demo", workers=2)

    @dataclass
    class Row:
        id: int
        name: str
        EXTRA

    @pipeline.source(key="id")
    def rows():
        for number in range(2000):
            yield Row(number % 1500, f"row {number}")

    @pipeline.stage
    def store(row):
        if row.id == 700 and noted("half") == 0:
            note("half")
            await_file("never")
        note("stored", row.id)

    if __name__ == "__main__":
        pipeline.run()
"""


def left_out(script: Program) -> list[tuple[int, int]]:
    """Return what each stage of the latest load has left out: duplicates, and what was skipped."""
    return script.rows(
        "SELECT duplicates, skipped FROM queue "
        "WHERE load_id = (SELECT max(load_id) FROM load) ORDER BY position"
    )


def command(script: Program, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of persistq on the script's journal."""
    return subprocess.run(
        [sys.executable, "-m", "persistq", *words, "--journal", str(script.home / "journal")],
        capture_output=True,
        text=True,
        check=False,
        cwd=script.home,
    )


def test_a_field_more_doubles_nothing_in_a_load_that_is_carried_on(
    program: MakeProgram, start_method: str
) -> None:
    """By value each row would be another one; and what is repeated is no duplicate."""
    script = program(ROWS.replace("EXTRA", ""))
    process = script.start(env={"PERSISTQ_START_METHOD": start_method})
    script.await_note("half")
    kill(script.broker())
    assert script.wait(process).code == 3
    script.write(ROWS.replace("EXTRA", "more: str = 'new'"))
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 0, ended.err
    assert script.queues() == [(1500, 1500, 0, 0)]
    assert left_out(script) == [(500, 0)]
    assert "500 duplicates left out" in ended.err


def test_a_source_that_is_killed_is_called_again_and_counts_as_one(program: MakeProgram) -> None:
    """In the same run, and also when it is killed twice."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=2)

        def its_id(row): return row["id"]

        @pipeline.source(key=its_id)
        def rows():
            note("source", os.getpid())
            for number in range(3000):
                if number == 1500 and noted("half") < 2:
                    note("half")
                    await_file("never")
                yield {"id": number // 2, "number": number}

        @pipeline.stage
        def store(row): note("stored", row["id"], row["number"])

        pipeline.run()
        """
    )
    process = script.start()
    for count in (1, 2):
        script.await_note("half", count)
        kill(script.pid("source"))
    ended = script.wait(process)
    assert ended.code == 0, ended.err
    assert script.queues() == [(1500, 1500, 0, 0)]
    assert left_out(script) == [(1500, 0)]
    # Of two with one key the first is stored.
    assert {f"stored {number} {2 * number}" for number in range(1500)} == {
        line for line in script.notes if line.startswith("stored")
    }


FAN_IN = """
    pipeline = Pipeline("demo", workers=2)

    @pipeline.source
    def pages():
        yield from range(40)

    @pipeline.stage(OPTIONS)
    def links(PAGE):
        BODY

    @pipeline.stage(key="page")
    def fetch(link): note("fetched", link["page"])

    if __name__ == "__main__":
        pipeline.run(workers=WORKERS)
"""
ONE = "for n in range(25): yield {'page': (page + n) % 50, 'from': page}"
BATCH = "return [{'page': page % 20, 'from': page} for page in pages]"


@pytest.mark.parametrize(
    ("options", "parameter", "body", "workers"),
    [
        ("", "page", ONE, 2),
        ("stream=True", "page", ONE, 2),
        ("", "page", ONE, 0),
        ("batch=8, linger=0.01", "pages", BATCH, 2),
    ],
    ids=["reported", "streamed", "inline", "batched"],
)
def test_outputs_with_a_key_that_was_put_are_left_out(
    program: MakeProgram, options: str, parameter: str, body: str, workers: int
) -> None:
    """Whatever they were made of, and however they are put."""
    text = FAN_IN.replace("OPTIONS", options).replace("PAGE", parameter)
    script = program(text.replace("BODY", body).replace("WORKERS", str(workers)))
    ended = script.run()
    assert ended.code == 0, ended.err
    distinct, made = (20, 40) if parameter == "pages" else (50, 1000)
    assert script.queues()[1] == (distinct, distinct, 0, 0)
    assert left_out(script) == [(0, 0), (made - distinct, 0)]
    assert sorted(script.counts.values()) == [1] * distinct
    status = json.loads(command(script, "status", "demo", "--json").stdout)
    assert (status["duplicates"], status["stages"][1]["duplicates"]) == (made - distinct,) * 2
    assert f"fetch: {made - distinct:,} duplicates" in command(script, "status", "demo").stdout


def test_many_outputs_of_one_item_go_into_a_stage_with_a_key(program: MakeProgram) -> None:
    """More than is held before it is spooled elsewhere: here it goes with the report."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=2)

        @pipeline.source
        def files(): return ["a", "b"]

        @pipeline.stage
        def rows(file):
            for number in range(30_000):
                yield {"id": number, "file": file, "text": "x" * 20}

        @pipeline.stage(key="id")
        def store(row): pass

        pipeline.run()
        """
    )
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.queues() == [(2, 2, 0, 0), (30_000, 30_000, 0, 0)]
    assert left_out(script) == [(0, 0), (30_000, 0)]
    assert script.rows("SELECT count(*) FROM spool") == [0]


def test_workers_that_die_double_nothing(program: MakeProgram) -> None:
    """What a dead worker has streamed, its successor makes again."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=2)

        @pipeline.source
        def pages(): return range(4)

        @pipeline.stage(stream=True)
        def links(page):
            for n in range(200):
                if n == 150 and noted("died", page) < 2:
                    time.sleep(0.03)
                    note("died", page)
                    os.kill(os.getpid(), signal.SIGKILL)
                yield n + page

        @pipeline.stage(key=abs)
        def fetch(page): note("fetched", page)

        pipeline.run(max_crashes=3)
        """
    )
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.queues()[1] == (203, 203, 0, 0)
    assert all(script.counts[f"fetched {page}"] == 1 for page in range(203))


def test_a_key_that_a_source_cannot_give_fails_its_load_in_one_sentence(
    program: MakeProgram,
) -> None:
    """It says which item; what was put before is kept."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source(key="id")
        def rows():
            yield {"id": 1}
            yield {"idd": 2}

        @pipeline.stage
        def store(row): note("stored", row["id"])

        pipeline.run()
        """
    )
    ended = script.run()
    assert ended.code == 3
    assert "Traceback" not in ended.err
    assert "source 'rows': key= gives no key for {'idd': 2}: KeyError: 'id'" in ended.err
    assert script.queues()[0][0] == 1


def test_a_key_that_an_output_cannot_give_fails_its_item(program: MakeProgram) -> None:
    """By the rules of its stage; the others go on."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def numbers(): return [1, 2, 3]

        @pipeline.stage(retries=0)
        def rows(number): return {"id": None if number == 2 else number}

        @pipeline.stage(key="id")
        def store(row): note("stored", row["id"])

        pipeline.run()
        """
    )
    ended = script.run()
    assert ended.code == 6
    assert script.queues() == [(3, 2, 0, 1), (2, 2, 0, 0)]
    [(kind, message)] = script.rows("SELECT type, message FROM failure")
    assert kind == "KeyNotUsable"
    assert message.startswith("stage 'store': key= gives no key for {'id': None}: it is None")


def test_an_edited_item_keeps_its_key(program: MakeProgram) -> None:
    """What the source repeats is still the same item, whatever it was edited to."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source(key="id")
        def rows():
            for number in range(10):
                yield {"id": number, "ok": number != 4}
            if not (HERE / "fixed").exists():
                raise ConnectionError("the other side hung up")

        @pipeline.stage(retries=0)
        def store(row):
            if not row["ok"]: raise ValueError("no")
            note("stored", row["id"])

        # Inline, each item has ended before the next one is asked for.
        pipeline.run(workers=0)
        """
    )
    assert script.run().code == 3
    edited = command(
        script, "edit", "store:5", "--set", "ok=true", "--set", "id=99", "--name", "demo"
    )
    assert edited.returncode == 0, edited.stderr
    script.touch("fixed")
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.queues() == [(11, 10, 1, 0)]
    assert left_out(script) == [(0, 0)]
    assert sorted(script.counts.values()) == [1] * 10


def test_an_unfinished_load_is_not_carried_on_with_keys_that_it_has_not(
    program: MakeProgram,
) -> None:
    """Nobody could tell what of it was put; the journal stays as it was."""
    text = """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source(KEY)
        def rows():
            yield {"id": 1}
            if not (HERE / "fixed").exists():
                raise ConnectionError("the other side hung up")

        @pipeline.stage
        def store(row): note("stored", row["id"])

        pipeline.run()
        """
    script = program(text.replace("KEY", ""))
    assert script.run().code == 3
    script.touch("fixed")
    script.write(text.replace("KEY", "key='id'"))
    refused = script.run()
    assert refused.code == 2
    assert "stage 'store' were put without key=, and this program puts them with" in refused.err
    script.write(text.replace("KEY", ""))
    assert script.run().code == 0
    script.write(text.replace("KEY", "key='id'"))
    assert script.run().code == 0
    assert script.rows("SELECT keyed FROM queue") == [0, 1]


@pytest.mark.parametrize(
    ("source", "stage", "said"),
    [
        ("once=True", "", "source 'rows': once=True without key="),
        ("key=''", "", "source 'rows': key='' is refused: give the name of a field"),
        ("key='id'", "key='id'", "source 'rows' and stage 'store' both say key="),
        ("key='id', once=1", "", "a source: once=1 is refused: it should be True or False"),
        ("", "key=7", "stage 'store': key=7 is refused"),
        ("poll=True, requeue_after=5", "key='id'", "does not go with the key= of stage 'store'"),
    ],
)
def test_what_contradicts_itself_is_refused(
    program: MakeProgram, source: str, stage: str, said: str
) -> None:
    """Before anything is opened."""
    script = program(
        f"""
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source({source})
        def rows(): return []

        @pipeline.stage({stage})
        def store(row): pass

        pipeline.run()
        """
    )
    ended = script.run()
    assert ended.code == 2
    assert said in ended.err
    assert not (script.home / "journal").exists()
