"""What strangers, mistakes and bad ground put into a folder: nothing is lost, nobody is stuck."""

from __future__ import annotations

import json
import os
import queue as stdlib
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from persistq import DONE, FAILED, FolderError, FolderQueue, UsageError, failpoints
from persistq.folder import controls
from persistq.folder.names import WHY

NAMES = [
    b"-rf",
    b"two\nlines.csv",
    b"caf\xe9.csv",
    b"a b\t;$(reboot)'\".csv",
    b"x" * 200,
    b"1.2.3",
    b"~2",
    b"x.part",
    b"x.group",
    b"north.done.csv",
    b"\xff\xfe",
]


def died(act: Callable[[], object], armed: str = "") -> None:
    """Do something in a process that is killed then, or at a fail-point before."""
    if not (pid := os.fork()):
        try:
            failpoints._armed = failpoints._parse(armed)
            act()
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def names(directory: Path) -> list[str]:
    """Return what lies in a directory and is not hidden."""
    return sorted(path.name for path in directory.iterdir() if not path.name.startswith("."))


def drain(queue: FolderQueue[Any]) -> None:
    """Finish everything."""
    while queue.get(timeout=30) is not DONE:
        queue.task_done()


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_any_name_goes_all_the_way(folder: Path, open_folder: Any, name: bytes) -> None:
    """It is claimed by who dies, recovered, parked, had tried again by hand, and finished."""
    text = os.fsdecode(name)
    (folder / text).write_text("x")
    died(lambda: FolderQueue(folder).get())
    queue = open_folder(drain=True)
    queue.task_failed(queue.get(timeout=30), "no\nreason")
    (found,) = [path for path in queue.parked() if path.name == text]
    assert json.loads(found.with_name(text + WHY).read_text())["name"] == text
    found.rename(folder / text)
    drain(queue)
    assert names(folder / ".done") == [text]


def test_a_reason_is_never_an_item(folder: Path, tmp_path: Path, open_folder: Any) -> None:
    """Who moves all that is parked back moves reasons too: parked, one would be replaced."""
    (folder / "x").write_text("x")
    queue = open_folder(drain=True)
    queue.task_failed(queue.get())
    for path in [*(folder / ".parked").iterdir()]:
        path.rename(folder / path.name)
    queue.task_failed(queue.get(timeout=30))
    assert queue.get(timeout=30) is DONE
    assert names(folder) == ["x.why.json"]
    (tmp_path / "y.why.json").write_text("data")
    with pytest.raises(UsageError, match=r"\.why\.json"):
        queue.put(tmp_path / "y.why.json")


def test_a_name_that_no_file_can_have_is_a_mistake(tmp_path: Path, open_folder: Any) -> None:
    """It is told in a sentence, whatever is wrong with it."""
    (tmp_path / "a").write_text("x")
    for name in ("\ud83d", "a\0b", "é" * 101):
        with pytest.raises(UsageError, match="cannot name an item"):
            open_folder().put(tmp_path / "a", name=name)


# --- what is no plain file ------------------------------------------------------------------------


