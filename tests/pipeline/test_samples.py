"""Samples: a few items are tried, and nothing of what persistq records or stores is kept."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from persistq import ItemsFailed, LoadUnfinished, PersistentQueue, Pipeline, UsageError
from persistq.sinks import FileSink, append_output, open_output

SCRIPT = """
from persistq import Pipeline
pipeline = Pipeline("demo", workers=1)
pipeline.source(lambda: range(100))

@pipeline.stage
def work(number):
    print("at work", number)

pipeline.run()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Journals and temporary files are in directories of the test, and nothing is drawn."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("PERSISTQ_PROGRESS", "none")
    monkeypatch.setenv("PERSISTQ_START_METHOD", "fork")
    return tmp_path


def sampled(pipeline: Pipeline, count: int = 5, **options: Any) -> Any:
    """Try a sample, of which no journal is left."""
    summary = pipeline.run(sample=count, **options)
    assert not [*Path("temporary").iterdir()]
    assert not Path(".persistq").exists()
    return summary


def rows(url: str) -> list[Any]:
    """Return the names of the tables of a database, and what is in the one of the test."""
    with closing(sqlite3.connect(url)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master ORDER BY name").fetchall()
        return [*tables, *connection.execute("SELECT * FROM row").fetchall()]


@pytest.mark.parametrize("workers", [0, 2])
def test_the_first_items_go_through_all_stages(
    place: Path, workers: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """What handlers do is real, and it is said that the rest is not."""
    pipeline = Pipeline("demo", workers=workers)

    @pipeline.source
    def numbers() -> Iterator[int]:
        yield from range(1000)
        raise AssertionError("nobody asks for so many")

    @pipeline.stage
    def double(number: int) -> list[int]:
        return [number, number]

    @pipeline.stage
    def store(numbers: list[int]) -> None:
        (place / f"effect{numbers[0]}").touch()

    @pipeline.on_settled
    def settled(_: Any) -> None:
        raise AssertionError("nothing is settled by a sample")

    assert sampled(pipeline).done == 10
    assert {path.name for path in place.glob("effect*")} == {f"effect{n}" for n in range(5)}
    said = capfd.readouterr().err
    assert "sample of 5 from each source: its journal is thrown away and sinks roll back" in said
    assert "whatever else handlers do is real" in said
    assert "sample: 10 items done; nothing was recorded, and sinks have rolled back" in said
    assert "resume" not in said


def test_an_unfinished_load_is_as_it_was(place: Path) -> None:
    """A sample neither carries it on nor is kept from beginning by it."""
    pipeline = Pipeline("demo", workers=0)
    pipeline.source(lambda: iter([1, 2, None]))

    @pipeline.stage
    def work(number: int) -> None:
        if number is None:
            raise KeyboardInterrupt

    with pytest.raises(LoadUnfinished):
        pipeline.run()
    before = (place / ".persistq" / "demo.db").read_bytes()
    assert pipeline.run(sample=2).done == 2
    assert (place / ".persistq" / "demo.db").read_bytes() == before


@pytest.mark.parametrize("batch", [None, 3])
def test_what_is_stored_in_a_database_is_rolled_back(place: Path, batch: int | None) -> None:
    """Handlers see what they have stored; rows and a table of receipts are not there afterwards."""
    with closing(sqlite3.connect("target.sqlite")) as connection:
        connection.execute("CREATE TABLE row (number INTEGER)")
        connection.commit()
    pipeline = Pipeline("demo", workers=0)
    pipeline.source(lambda: range(100))

    @pipeline.stage(batch=batch, sink=lambda: sqlite3.connect(place / "target.sqlite"))
    def store(number: Any, conn: sqlite3.Connection) -> None:
        numbers = [number] if batch is None else number
        conn.executemany("INSERT INTO row VALUES (?)", [(one,) for one in numbers])
        assert conn.execute("SELECT count(*) FROM row").fetchone() == (len(numbers),)

    assert sampled(pipeline).done == 5
    assert rows("target.sqlite") == [("row",)]


def test_a_transaction_of_a_handler_is_rolled_back(place: Path) -> None:
    """The item is fresh, and the connection can be used again."""
    connection = sqlite3.connect(place / "own.sqlite", isolation_level=None)
    connection.execute("CREATE TABLE row (number INTEGER)")
    pipeline = Pipeline("demo", workers=0)
    pipeline.source(lambda: range(100))

    @pipeline.stage
    def store(number: int, item: Any) -> None:
        with item.transaction(connection) as fresh:
            assert fresh
            connection.execute("INSERT INTO row VALUES (?)", [number])

    assert sampled(pipeline).done == 5
    connection.close()
    assert rows("own.sqlite") == [("row",)]


def test_files_of_a_sink_are_not_there(place: Path) -> None:
    """Neither those that are written, nor what is appended, nor the file of receipts."""
    (place / "out").mkdir()
    pipeline = Pipeline("demo", workers=0)
    pipeline.source(lambda: range(100))

    @pipeline.stage(sink=FileSink(str(place / "receipts.sqlite")))
    def store(number: int) -> None:
        with open_output(place / "out" / f"{number}.txt") as file:
            file.write("whole")
        with append_output(place / "out" / "all.txt") as file:
            file.write(str(number))

    assert sampled(pipeline).done == 5
    assert not [*(place / "out").iterdir()]
    assert not (place / "receipts.sqlite").exists()


def test_what_fails_is_shown_with_its_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    """It cannot be looked up later, and nothing is said of a way to go on."""
    pipeline = Pipeline("demo", workers=0)
    pipeline.source(lambda: range(100))

    @pipeline.stage
    def invert(number: int) -> float:
        return 1 / number

    with pytest.raises(ItemsFailed):
        sampled(pipeline)
    said = capfd.readouterr().err
    assert "invert:1 failed:" in said
    assert "return 1 / number" in said
    assert "sample: 4 items done, 1 failed; nothing was recorded" in said
    assert "resume" not in said


def test_a_source_that_is_asked_has_an_end() -> None:
    """After so many items, or when it has no more now; each source has its own."""
    pipeline = Pipeline("demo", workers=0)
    asked = []

    @pipeline.source(poll=True, max_outstanding=100)
    def many(wanted: int) -> Iterator[str]:
        asked.append(wanted)
        yield from (f"many {n}" for n in range(4))
        yield from (f"more {n}" for n in range(len(asked) * 100, len(asked) * 100 + 100))

    @pipeline.source(poll=True)
    def few() -> list[str]:
        return ["few 1", "few 2"] if len(asked) == 1 else []

    pipeline.stage(len)
    assert sampled(pipeline).done >= 6
    assert asked == [5]


@pytest.mark.parametrize("other", [{"load": 3}, {"retry_failed": True}])
def test_a_sample_is_of_no_old_load(other: dict[str, Any]) -> None:
    """What asks for both is refused, and nothing is begun."""
    pipeline = Pipeline("demo", workers=0)
    pipeline.source(lambda: range(100))
    pipeline.stage(abs)
    with pytest.raises(UsageError, match=r"sample=5 tries items in a journal of its own"):
        pipeline.run(sample=5, **other)
    assert not Path(".persistq").exists()


def test_a_plain_queue_has_no_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody could take back what is done with its items, so nothing is begun."""
    monkeypatch.setenv("PERSISTQ_SAMPLE", "5")
    with pytest.raises(UsageError, match="sample=5 is for pipelines"):
        PersistentQueue("demo")
    assert not Path(".persistq").exists()


def test_the_command_takes_a_sample(place: Path) -> None:
    """Whatever the script says in its own `run`."""
    (place / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-m", "persistq", "run", "script.py", "--sample", "2"],
        cwd=place,
        env={**os.environ, "TMPDIR": str(place / "temporary")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(done.stdout.splitlines()) == ["at work 0", "at work 1"]
    assert "sample: 2 items done" in done.stderr
    assert json.dumps([*map(str, (place / "temporary").iterdir())]) == "[]"
