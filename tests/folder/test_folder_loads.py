"""Files in, files out, through a pipeline: each once, whatever dies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from persistq import DONE, FolderError, FolderQueue, UsageError
from persistq.errors import UpstreamFailed
from persistq.folder.loadclaims import LoadRun
from persistq.pipeline.currentload import CurrentLoad, current_load
from persistq.sources import batch_rows, claimed, finish
from persistq.sources.folders import _LoadQueue

SCRIPT = '''\
"""Files and rows through a pipeline."""
from pathlib import Path
from persistq import Pipeline, To
from persistq.sinks import FileSink, open_output
from persistq.folder.loadclaims import LoadRun
from persistq.pipeline.currentload import CurrentLoad, current_load
from persistq.sources import batch_rows, claimed, finish

pipeline = Pipeline("sales", workers=2)


@pipeline.source
def arrivals():
    return claimed("in", match="*.jsonl", poll=0.01)


@pipeline.stage
def split(path):
    for row in batch_rows(path):
        yield To("store", row)
    yield To("finished", path)


@pipeline.stage(after="split", sink=FileSink("receipts.db"))
def store(row, item):
    with open_output(f"out/{row}~{item.key}.txt") as file:
        file.write(str(row))


@pipeline.stage(after="split")
def finished(path):
    finish(path)


if __name__ == "__main__":
    pipeline.run()
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
    "worker.after_handler@5",
    "sink.before_rename@3",
    "sink.after_rename@3",
    "broker.before_commit@5",
    "broker.after_commit@6",
]


def claims(folder: Path, **options: Any) -> Any:
    """Claim as the source of a load that is carried on, or called again."""
    current_load.set(CurrentLoad("sales-1", "run", False))
    return claimed(folder, poll=0.005, **options)


def run(home: Path, failpoint: str = "") -> subprocess.CompletedProcess[str]:
    """Run the script."""
    surroundings = {k: v for k, v in os.environ.items() if not k.startswith("PERSISTQ_")}
    kept = {k: v for k, v in os.environ.items() if "TEST" in k}
    (home / "hits").mkdir(exist_ok=True)
    armed = {"PERSISTQ_FAILPOINT": f"{failpoint}:kill", "PERSISTQ_FAILPOINT_HITS": "hits"}
    return subprocess.run(
        [sys.executable, "load.py"],
        cwd=home,
        env={**surroundings, **kept, **(armed if failpoint else {}), "PERSISTQ_PROGRESS": "none"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize("point", KILLS)
def test_rows_go_in_and_files_come_out_once(tmp_path: Path, point: str) -> None:
    """A consumer on the other side takes what it sees while the pipeline is killed and resumed."""
    (tmp_path / "load.py").write_text(SCRIPT)
    with FolderQueue.rows(tmp_path / "in", producer="north", batch=3, ready_max=0) as rows:
        rows.put_many(range(10))
    rows.release()
    (tmp_path / "out").mkdir()
    consumer: FolderQueue[Any] = FolderQueue(tmp_path / "out", done="delete", drain=True)
    seen: list[int] = []
    for attempt in range(4):
        ended = run(tmp_path, point if attempt == 0 else "")
        assert (tmp_path / "hits" / point.partition("@")[0]).exists()
        while (path := consumer.get()) is not DONE:
            seen.append(int(path.read_text()))
            consumer.task_done()
        if ended.returncode == 0:
            break
    assert ended.returncode == 0, ended.stderr
    consumer.release()
    assert sorted(seen) == list(range(10))
    assert len(list((tmp_path / "in/.done").iterdir())) == 4
    assert list((tmp_path / "in/.taken/load~sales-1").iterdir()) == []
    verified = subprocess.run(
        [sys.executable, "-m", "persistq.cli", "verify", "sales", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    stages = {stage["stage"]: stage for stage in json.loads(verified.stdout)["stages"]}
    assert {name: stage["put"] for name, stage in stages.items()} == {
        "split": 4,
        "store": 10,
        "finished": 4,
    }


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
    assert sorted(one.name for one in (folder / ".done").iterdir()) == ["a.csv", "b.csv"]


def test_a_group_is_one_item(folder: Path, write: Any) -> None:
    """It is finished as a whole."""
    write("1_a.csv", "1_b.csv")
    (folder / "north.done").touch()
    options = {"group": r"(?P<group>\d)_(?P<member>\w)\.csv", "members": {"a", "b"}}
    (group,) = claims(folder, **options)
    assert [Path(path).name for path in group] == ["1_a.csv", "1_b.csv"]
    assert [*claims(folder, **options, drain=True)] == [group]
    finish(group)
    assert sorted(path.name for path in (folder / ".done/1").iterdir()) == ["1_a.csv", "1_b.csv"]


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
    assert _LoadQueue(folder, LoadRun("sales-1", "another", False), {})._files._began == 1


@pytest.mark.parametrize("item", ["a", "/etc/passwd", [], "/x/.taken/host-1-ab/1.a"])
def test_only_what_was_claimed_is_finished(item: Any) -> None:
    """A path that comes from elsewhere has nothing moved or deleted."""
    with pytest.raises((UsageError, FolderError)):
        finish(item, done="delete")


def test_half_a_batch_gives_no_row(tmp_path: Path) -> None:
    """The error names what is wrong, and the item fails."""
    (tmp_path / "a.jsonl").write_text("1\n2\n")
    with pytest.raises(ValueError, match="no last line"):
        next(batch_rows(tmp_path / "a.jsonl"))
