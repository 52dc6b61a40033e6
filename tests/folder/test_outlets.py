"""A folder that a stage writes files into: each appears once, when its item is done."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from persistq import FolderError, FolderQueue, ItemsFailed, Outbox, Pipeline, UsageError
from persistq.folder import renames
from persistq.settings import load_settings
from persistq.sinks.files import FilesUnfinished, Prepared, collecting
from tests.folder.loads import LIMIT_S, names_in, run_script, surroundings

FIRST = '''\
"""Files in, files into the folder of the second program."""
from pathlib import Path
from persistq import Pipeline

pipeline = Pipeline("first", workers=2)
pipeline.source(folder="in", match="*.csv")


@pipeline.stage(folder="between")
def double(path: Path, out):
    with out.open(path.name.partition(".")[2]) as file:
        file.write(str(2 * int(path.read_text())))


@pipeline.on_settled
def tell(summary):
    Path("between/first.done").touch()


if __name__ == "__main__":
    pipeline.run()
'''

SECOND = '''\
"""Those files in, others out."""
from pathlib import Path
from persistq import Pipeline

pipeline = Pipeline("second", workers=2)
pipeline.source(folder="between", match="*.csv", producers={"first"})


@pipeline.stage(folder="out", names="mine")
def shift(path: Path, out):
    with out.open(f"{path.read_text()}.txt") as file:
        file.write(str(int(path.read_text()) + 1))


if __name__ == "__main__":
    pipeline.run()
'''

CHAINED = [
    ("outbox.before_publish@2", "folder.after_claim@2"),
    ("outbox.after_publish@2", "worker.before_handler@2"),
    ("sink.before_commit@3", "outbox.after_publish@2"),
    ("broker.before_pass_on@2", "outbox.before_publish@3"),
    ("folder.after_finish@3", "sink.after_commit@2"),
]

COUNT = 12


def visible(folder: Path) -> list[str]:
    """Return the names of the files that anybody may take."""
    return [name for name in names_in(folder) if not name.startswith(".")]


@pytest.mark.parametrize("points", CHAINED)
def test_two_loads_chain_through_a_folder_without_a_gap(
    tmp_path: Path, points: tuple[str, str]
) -> None:
    """Both are killed, the second takes while the first one writes: each number comes once."""
    (tmp_path / "first.py").write_text(FIRST)
    (tmp_path / "second.py").write_text(SECOND)
    for folder in ("in", "between"):
        (tmp_path / folder).mkdir()
    for number in range(COUNT):
        (tmp_path / "in" / f"{number}.csv").write_text(str(number))
    (tmp_path / "in/north.done").touch()
    second = subprocess.Popen(
        [sys.executable, "second.py"], cwd=tmp_path, env=surroundings(tmp_path, points[1])
    )
    first = run_script(tmp_path, "first.py", points[0])
    while first.returncode:
        first = run_script(tmp_path, "first.py")
    code = second.wait(timeout=LIMIT_S)
    while code:
        code = run_script(tmp_path, "second.py").returncode
    assert {point.partition("@")[0] for point in points} <= {*names_in(tmp_path / "hits")}
    assert len(names_in(tmp_path / "in/.done")) == COUNT
    assert len(names_in(tmp_path / "between/.done")) == COUNT
    assert visible(tmp_path / "between") == ["first.done"]
    found = {name: int((tmp_path / "out" / name).read_text()) for name in visible(tmp_path / "out")}
    assert found == {f"{2 * n}.txt": 2 * n + 1 for n in range(COUNT)}


def pipeline_of(*items: Any, **options: Any) -> Pipeline:
    """Return a pipeline in this process, of which each item is a file's name or its text."""
    pipeline = Pipeline("here", workers=0)
    pipeline.source(name="items")(lambda: list(items))

    @pipeline.stage(**options)
    def write(item: str, out: Outbox) -> None:
        with out.open(f"{item}.txt") as file:
            file.write(item)
        if item == "bad":
            raise ValueError(item)

    return pipeline


