"""A folder as the source of a pipeline: each file is an item once, and moved when it is done."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from persistq import DONE, Drop, FolderError, FolderQueue, LoadUnfinished, Pipeline, UsageError
from persistq.errors import PersistqError, UpstreamFailed
from persistq.folder.loadclaims import LoadRun
from persistq.pipeline.arrivals import Arrivals, LoadQueue
from persistq.pipeline.currentload import CurrentLoad, current_load
from persistq.pipeline.finishing import Finishing
from persistq.pipeline.iteminfo import ItemInfo
from persistq.settings import load_settings
from tests.folder.loads import Recorded, finish, names_in, persistq, run_script, stages_of

ROWS = '''\
"""Rows in, files out."""
from persistq import Pipeline

pipeline = Pipeline("sales", workers=2)
pipeline.source(folder="in", rows=True)


@pipeline.stage(folder="out")
def store(row, out):
    with out.open(f"{row}.txt") as file:
        file.write(str(row))


if __name__ == "__main__":
    pipeline.run()
'''

FILES = '''\
"""Files in, files in another folder; one file is dropped, and one fails."""
from pathlib import Path
from persistq import Drop, Pipeline

pipeline = Pipeline("sales", workers=2)
pipeline.source(folder="in", match="*.csv")


@pipeline.stage
def read(path: Path):
    if path.read_text() == "drop":
        raise Drop("it says so")
    return int(path.read_text())


@pipeline.stage
def keep(number):
    with open("kept.txt", "a") as file:
        file.write(f"{number}\\n")


if __name__ == "__main__":
    pipeline.run(check=False)
'''

KILLS = [
    "folder.after_load_began@1",
    "folder.after_claim@2",
    "folder.before_claim_put@2",
    "folder.before_finish@2",
    "folder.after_finish",
    "folder.before_round",
    "source.before_seal",
    "worker.before_handler@4",
    "worker.after_handler@2",
    "sink.before_commit@3",
    "sink.after_commit@3",
    "outbox.before_publish@3",
    "outbox.after_publish@3",
    "broker.before_pass_on@2",
    "broker.before_commit@5",
    "broker.after_commit@6",
]


def claims(folder: Path, **options: Any) -> Any:
    """Claim as the source of a load that is carried on, or called again."""
    current_load.set(CurrentLoad("sales-1", "run", False))
    return Arrivals(str(folder), {"poll": 0.005, **options})()


@pytest.mark.parametrize("point", KILLS)
def test_rows_go_in_and_files_come_out_once(tmp_path: Path, point: str) -> None:
    """A consumer on the other side takes what it sees while the pipeline is killed and resumed."""
    (tmp_path / "load.py").write_text(ROWS)
    with FolderQueue.rows(tmp_path / "in", producer="north", batch=3, ready_max=0) as rows:
        rows.put_many(range(10))
    rows.release()
    consumer: FolderQueue[Any] = FolderQueue(tmp_path / "out", done="delete", drain=True)
    seen: list[int] = []
    for attempt in range(4):
        ended = run_script(tmp_path, "load.py", point if attempt == 0 else "")
        assert (tmp_path / "hits" / point.partition("@")[0]).exists()
        while (path := consumer.get()) is not DONE:
            seen.append(int(path.read_text()))
            consumer.task_done()
        if ended.returncode == 0:
            break
    assert ended.returncode == 0, ended.stderr
    consumer.release()
    assert sorted(seen) == list(range(10))
    assert len(names_in(tmp_path / "in/.done")) == 4
    assert names_in(tmp_path / "in/.taken/load~sales-1") == []
    assert names_in(tmp_path / "out/.tmp/load~sales") == []
    put = {name: stage["put"] for name, stage in stages_of(tmp_path, "sales").items()}
    assert put == {"in_read": 4, "store": 10, "in_done": 4}


def test_a_file_is_moved_when_its_item_is_done_or_dropped_and_stays_while_it_is_parked(
    tmp_path: Path,
) -> None:
    """What is retried needs its file; what a person drops is put aside with the reason."""
    (tmp_path / "load.py").write_text(FILES)
    (tmp_path / "in").mkdir()
    for name, text in {"a.csv": "1", "b.csv": "drop", "c.csv": "no number"}.items():
        (tmp_path / "in" / name).write_text(text)
    (tmp_path / "in/north.done").touch()
    assert run_script(tmp_path, "load.py").returncode == 0
    assert (tmp_path / "kept.txt").read_text() == "1\n"
    assert names_in(tmp_path / "in/.done") == ["a.csv", "b.csv"]
    (kept,) = names_in(tmp_path / "in/.taken/load~sales-1")
    assert kept.endswith(".c.csv")
    assert persistq(tmp_path, "drop", "--name", "sales", "read:3", "--reason", "empty day") == 0
    assert names_in(tmp_path / "in/.parked") == []
    assert persistq(tmp_path, "verify", "sales") == 0
    assert persistq(tmp_path, "resume", "sales") == 0
    assert names_in(tmp_path / "in/.parked") == ["c.csv", "c.csv.why.json"]
    assert "empty day" in (tmp_path / "in/.parked/c.csv.why.json").read_text()
    assert names_in(tmp_path / "in/.taken/load~sales-1") == []


def test_what_failed_is_finished_when_a_retry_has_done_it(tmp_path: Path) -> None:
    """The file is where the item says, also for the next run."""
    (tmp_path / "load.py").write_text(FILES)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.csv").write_text("no number")
    (tmp_path / "in/north.done").touch()
    assert run_script(tmp_path, "load.py").returncode == 0
    (claim,) = (tmp_path / "in/.taken/load~sales-1").iterdir()
    claim.write_text("3")
    assert persistq(tmp_path, "resume", "--failed", "sales") == 0
    assert names_in(tmp_path / "in/.done") == ["a.csv"]
    assert (tmp_path / "kept.txt").read_text() == "3\n"


def pipeline_of(folder: Path, **options: Any) -> Pipeline:
    """Return a pipeline in this process whose source is a folder."""
    pipeline = Pipeline("here", workers=0)
    pipeline.source(folder=folder, **{"drain": True, **options})
    return pipeline


def test_groups_are_items(folder: Path, write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler gets the list of their paths, and all of it is finished."""
    monkeypatch.chdir(folder.parent)
    write("1_a.csv", "1_b.csv", "2_a.csv")
    pipeline = pipeline_of(folder, group=r"(?P<group>\d)_(?P<member>\w)\.csv", members={"a", "b"})
    seen = []

    @pipeline.stage
    def read(paths: list[str]) -> None:
        seen.append([Path(path).name for path in paths])

    assert pipeline.run(progress="none").done == 2
    assert seen == [["1_a.csv", "1_b.csv"]]
    assert names_in(folder / ".done/1") == ["1_a.csv", "1_b.csv"]
    assert "2" in names_in(folder / ".parked")


