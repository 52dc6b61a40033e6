"""What was put aside is put back: one file, a whole group, by whoever dies when."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Opener

from persistq import FolderQueue, failpoints
from persistq.errors import FolderError, UsageError
from persistq.folder import claims, retrying
from persistq.folder.names import WHY
from persistq.folder.place import place_of
from persistq.folder.retrying import put_back

GROUP = {"group": r"(?P<group>\d+)_(?P<member>\w+)\.csv", "group_size": 2}
MEMBERS = ("0301_a.csv", "0301_b.csv")
POINTS = ("before_retry", "after_retry", "within_retry", "after_give_back")

Write = Callable[..., None]


def waiting(folder: Path) -> list[str]:
    """Return the names of files that wait."""
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def aside(folder: Path) -> list[str]:
    """Return all that lies where files are put aside."""
    return sorted(path.name for path in (folder / ".parked").iterdir())


def fail_all(queue: FolderQueue[object], count: int) -> None:
    """Put aside what is got."""
    for _ in range(count):
        queue.task_failed(queue.get(timeout=5), "no such day")


def test_a_file_waits_again_and_its_reason_is_gone(
    open_folder: Opener, write: Write, folder: Path
) -> None:
    """What was not named stays with its own."""
    write("a.csv", "b.csv")
    queue = open_folder()
    fail_all(queue, 2)
    assert put_back(place_of(folder), ["a.csv"]) == [("a.csv", ["a.csv"])]
    assert waiting(folder) == ["a.csv"]
    assert aside(folder) == ["b.csv", f"b.csv{WHY}"]
    assert queue.get(timeout=5).name.endswith(".a.csv")


def test_all_is_put_back_beside_what_waits(open_folder: Opener, write: Write, folder: Path) -> None:
    """Nothing is replaced: who is second of a name gets another one."""
    write("a.csv", "b.csv", text="old")
    fail_all(open_folder(), 2)
    write("a.csv", text="new")
    assert put_back(place_of(folder), []) == [("a.csv", ["a~2.csv"]), ("b.csv", ["b.csv"])]
    assert (folder / "a.csv").read_text() == "new"
    assert (folder / "a~2.csv").read_text() == "old"
    assert put_back(place_of(folder), []) == []


def test_a_group_comes_back_as_a_whole(open_folder: Opener, write: Write, folder: Path) -> None:
    """And is got as one again."""
    write(*MEMBERS)
    queue = open_folder(**GROUP)
    fail_all(queue, 1)
    assert aside(folder) == ["0301", f"0301{WHY}"]
    assert put_back(place_of(folder), ["0301"]) == [("0301", [*MEMBERS])]
    assert waiting(folder) == [*MEMBERS]
    assert aside(folder) == []
    assert len(queue.get(timeout=5)) == 2


def test_a_name_that_was_not_put_aside_changes_nothing(
    open_folder: Opener, write: Write, folder: Path
) -> None:
    """Nor one that leads elsewhere, or what nobody would claim."""
    write("a.csv")
    fail_all(open_folder(), 1)
    (folder.parent / "precious").write_text("x")
    (folder / ".parked/link.csv").symlink_to(folder.parent / "precious")
    (folder / ".parked/north.done").write_text("x")
    for name in ("A.csv", "../../precious", f"a.csv{WHY}", "", ".", "link.csv", "north.done"):
        with pytest.raises(UsageError, match="nothing was changed"):
            put_back(place_of(folder), ["a.csv", name])
    assert waiting(folder) == []
    assert put_back(place_of(folder), []) == [("a.csv", ["a.csv"])]
    assert aside(folder) == ["link.csv", "north.done"]


def test_a_new_reason_is_not_taken_for_the_old_one(
    open_folder: Opener, write: Write, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a reader claims the file at once, and puts it aside again before this is over."""
    write("a.csv")
    queue = open_folder()
    fail_all(queue, 1)

    def failing_again(name: str) -> None:
        if name == "folder.after_retry":
            queue.task_failed(queue.get(timeout=5), "still no such day")

    monkeypatch.setattr(retrying.failpoints, "point", failing_again)
    put_back(place_of(folder), ["a.csv"])
    why = json.loads((folder / f".parked/a.csv{WHY}").read_text())
    assert why["reason"] == "still no such day"


def test_what_cannot_be_put_back_stays_with_its_reason(
    open_folder: Opener, write: Write, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file, and a group of which a part has come back already."""
    write("a.csv", *MEMBERS)
    fail_all(open_folder(**GROUP), 1)
    fail_all(open_folder(match="a*"), 1)

    def refuse(source: Path, directory: Path, name: str) -> Path:
        if name in ("a.csv", MEMBERS[1]) and directory == folder:
            raise OSError(28, "No space left on device")
        return kept(source, directory, name)

    kept = retrying.rename_free
    monkeypatch.setattr(retrying, "rename_free", refuse)
    monkeypatch.setattr(claims, "rename_free", refuse)
    for name in ("a.csv", "0301"):
        with pytest.raises(FolderError, match="No space left"):
            put_back(place_of(folder), [name])
    assert aside(folder) == ["0301", f"0301{WHY}", "a.csv", f"a.csv{WHY}"]
    assert waiting(folder) == [MEMBERS[0]]
    assert not [path for path in (folder / ".taken").iterdir() if ".from." in path.name]


@pytest.mark.parametrize("group", [{}, GROUP])
@pytest.mark.parametrize(
    "point", ["before_retry", "after_retry", "within_retry", "after_give_back"]
)
def test_who_dies_while_it_puts_back_loses_nothing(
    open_folder: Opener, write: Write, folder: Path, group: dict[str, object], point: str
) -> None:
    """Each file waits, or is aside with its reason; nobody is blamed for that death."""
    write(*MEMBERS)
    fail_all(open_folder(**group), 1 if group else 2)
    if not (pid := os.fork()):
        failpoints._armed = failpoints._parse(f"folder.{point}:kill")
        put_back(place_of(folder), [])
        os._exit(0)
    died = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert died or (point in ("within_retry", "after_give_back") and not group)
    open_folder(match="nothing", drain=True).get(timeout=5)
    parked = [name for name in aside(folder) if not name.endswith(WHY)]
    assert aside(folder) == sorted([*parked, *(f"{name}{WHY}" for name in parked)])
    there = {*waiting(folder), *(path.name for path in (folder / ".parked").rglob("*.csv"))}
    assert there == {*MEMBERS}
    if group:
        assert waiting(folder) == ([] if parked else [*MEMBERS])
    assert [*(folder / ".crashes").iterdir()] == []
