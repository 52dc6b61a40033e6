"""File systems of several hosts, which cannot rename without replacing: nothing comes twice."""

from __future__ import annotations

import os
import queue as stdlib
import signal
from pathlib import Path
from typing import Any

import pytest

from persistq import FolderError, FolderQueue, failpoints
from persistq.folder import place, renames


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


@pytest.mark.parametrize("point", ["folder.before_link", "folder.between_links"])
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


def test_what_others_have_finished_and_deleted_is_not_put_again(
    folder: Path, source: Path, open_folder: Any
) -> None:
    """Nothing is left of it by which recovery could know that: so its second name went first."""
    _die_at("folder.between_links", folder, source)
    reader = open_folder(done="delete")
    reader._open_channel()._recover = lambda: False  # it is another host's
    path = reader.get()
    assert path.stat().st_nlink == 1
    reader.task_done()
    assert list(open_folder(drain=True)) == []
    assert not any("csv" in name for name in _all(folder))


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


def test_what_is_on_its_way_is_waited_for(folder: Path, open_folder: Any) -> None:
    """A recoverer has cleared up the sign of a put, and not yet the file."""
    queue = open_folder(drain=True)
    (queue._claims.owner.tmp / "1.a.csv.moved").write_text("a")
    with pytest.raises(stdlib.Empty):
        queue.get(timeout=0.2)


def test_a_file_system_without_numbers_of_files_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What two hosts call by different numbers would be two control files."""
    monkeypatch.setattr(place, "network_filesystem", lambda path: "fuse.sshfs")
    with pytest.raises(FolderError, match=r"fuse\.sshfs.*use NFS"):
        FolderQueue(folder)
    monkeypatch.setattr(place, "network_filesystem", lambda path: "nfs4")
    FolderQueue(folder).release()