def test_what_is_no_plain_file_is_left_where_it_is(
    folder: Path, open_folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pipes, sockets, directories and links are not waited for, read, or moved."""
    os.mkfifo(folder / "pipe")
    (folder / "directory.group").mkdir()
    (folder / "dangling").symlink_to("/nowhere")
    with socket.socket(socket.AF_UNIX) as listener:
        # The path of a socket is short.
        monkeypatch.chdir(folder)
        listener.bind("socket")
    assert open_folder(drain=True).get(timeout=30) is DONE
    assert names(folder) == ["dangling", "directory.group", "pipe", "socket"]


def test_two_links_to_one_file_are_two_items(folder: Path, open_folder: Any) -> None:
    """The reason of each is beside it, also where its writer has died before it was."""
    (folder / "a").write_text("x")
    (folder / "b").hardlink_to(folder / "a")

    def park_both() -> None:
        queue: FolderQueue[Any] = FolderQueue(folder)
        for why in ("first", "second"):
            queue.task_failed(queue.get(), why)

    died(park_both, "folder.before_why@2:kill")
    drain(open_folder(drain=True))
    reasons = [json.loads(path.read_text())["reason"] for path in _whys(folder)]
    assert reasons == ["first", "second"]


def _whys(folder: Path) -> list[Path]:
    return sorted((folder / ".parked").glob(f"*{WHY}"))


def test_a_sparse_file_larger_than_the_disk_is_an_item(folder: Path, open_folder: Any) -> None:
    """Nobody reads it who was not asked to."""
    with (folder / "huge").open("wb") as file:
        file.truncate(1 << 40)
    drain(open_folder(drain=True))
    assert (folder / ".done/huge").stat().st_size == 1 << 40


def test_a_directory_in_the_place_of_a_claimed_file_is_not_taken_for_a_group(
    folder: Path, open_folder: Any
) -> None:
    """It waits to be looked at as it was; what is in it does not become items."""
    (folder / "a").write_text("x")

    def exchange() -> None:
        claimed: Path = FolderQueue[Any](folder).get()
        claimed.unlink()
        (claimed / "deep").mkdir(parents=True)
        (claimed / "inside").write_text("x")

    died(exchange)
    assert open_folder(drain=True).get(timeout=30) is DONE
    assert names(folder) == ["a"]
    assert names(folder / "a") == ["deep", "inside"]


def test_what_was_put_among_the_claims_of_the_dead_by_hand_is_not_lost(
    folder: Path, open_folder: Any
) -> None:
    """A file without a number keeps its name; a directory where drafts are is put aside."""

    def leave() -> None:
        queue: FolderQueue[Any] = FolderQueue(folder)
        owner = queue._claims.owner
        for name in ("byhand", "17.", "x.csv", "3..hidden", "4.PAUSE"):
            (owner.taken / name).write_text(name)
        (owner.tmp / "mine.jsonl").mkdir()
        (owner.tmp / "mine.jsonl/kept").write_text("x")

    died(leave)
    drain(open_folder(drain=True))
    assert names(folder / ".done") == ["17.", "3..hidden", "4.PAUSE", "byhand", "x.csv"]
    assert (folder / ".parked/mine.jsonl/kept").exists()


# --- control files --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["failed", "helo"])
def test_a_control_file_that_may_not_be_read_counts(
    folder: Path, open_folder: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's `touch north.failed` under a strict umask is not overheard."""
    (folder / f"north.{kind}").write_text("secret")
    (folder / "south.done").touch()
    read = controls.read_small
    monkeypatch.setattr(
        controls, "read_small", lambda path: None if path.name.startswith("north") else read(path)
    )
    queue = open_folder()
    if kind == "failed":
        assert queue.get(timeout=30) is FAILED
    else:
        with pytest.raises(stdlib.Empty):
            queue.get(timeout=0.1)


def test_a_huge_control_file_is_not_read_to_its_end(folder: Path, open_folder: Any) -> None:
    """Its reason is cut."""
    (folder / "north.failed").write_text("disk full " * 1_000_000)
    queue = open_folder()
    assert queue.get(timeout=30) is FAILED
    with pytest.raises(Exception, match="disk full") as told:
        next(iter(queue))
    assert len(str(told.value)) < 20_000


def test_a_directory_where_a_control_file_goes_is_told(folder: Path, open_folder: Any) -> None:
    """`close` does not say what it could not; readers are not ended by it."""
    (folder / "north.done").mkdir()
    (folder / "north.done/x").write_text("x")
    with pytest.raises(FolderError, match=r"north\.done"):
        open_folder(producer="north")
    with pytest.raises(stdlib.Empty):
        open_folder().get(timeout=0.1)


# --- directories that are exchanged, or gone ------------------------------------------------------


@pytest.mark.parametrize("name", [".taken", ".parked", ".done", ".tmp"])
def test_a_directory_that_is_exchanged_for_a_link_while_it_is_read_is_refused(
    folder: Path, open_folder: Any, write: Any, name: str
) -> None:
    """Within half a second, and at once where its own directory is gone."""
    write("a", "b")
    queue = open_folder()
    queue.get()
    (folder.parent / "elsewhere").mkdir()
    (folder / name).rename(folder.parent / "kept")
    (folder / name).symlink_to(folder.parent / "elsewhere")
    queue._reader._recover_at = 0.0
    queue._reader._line.clear()
    with pytest.raises(FolderError, match="is not a directory"):
        queue.get(timeout=30)
    assert [*(folder.parent / "elsewhere").iterdir()] == []


def test_what_the_program_has_moved_does_not_keep_the_rest(
    folder: Path, open_folder: Any, write: Any
) -> None:
    """Whoever lets go gives back what is there still."""
    write("a", "b")
    queue = open_folder()
    queue.get().rename(folder.parent / "mine")
    queue.get()
    queue.dispose()
    assert names(folder) == ["b"]


@pytest.mark.parametrize("error", ["ENOSPC", "EACCES", "ESTALE", "EROFS"])
@pytest.mark.parametrize(
    ("point", "settle"),
    [("folder.before_done", "task_done"), ("folder.before_park", "task_failed")],
)
def test_what_cannot_be_settled_is_held_still(
    folder: Path, open_folder: Any, write: Any, point: str, settle: str, error: str
) -> None:
    """The error is told; the file is not stuck in the hands of a live process."""
    write("a")
    queue = open_folder(drain=True)
    queue.get()
    failpoints._armed = failpoints._parse(f"{point}:error:{error}")
    try:
        with pytest.raises(FolderError):
            getattr(queue, settle)()
    finally:
        failpoints._armed = {}
    queue.dispose()
    assert names(folder) == ["a"]
    drain(queue)
    assert names(folder / ".done") == ["a"]


@pytest.mark.parametrize("point", ["folder.within_recovery", "folder.after_recovery"])
def test_who_cannot_finish_a_recovery_goes_on_with_it_later(
    folder: Path, open_folder: Any, write: Any, point: str
) -> None:
    """Nobody else could: what is half recovered is a live process's."""
    write("a", "b")

    def hold_both() -> None:
        queue: FolderQueue[Any] = FolderQueue(folder)
        queue.get(), queue.get()

    died(hold_both)
    queue = open_folder(drain=True)
    failpoints._armed = failpoints._parse(f"{point}:error:EIO")
    try:
        with pytest.raises(FolderError):
            queue.get(timeout=30)
    finally:
        failpoints._armed = {}
    drain(queue)
    assert names(folder / ".done") == ["a", "b"]


# --- rows and producers ---------------------------------------------------------------------------


def test_a_row_that_looks_like_an_end_is_a_row(folder: Path, open_rows: Any) -> None:
    """Also where its producer dies behind it, and its sum is that of the rows before it."""
    row = {"end": {"rows": 0, "crc32": "00000000"}}
    died(lambda: FolderQueue.rows(folder).put(row))
    assert open_rows(drain=True).get(timeout=30) == row


def test_links_that_a_backup_makes_cost_no_row(folder: Path, open_rows: Any) -> None:
    """`cp -al` gives the draft of a producer a second name, and the producer dies."""

    def put_and_link() -> None:
        rows = FolderQueue.rows(folder)
        rows.put("kept")
        (draft,) = (folder / ".tmp").rglob("*.jsonl")
        (folder.parent / "snapshot").hardlink_to(draft)

    died(put_and_link)
    assert open_rows(drain=True).get(timeout=30) == "kept"


def test_who_begins_while_a_round_is_being_closed_belongs_to_the_next(
    folder: Path, tmp_path: Path, open_folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not named as expected; so the round ends without it, and nothing of it is refused."""
    (tmp_path / "late").write_text("x")
    (folder / "north.done").touch()
    reader, late = open_folder(), []
    point = failpoints.point

    def begins_then(name: str) -> None:
        if name == "folder.before_round" and not late:
            late.append(open_folder(producer="south"))
        point(name)

    monkeypatch.setattr(failpoints, "point", begins_then)
    assert reader.get(timeout=30) is DONE
    tomorrow = open_folder()
    late[0].put(tmp_path / "late")
    with pytest.raises(stdlib.Empty):
        open_folder(match="other").get(timeout=0.1)
    late[0].close()
    assert tomorrow.get(timeout=30).read_text() == "x"
    tomorrow.task_done()
    assert tomorrow.get(timeout=30) is DONE
