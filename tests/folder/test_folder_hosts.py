"""File systems of several hosts, which cannot rename without replacing: nothing comes twice."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from persistq import FolderQueue, failpoints
from persistq.folder import renames


def _refuse(source: Path, target: Path) -> None:
    raise renames.CannotRefuse(22, "as on NFS")


def _die_at(point: str, folder: Path, source: Path) -> None:
    """Put a file in a process that dies at a point, as on NFS."""
    if not (pid := os.fork()):
        try:
            renames._rename = _refuse  # type: ignore[assignment]
            failpoints._armed = failpoints._parse(f"{point}:kill")
            FolderQueue(folder).put(source)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file that is to be put."""
    path = tmp_path / "a.csv"
    path.write_text("a")
    return path


def _all(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("point", ["folder.before_offer", "folder.between_links"])
def test_what_is_put_by_a_link_is_never_there_twice(
    point: str, folder: Path, source: Path, open_folder: Any
) -> None:
    """Others finish it before its producer is started again, which has nothing to put any more."""
    _die_at(point, folder, source)
    assert not source.exists()
    queue = open_folder(drain=True)
    for path in queue:
        assert path.read_text() == "a"
        queue.task_done()
    (done,) = (folder / ".done").iterdir()
    assert [name for name in _all(folder) if "csv" in name] == [done.name]


def test_what_may_have_been_finished_and_deleted_is_parked(
    folder: Path, source: Path, open_folder: Any
) -> None:
    """Nobody can tell whether it was: it is put aside with the reason, and not done again."""
    _die_at("folder.between_links", folder, source)
    (folder / "a.csv").unlink()
    queue = open_folder(drain=True, done="delete")
    assert list(queue) == []
    assert "may have been finished" in (folder / ".parked/a.csv.why.json").read_text()
    assert (folder / ".parked/a.csv").read_text() == "a"


def test_a_name_that_is_taken_moves_nothing_where_renames_replace(
    folder: Path, source: Path, open_folder: Any, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if it is taken in the very moment in which the file is offered."""
    monkeypatch.setattr(renames, "_rename", _refuse)
    queue = open_folder()
    monkeypatch.setattr(os.path, "lexists", lambda path: False)
    write("a.csv", text="another")
    with pytest.raises(FileExistsError):
        queue.put(source)
    assert source.read_text() == "a"
    assert (folder / "a.csv").read_text() == "another"
    assert not any(path.is_file() for path in (folder / ".tmp").rglob("*"))


def test_a_file_of_several_names_is_copied_where_renames_replace(
    folder: Path, source: Path, open_folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of its names tells recovery whether it was put."""
    monkeypatch.setattr(renames, "_rename", _refuse)
    os.link(source, other := source.with_name("other"))
    open_folder().put(source)
    assert not source.exists()
    assert (folder / "a.csv").stat().st_ino != other.stat().st_ino