def test_a_file_of_an_item_that_fails_never_appears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is anything left of it."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ItemsFailed):
        pipeline_of("a", "bad", folder="out", names="mine").run(progress="none")
    assert visible(tmp_path / "out") == ["a.txt"]
    assert names_in(tmp_path / "out/.tmp/load~here") == []


def test_names_have_the_key_of_their_item_unless_they_are_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So items that choose the same name do not meet; a consumer's pattern matches as before."""
    monkeypatch.chdir(tmp_path)
    pipeline_of("a", "a", folder="out").run(progress="none")
    names = visible(tmp_path / "out")
    assert len(names) == 2
    assert all(name.startswith("a~") and name.endswith(".txt") for name in names)


def test_one_s_own_name_that_is_taken_fails_the_item_and_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can be retried when the other file is gone."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a.txt").write_text("of yesterday")
    pipeline = pipeline_of("a", folder="out", names="mine")
    with pytest.raises(ItemsFailed):
        pipeline.run(progress="none")
    assert (tmp_path / "out/a.txt").read_text() == "of yesterday"
    (tmp_path / "out/a.txt").unlink()
    pipeline.run(progress="none", retry_failed=True)
    assert (tmp_path / "out/a.txt").read_text() == "a"


def test_the_files_of_a_batch_appear_together_with_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are written by each call, for all of its items."""
    monkeypatch.chdir(tmp_path)
    pipeline = Pipeline("here", workers=0)
    pipeline.source(name="items")(lambda: [*range(5)])

    @pipeline.stage(batch=5, folder="out")
    def write(numbers: list[int], out: Outbox) -> None:
        assert visible(out.path) == []
        for number in numbers:
            with out.open(f"{number}.txt") as file:
                file.write(str(number))

    pipeline.run(progress="none")
    assert [name[0] for name in visible(tmp_path / "out")] == ["0", "1", "2", "3", "4"]


def test_receipts_lie_beside_the_journal_and_go_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder, which may be on a network file system, has no database."""
    monkeypatch.chdir(tmp_path)
    pipeline_of("a", folder="out").run(progress="none")
    assert (tmp_path / ".persistq/here.files").stat().st_size
    import sqlite3

    with sqlite3.connect(tmp_path / ".persistq/here.files") as connection:
        assert connection.execute("SELECT count(*) FROM persistq_receipt").fetchone() == (0,)
    connection.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"folder": "out", "sink": "sqlite:///x.db"}, "folder= does not go with sink="),
        ({"folder": "out", "stream": True}, "stream=True does not go with folder="),
        ({"folder": "out", "rate": "1/s"}, "rate= does not go with folder="),
        ({"folder": "out", "threads": 2}, "threads= does not go with folder="),
        ({"folder": "out", "group_by": str, "group_size": 2}, "does not go with folder="),
        ({"folder": "out", "names": "hers"}, "names='hers' is refused"),
        ({"folder": 7}, "is no folder"),
        ({"names": "mine"}, "names= without folder="),
        ({}, "takes 'out', which is there with folder="),
    ],
)
def test_options_that_do_not_fit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], words: str
) -> None:
    """In a sentence, and nothing is made."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as refused:
        pipeline_of("a", **options)._definition(load_settings())
    assert words in str(refused.value)
    assert names_in(tmp_path) == []


def test_a_handler_that_writes_nothing_or_waits_is_refused() -> None:
    """It is told what it lacks."""
    pipeline = Pipeline("wrong", workers=0)
    with pytest.raises(UsageError, match="takes no parameter 'out'"):
        pipeline.stage(folder="out")(print)

    async def slow(item: str, out: Outbox) -> None:
        """Wait."""

    pipeline.source(name="items")(lambda: ["a"])
    pipeline.stage(folder="out")(slow)
    with pytest.raises(UsageError, match="async def does not go with folder="):
        pipeline._definition(load_settings())


def test_a_stranger_s_folder_is_refused_before_anything_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The load does not begin."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out").chmod(0o777)
    with pytest.raises(FolderError, match="everybody can write"):
        pipeline_of("a", folder="out").run(progress="none")
    assert not (tmp_path / ".persistq").exists()


# --- the outbox by itself ---


def test_in_a_test_of_a_handler_the_file_appears_at_the_end_of_the_block(tmp_path: Path) -> None:
    """There is no item whose end could be waited for."""
    out = Outbox(tmp_path / "out", names="mine")
    with out.open("a.txt.gz", "wb") as file:
        file.write(b"text")
        assert visible(tmp_path / "out") == []
    assert gzip.decompress((tmp_path / "out/a.txt.gz").read_bytes()) == b"text"
    with pytest.raises(FileExistsError, match="it is not replaced"), out.open("a.txt.gz"):
        """Write nothing."""
    assert repr(out) == f"Outbox({str(tmp_path / 'out')!r}, names='mine')"


@pytest.mark.parametrize(
    "name", ["", "../a", "a/b", ".hidden", "north.done", "PAUSE", "x" * 201, 7]
)
def test_what_cannot_name_an_item_is_refused(tmp_path: Path, name: Any) -> None:
    """A consumer would not see it, or it would lie elsewhere."""
    out = Outbox(tmp_path / "out")
    with pytest.raises(UsageError, match="name"), out.open(name):
        """Write nothing."""
    assert names_in(tmp_path / "out/.tmp/load~none") == []


def test_a_name_that_is_written_twice_by_an_attempt_is_refused(tmp_path: Path) -> None:
    """The second would take the place of the first."""
    out = Outbox(tmp_path / "out", load="sales")
    out.prepare()
    with collecting("1-1"):
        with out.open("a"):
            """Write nothing."""
        with pytest.raises(UsageError, match="written twice"), out.open("a"):
            """Write nothing."""


@pytest.mark.parametrize("names", ["unique", "mine"])
def test_what_was_published_is_not_published_again(tmp_path: Path, names: str) -> None:
    """Whoever finishes for the dead passes it over, also when a consumer has taken it."""
    out = Outbox(tmp_path / "out", names, load="sales")
    out.prepare()
    with collecting("1-1") as outputs, out.open("a") as file:
        file.write("x")
    out.publish(outputs.prepared)
    (published,) = visible(tmp_path / "out")
    (tmp_path / "out" / published).unlink()
    out.publish(outputs.prepared)
    assert visible(tmp_path / "out") == []


def test_a_name_that_somebody_takes_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    """Both files are kept."""
    out = Outbox(tmp_path / "out", "mine", load="sales")
    out.prepare()
    with collecting("1-1") as outputs, out.open("a.txt") as file:
        file.write("mine")
    (tmp_path / "out/a.txt").write_text("other")
    out.publish(outputs.prepared)
    assert (tmp_path / "out/a.txt").read_text() == "other"
    assert (tmp_path / "out/a~2.txt").read_text() == "mine"


def test_one_s_own_names_are_refused_where_renames_replace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unique ones need no refusal."""
    monkeypatch.setattr(renames, "_system_call", lambda: None)
    with pytest.raises(UsageError, match="cannot rename without replacing"):
        Outbox(tmp_path / "out", "mine").check()
    Outbox(tmp_path / "out").check()
    assert names_in(tmp_path / "out/.tmp") == []


def test_what_cannot_be_published_is_told_and_kept(tmp_path: Path) -> None:
    """The stage rests, and the next who gets the item goes on with it."""
    out = Outbox(tmp_path / "out", load="sales")
    out.prepare()
    prepared = Prepared(str(tmp_path / "gone/a"), str(tmp_path / "draft"), append=False)
    (tmp_path / "draft").touch()
    with pytest.raises(FilesUnfinished):
        Outbox(tmp_path / "gone", load="sales").publish([prepared])


def test_a_reader_is_not_troubled_by_what_is_being_written(tmp_path: Path) -> None:
    """It sees no draft, takes none for left over, and calls it sound."""
    out = Outbox(tmp_path / "out", load="sales")
    out.prepare()
    with collecting("1-1"), out.open("a") as file:
        file.write("x")
        reader: FolderQueue[Any] = FolderQueue(tmp_path / "out", drain=True, poll=0.01)
        assert [*reader] == []
        reader.release()
    assert names_in(tmp_path / "out/.tmp/load~sales") == ["1-1.0"]
