"""Ready-made sources in pipelines: killed, and carried on."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from .conftest import MakeProgram
from .program import kill

ROWS = 20_000

LOAD = """
    from persistq import sources
    pipeline = Pipeline("demo", workers=2)

    @pipeline.source
    def rows(path, cursor):
        note("behind", cursor and cursor["offset"])
        note("source", os.getpid())
        return sources.csv_rows(path, cursor)

    @pipeline.stage
    def number(row):
        if int(row["id"]) == STOP and noted("stop") == 0:
            note("stop")
            await_file("never")
        return row["id"]

    @pipeline.stage
    def store(number): note("stored", number)

    if __name__ == "__main__":
        pipeline.run(params={"path": PATH})
"""


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_is_killed_in_its_middle_goes_on_by_offset(
    program: MakeProgram, tmp_path: Path, packed: bool
) -> None:
    """The source, then everything; each row is stored, none is put twice."""
    path = tmp_path / ("rows.csv.gz" if packed else "rows.csv")
    text = "id\n" + "".join(f"{number}\n" for number in range(ROWS))
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    script = program(LOAD.replace("PATH", repr(str(path))).replace("STOP", "3"))
    source_dies = {"PERSISTQ_FAILPOINT": "client.before_put_sent@5:kill"}
    process = script.start(env=source_dies)
    script.await_note("stop")
    kill(script.broker())
    assert script.wait(process).code == 3
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.queues() == [(ROWS, ROWS, 0, 0), (ROWS, ROWS, 0, 0)]
    assert {f"stored {number}" for number in range(ROWS)} <= set(script.counts)
    behind = [line.split()[1] for line in script.notes if line.startswith("behind")]
    assert behind[0] == "None"
    assert all(place.isdecimal() for place in behind[1:])
    assert int(behind[-1]) > 0


def test_a_ready_made_source_is_one_by_itself(program: MakeProgram, start_method: str) -> None:
    """Its arguments are parameters of the load."""
    script = program(
        """
        from persistq import sources
        pipeline = Pipeline("demo", workers=1)
        pipeline.source(sources.json_lines)

        @pipeline.stage
        def store(row): note("stored", row["n"])

        if __name__ == "__main__":
            Path("rows.jsonl").write_text('{"n": 1}\\n{"n": 2}\\n')
            pipeline.run(params={"path": "rows.jsonl"})
        """
    )
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 0, ended.err
    assert script.counts == {"stored 1": 1, "stored 2": 1}


def test_a_file_that_changes_ends_the_load_with_a_sentence(program: MakeProgram) -> None:
    """What was read of it stays, and `fresh` begins with what it is now."""
    script = program(
        """
        from persistq import sources
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def rows(cursor):
            for number, put in enumerate(sources.json_lines("rows.jsonl", cursor)):
                yield put
                if number == 1 and not (HERE / "broken").exists():
                    (HERE / "broken").touch()
                    raise ConnectionError

        @pipeline.stage
        def store(row): note("stored", row)

        pipeline.run()
        """
    )
    rows = script.home / "rows.jsonl"
    rows.write_text("1\n2\n3\n")
    assert script.run().code == 3
    rows.write_text("1\n2\n3\n4\n")
    ended = script.run()
    assert ended.code == 3
    assert "rows.jsonl has changed since it was put: it had 6 bytes, and has 8" in ended.err
    assert "Traceback" not in ended.err
    ended = script.run(PERSISTQ_FRESH="1")
    assert ended.code == 0, ended.err
    assert script.queues() == [(4, 4, 0, 0)]