def test_what_a_handler_returns_goes_on_and_results_are_kept(
    folder: Path, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage that finishes files gets the files, and nothing that is made of them."""
    monkeypatch.chdir(folder.parent)
    write("a", "b", text="7")
    pipeline = pipeline_of(folder)

    @pipeline.stage(keep_results=True)
    def read(path: str) -> Any:
        for _ in range(3):
            yield int(Path(path).read_text())

    pipeline.run(progress="none")
    assert [*pipeline.results()] == [7] * 6
    assert names_in(folder / ".done") == ["a", "b"]


def test_large_outputs_of_files_are_not_taken_for_files(
    folder: Path, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is too much for one report goes to each stage that gets what is made, and no other."""
    monkeypatch.chdir(folder.parent)
    write("a")
    pipeline = pipeline_of(folder)
    sizes = []

    @pipeline.stage
    def read(_: str) -> Any:
        for _number in range(40):
            yield "x" * 100_000

    @pipeline.stage
    def measure(text: str) -> None:
        sizes.append(len(text))

    pipeline.run(progress="none")
    assert sizes == [100_000] * 40
    assert names_in(folder / ".done") == ["a"]


def test_a_batch_of_which_one_file_is_dropped_is_finished(
    folder: Path, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file ends as its item does."""
    monkeypatch.chdir(folder.parent)
    write("a", "b", "c")
    pipeline = pipeline_of(folder)

    @pipeline.stage(batch=10)
    def read(paths: list[str]) -> None:
        if any(path.endswith("b") for path in paths):
            if len(paths) > 1:
                raise ValueError("one by one")
            raise Drop("b")

    pipeline.run(progress="none")
    assert names_in(folder / ".done") == ["a", "b", "c"]


def in_a_thread(path: str) -> None:
    """Work on a file."""
    assert Path(path).exists()


async def awaited(path: str) -> None:
    """Work on a file in an event loop."""
    assert Path(path).exists()


def with_a_database(path: str, conn: Any) -> None:
    """Store something about a file."""
    conn.exec_driver_sql("INSERT INTO seen VALUES (?)", (path,))


@pytest.mark.parametrize(
    ("handler", "options"),
    [
        (in_a_thread, {"threads": 3}),
        (awaited, {"concurrency": 3}),
        (with_a_database, {"sink": "sqlite:///seen.db"}),
        (in_a_thread, {"pause": {OSError: 0.1}, "order": len}),
    ],
)
def test_files_are_finished_by_whatever_kind_of_stage(
    folder: Path, write: Any, monkeypatch: pytest.MonkeyPatch, handler: Any, options: dict[str, Any]
) -> None:
    """Who passes them on does not know how they were worked on."""
    monkeypatch.chdir(folder.parent)
    write("a", "b", "c")
    with closing(sqlite3.connect("seen.db")) as connection, connection:
        connection.execute("CREATE TABLE seen (path TEXT)")
    pipeline = pipeline_of(folder)
    pipeline.stage(**options)(handler)
    assert pipeline.run(progress="none").done == 6
    assert names_in(folder / ".done") == ["a", "b", "c"]
    assert names_in(folder / ".taken/load~here-1") == []


def test_a_sample_claims_and_finishes_nothing(
    folder: Path, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads the files where they wait."""
    monkeypatch.chdir(folder.parent)
    write("a", "b", "c")
    pipeline = pipeline_of(folder)
    seen = []

    @pipeline.stage(folder=folder.parent / "out")
    def read(path: str, out: Any) -> None:
        seen.append(path)
        with out.open("x.txt") as file:
            file.write("x")

    assert pipeline.run(sample=2, progress="none").done == 2
    assert seen == [str(folder / "a"), str(folder / "b")]
    assert [name for name in names_in(folder) if name[0] != "."] == ["a", "b", "c"]
    assert [name for name in names_in(folder.parent / "out") if name[0] != "."] == []


def test_rows_of_several_folders_and_of_a_function_go_to_one_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are items like others."""
    monkeypatch.chdir(tmp_path)
    for name, row in {"north": 1, "south": 2}.items():
        with FolderQueue.rows(tmp_path / name) as rows:
            rows.put(row)
        rows.release()
    seen: list[Any] = []
    pipeline = Pipeline("both", workers=0)
    pipeline.source(name="plain")(lambda: [3])
    pipeline.source(folder="north", rows=True, drain=True)
    pipeline.source(folder="south", rows=True, drain=True)
    pipeline.stage(name="read")(seen.append)
    pipeline.run(progress="none")
    assert sorted(seen) == [1, 2, 3]
    assert all(names_in(tmp_path / name / ".done") for name in ("north", "south"))


def test_rows_of_a_broken_batch_file_are_none_and_it_is_put_aside(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a batch gives no row; the other file's rows come, whatever they are."""
    monkeypatch.chdir(folder.parent)
    with FolderQueue.rows(folder) as rows:
        rows.put_many([None, 0, {}, "x"])
    rows.release()
    (folder / "half.jsonl").write_text("1\n2\n")
    pipeline = pipeline_of(folder, rows=True)
    seen = []

    @pipeline.stage
    def read(row: Any) -> None:
        seen.append(row)

    pipeline.run(progress="none")
    assert seen == [None, 0, {}, "x"]
    assert "half.jsonl" in names_in(folder / ".parked")
    assert len(names_in(folder / ".done")) == 1


def test_a_failed_producer_fails_the_load_in_its_own_words(
    folder: Path, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run goes on once the file that says so is gone."""
    monkeypatch.chdir(folder.parent)
    write("a")
    (folder / "north.failed").write_text("disk full")
    pipeline = pipeline_of(folder, drain=False)
    pipeline.stage(print, name="show")
    with pytest.raises(LoadUnfinished, match="disk full"):
        pipeline.run(progress="none")
    (folder / "north.failed").unlink()
    (folder / "north.done").touch()
    assert pipeline.run(progress="none").done == 2
    assert names_in(folder / ".done") == ["a"]


def test_what_cannot_be_finished_fails_and_says_why(
    folder: Path, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An item that was made another one by hand names no claim; its file is left alone."""
    monkeypatch.chdir(folder.parent)
    write("a")
    pipeline = pipeline_of(folder)

    @pipeline.stage
    def read(path: str) -> None:
        (folder / ".done").rmdir()
        (folder / ".done").write_text("in the way")

    # Either the file cannot be moved, or the source sees before that it could not be.
    with pytest.raises(PersistqError, match=r"failed|is not a directory"):
        pipeline.run(progress="none")
    assert len(names_in(folder / ".taken/load~here-1")) == 1
    (folder / ".done").unlink()
    (folder / ".done").mkdir()
    assert pipeline.run(progress="none", retry_failed=True).done
    assert names_in(folder / ".done") == ["a"]


# --- what does not go together ---


def refusal(*, source: dict[str, Any], stage: dict[str, Any] | None = None) -> str:
    """Return why a pipeline is refused."""
    pipeline = Pipeline("wrong", workers=0)
    with pytest.raises(UsageError) as refused:  # noqa: PT012 - either may be what is refused
        pipeline.source(**source)
        pipeline.stage(name="read", **(stage or {}))(lambda item: None)
        pipeline._definition(load_settings())
    return str(refused.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"key": "path"}, "key= does not go with folder=: every file"),
        ({"once": True}, "once= does not go with folder="),
        ({"poll": True}, "poll= does not go with folder="),
        ({"interval": 1.0}, "interval= does not go with folder="),
        ({"rows": "yes"}, "rows='yes' is refused"),
        ({"rows": True, "group": r"(?P<group>\d)", "group_size": 2}, "rows=True does not go with"),
        ({"group": r"(?P<group>\d)"}, "group= needs members= or group_size="),
        ({"failed": "never"}, "failed='never' is refused"),
        ({"folder": "/"}, "gives no name: say name="),
        ({"folder": 7}, "folder=7 is refused"),
        ({"to": "nowhere"}, "which is no stage"),
        ({"mach": "*"}, "did you mean match?"),
    ],
)
def test_options_that_do_not_fit_a_folder_are_refused(
    tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    """Where they are said, in a sentence; nothing is made."""
    assert words in refusal(source={"folder": tmp_path / "in", **options})
    assert not (tmp_path / "in").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"key": str}, "key= does not go with that"),
        ({"group_by": str, "group_size": 2}, "say group= there"),
    ],
)
def test_options_that_do_not_fit_the_stage_of_files_are_refused(
    tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    """A file that is left out, or held back for others, would never be finished."""
    assert words in refusal(source={"folder": tmp_path / "in"}, stage=options)


def test_what_else_is_wrong_with_a_folder_as_source_is_said(tmp_path: Path) -> None:
    """A function, options without a folder, two sources for a stage, names that are taken."""
    pipeline = Pipeline("wrong", workers=0)
    with pytest.raises(UsageError, match="as a line of its own"):
        pipeline.source(folder=tmp_path / "in")(print)
    with pytest.raises(UsageError, match="match= is for folder="):
        pipeline.source(match="*.csv")(print)
    with pytest.raises(UsageError, match="has a source 'in' already"):
        pipeline.source(folder=tmp_path / "in")
    pipeline.source(folder=tmp_path / "more")
    pipeline.stage(name="read")(print)
    with pytest.raises(UsageError, match="'in' and 'more' both feed stage 'read'"):
        pipeline._definition(load_settings())
    other = Pipeline("wrong", workers=0)
    other.source(folder=tmp_path / "in")
    other.stage(name="in_done")(print)
    with pytest.raises(UsageError, match="a stage 'in_done' of its own"):
        other._definition(load_settings())


# --- the two ends by themselves ---


def test_what_was_claimed_is_yielded_by_the_next_run(folder: Path, write: Any) -> None:
    """It has the same path, by which the journal knows it; others do not take it."""
    write("a.csv", "b.csv")
    (folder / "north.done").touch()
    first = claims(folder)
    path = next(first)
    first.close()
    other: FolderQueue[Any] = FolderQueue(folder, poll=0.005)
    assert other.get().name.endswith("b.csv")
    other.release()
    assert path in [*claims(folder)]
    for one in (folder / ".taken/load~sales-1").iterdir():
        finish(str(one))
        finish(str(one))
    assert names_in(folder / ".done") == ["a.csv", "b.csv"]


def test_a_group_is_one_item(folder: Path, write: Any) -> None:
    """It is finished as a whole."""
    write("1_a.csv", "1_b.csv")
    (folder / "north.done").touch()
    options = {"group": r"(?P<group>\d)_(?P<member>\w)\.csv", "members": {"a", "b"}}
    (group,) = claims(folder, **options)
    assert [Path(path).name for path in group] == ["1_a.csv", "1_b.csv"]
    assert [*claims(folder, **options, drain=True)] == [group]
    finish(group)
    assert names_in(folder / ".done/1") == ["1_a.csv", "1_b.csv"]


def test_a_group_that_is_half_deleted_is_no_item_again(
    folder: Path, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is the rest of it kept: who gets the end of the group again deletes that."""
    write("1_a.csv", "1_b.csv")
    options = {"group": r"(?P<group>\d)_(?P<member>\w)\.csv", "group_size": 2, "done": "delete"}
    (group,) = claims(folder, **options, drain=True)

    def dying(directory: Path) -> None:
        (directory / "1_a.csv").unlink()
        raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr(shutil, "rmtree", dying)
    with pytest.raises(FolderError, match="the disk is broken"):
        finish(group, done="delete")
    monkeypatch.undo()
    assert [*claims(folder, **options, drain=True)] == []
    finish(group, done="delete")
    assert names_in(folder / ".taken/load~sales-1") == names_in(folder / ".tmp/load~sales-1") == []


def test_files_are_moved_once_the_journal_has_their_end_on_disk(folder: Path, write: Any) -> None:
    """After a power cut no item is to be worked on whose file is gone."""
    write("a")
    path = next(claims(folder))
    item = ItemInfo(1, 1, "in_done", "1", Lost())  # type: ignore[arg-type]
    with pytest.raises(OSError, match="no journal"):
        Finishing(".done")([path], [item])
    assert Path(path).exists()


class Lost(Recorded):
    """Stands for a journal that cannot be written."""

    def record(self, *_: Any) -> None:
        """Fail."""
        raise OSError("no journal")


def test_what_is_put_aside_twice_has_its_reason(folder: Path, write: Any) -> None:
    """Who died between the file and its reason is finished for by the next."""
    write("a")
    path = next(claims(folder))
    told = {"dropped": path, "reason": "empty"}
    finish(told)
    (folder / ".parked/a.why.json").rename(folder / ".tmp/load~sales-1/1.why")
    finish(told)
    assert names_in(folder / ".parked") == ["a", "a.why.json"]


def test_a_folder_that_has_failed_ends_the_source(folder: Path) -> None:
    """With the reason that is in the file."""
    (folder / "north.failed").write_text("disk full")
    with pytest.raises(UpstreamFailed, match="disk full"):
        next(claims(folder))


def test_two_live_programs_do_not_claim_for_one_load(folder: Path, write: Any) -> None:
    """The second would take what is the first one's."""
    write("a")
    next(claims(folder))
    if not (pid := os.fork()):
        code = 1
        try:
            next(claims(folder))
        except UsageError:
            code = 7
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def test_a_load_is_told_that_the_round_is_over_also_if_it_was_told_before(
    folder: Path, write: Any
) -> None:
    """Who was told first may have died before the journal knew; the next load waits again."""
    write("a")
    (folder / "north.done").touch()
    assert len([*claims(folder)]) == 1
    assert len([*claims(folder)]) == 1
    current_load.set(CurrentLoad("sales-1", "after the journal was deleted", False))
    assert LoadQueue(folder, LoadRun("sales-1", "another", False), {})._files._began == 1


@pytest.mark.parametrize("item", ["a", "/etc/passwd", [], "/x/.taken/host-1-ab/1.a", {"a": 1}])
def test_only_what_was_claimed_is_finished(item: Any) -> None:
    """A path that comes from elsewhere has nothing moved or deleted."""
    with pytest.raises(UsageError, match="nothing that a load has claimed"):
        finish(item, done="delete")
