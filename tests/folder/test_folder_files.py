"""Files in a folder: which are items, how they come in, and where they go."""

from __future__ import annotations

import json
import os
import queue as stdlib
import socket
from pathlib import Path
from typing import Any

import pytest

from persistq import DONE, FolderError, FolderQueue, QueueClosed, UsageError
from persistq.errors import ItemsFailed
from persistq.folder import reader, renames
from persistq.folder.listing import list_folder
from persistq.folder.order import largest, oldest


def names(folder: Path) -> list[str]:
    """Return what lies in a directory and is not hidden."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def drained(queue: FolderQueue[Any]) -> list[str]:
    """Finish everything; return the names in their order, without the numbers of claims."""
    found = []
    while (path := queue.get()) is not DONE:
        found.append(path.name.partition(".")[2])
        queue.task_done()
    return found


def test_a_file_is_claimed_finished_and_parked(folder: Path, open_folder: Any, write: Any) -> None:
    """Where it lies says how it is: each step is one rename, and a reason lies beside."""
    write("a.csv", "b.csv")
    queue = open_folder(drain=True)
    first, second = queue.get(), queue.get()
    assert [first.read_text(), second.read_text()] == ["x", "x"]
    assert names(folder) == []
    queue.task_done(first)
    queue.task_failed(second, ValueError("no such day"))
    assert names(folder / ".done") == ["a.csv"]
    assert names(folder / ".parked") == ["b.csv", "b.csv.why.json"]
    why = json.loads((folder / ".parked/b.csv.why.json").read_text())
    assert (why["name"], why["kind"], why["reason"]) == ("b.csv", "ValueError", "no such day")
    assert queue.get() is DONE
    with pytest.raises(ItemsFailed):
        queue.join(check=True)


def test_a_folder_has_no_retries_and_says_so(folder: Path, open_folder: Any, write: Any) -> None:
    """Nor does it count attempts; the file stays with who has it."""
    write("a.csv")
    queue = open_folder(drain=True)
    path = queue.get()
    with pytest.raises(UsageError, match="not for folders"):
        queue.task_retry(path, delay=1)
    with pytest.raises(UsageError, match="not for folders"):
        queue.attempt()
    queue.task_done(path)
    assert names(folder / ".done") == ["a.csv"]


def test_the_whole_name_has_to_match_and_case_counts(open_folder: Any, write: Any) -> None:
    """Also one with two endings; hidden files and control files are never items."""
    write("a.tar.gz", "b.gz", "C.TAR.GZ", ".d.tar.gz", "e.done", "f.helo", ".nfs01", "PAUSE.tar.gz")
    assert drained(open_folder(match="*.tar.gz", drain=True)) == ["PAUSE.tar.gz", "a.tar.gz"]


def test_a_name_of_any_bytes_is_one(folder: Path, open_folder: Any) -> None:
    """What is no UTF-8 comes back as it was."""
    name = os.fsdecode(b"caf\xe9 \n.csv")
    (folder / name).write_text("x")
    assert drained(open_folder(drain=True)) == [name]
    assert [path.name for path in (folder / ".done").iterdir()] == [name]


def test_put_moves_or_copies_and_never_replaces(
    folder: Path, tmp_path: Path, open_folder: Any
) -> None:
    """The source is untouched if a file of its name waits."""
    queue = open_folder(match="*.csv")
    for number, name in enumerate(("a.csv", "copied.csv")):
        (tmp_path / name).write_text(str(number))
    queue.put(tmp_path / "a.csv")
    queue.put(tmp_path / "copied.csv", copy=True, name="b.csv")
    assert names(folder) == ["a.csv", "b.csv"]
    assert names(tmp_path) == ["copied.csv", "in"]
    (tmp_path / "a.csv").write_text("another")
    for copy in (False, True):
        with pytest.raises(FileExistsError):
            queue.put(tmp_path / "a.csv", copy=copy)
    assert (tmp_path / "a.csv").read_text() == "another"
    assert (folder / "a.csv").read_text() == "0"
    assert not any(path.is_file() for path in (folder / ".tmp").rglob("*"))


@pytest.mark.parametrize("name", ["x.tsv", ".x.csv", "../x.csv", "a/x.csv", "", "x" * 300 + ".csv"])
def test_a_name_that_would_never_be_claimed_is_refused(
    tmp_path: Path, open_folder: Any, name: str
) -> None:
    """The file stays where it is."""
    (tmp_path / "a.csv").write_text("x")
    with pytest.raises(UsageError):
        open_folder(match="*.csv").put(tmp_path / "a.csv", name=name)
    assert (tmp_path / "a.csv").exists()


def test_put_waits_for_room_or_drops(tmp_path: Path, open_folder: Any) -> None:
    """Back-pressure is in put itself; what is dropped is counted and stays at its source."""
    for name in "abc":
        (tmp_path / name).write_text("x")
    queue = open_folder(ready_max=1)
    queue.put(tmp_path / "a")
    with pytest.raises(stdlib.Full):
        queue.put(tmp_path / "b", block=False)
    dropping = open_folder(ready_max=1, drop_overflow=True)
    dropping.put(tmp_path / "c")
    assert (dropping.dropped, (tmp_path / "c").exists()) == (1, True)


def test_finished_files_of_one_name_are_all_kept(
    folder: Path, open_folder: Any, write: Any
) -> None:
    """Nothing replaces anything, also where files of one name are in hand together."""
    queue = open_folder()
    for number in range(3):
        write("a.csv", text=str(number))
        queue.get()
    for _ in range(3):
        queue.task_done()
    done = [path.read_text() for path in (folder / ".done").iterdir()]
    assert sorted(done) == ["0", "1", "2"]
    assert names(folder / ".done") == ["a.csv", "a~2.csv", "a~3.csv"]


def test_files_are_kept_apart_where_renames_replace(
    folder: Path, open_folder: Any, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system without RENAME_NOREPLACE keeps all the same promises."""

    def refuse(source: Path, target: Path) -> None:
        raise renames.CannotRefuse(22, "as on NFS")

    monkeypatch.setattr(renames, "_rename", refuse)
    queue = open_folder(match="*.csv", drain=True)
    for number in range(2):
        write("a.csv", text=str(number))
        queue.get()
    queue.task_done()
    queue.dispose()
    (returned,) = names(folder)
    assert drained(queue) == [returned]
    assert sorted(path.read_text() for path in (folder / ".done").iterdir()) == ["0", "1"]


def test_finished_files_are_deleted_if_that_is_said(
    folder: Path, open_folder: Any, write: Any
) -> None:
    """And nothing else is."""
    write("a", "b")
    queue = open_folder(done="delete", drain=True)
    queue.task_failed(queue.get())
    assert drained(queue) == ["b"]
    assert not (folder / ".done").exists()
    assert names(folder / ".parked") == ["a", "a.why.json"]


def test_order_is_that_of_a_key(
    folder: Path, open_folder: Any, write: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """What has no key comes last and is told once; ready-made keys are by time and size."""
    write("b1", "a2", text="xx")
    write("c9", text="x")
    os.utime(folder / "c9", (1, 1))

    def number(path: Path) -> int | None:
        return {"1": 1, "2": 2}.get(path.name[1])

    for order, expected in ((number, ["b1", "a2", "c9"]), (oldest, ["c9"]), (largest, ["a2"])):
        queue = open_folder(order=order)
        assert [queue.get().name[2:] for _ in expected] == expected
        queue.dispose()
    assert capfd.readouterr().err.count("c9: order= gives no key") == 1


def test_what_does_not_pass_its_check_is_parked(folder: Path, open_folder: Any, write: Any) -> None:
    """It is neither handed out nor deleted; the reason says what is wrong."""
    write("empty.json", text="")
    write("bad.json", text="{")
    write("good.json", text="[]")
    assert drained(open_folder(check="json", drain=True)) == ["good.json"]
    assert [name for name in names(folder / ".parked") if "why" not in name] == [
        "bad.json",
        "empty.json",
    ]
    assert "JSONDecodeError" in (folder / ".parked/bad.json.why.json").read_text()


def test_what_is_written_to_after_its_claim_is_parked(
    folder: Path, open_folder: Any, write: Any
) -> None:
    """It was not whole when it was read; to say that it is done would be false."""
    write("a")
    queue = open_folder()
    with queue.get().open("a") as file:
        file.write("more")
    queue.task_done()
    assert "written to it after" in (folder / ".parked/a.why.json").read_text()


def test_a_handler_may_move_its_file(folder: Path, open_folder: Any, write: Any) -> None:
    """Then there is nothing left to be moved."""
    write("a")
    queue = open_folder(drain=True)
    queue.get().rename(folder.parent / "mine")
    queue.task_done()
    assert queue.get() is DONE


def test_a_file_in_the_making_is_not_claimed(folder: Path, open_folder: Any, write: Any) -> None:
    """With min_age, only one that has not changed between two looks is."""
    write("a")
    queue = open_folder(min_age=0.02, drain=True)
    with pytest.raises(stdlib.Empty):
        queue.get_nowait()
    write("a", text="longer")
    with pytest.raises(stdlib.Empty):
        queue.get_nowait()
    assert queue.get(timeout=20).read_text() == "longer"


def test_nobody_claims_while_the_folder_is_paused(
    folder: Path, open_folder: Any, write: Any
) -> None:
    """A file that is called PAUSE says so."""
    write("a", "PAUSE")
    queue = open_folder(drain=True)
    with pytest.raises(stdlib.Empty):
        queue.get(timeout=0.05)
    (folder / "PAUSE").unlink()
    assert drained(queue) == ["a"]


def test_links_and_directories_are_left_alone_and_told(
    folder: Path, open_folder: Any, write: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """A stranger's link does not have anything read, moved or deleted elsewhere."""
    (folder.parent / "secret").write_text("secret")
    (folder / "link").symlink_to(folder.parent / "secret")
    (folder / "directory").mkdir()
    write("a")
    assert drained(open_folder(drain=True)) == ["a"]
    assert names(folder) == ["directory", "link"]
    assert capfd.readouterr().err.count("is left alone") == 2


@pytest.mark.parametrize("name", [".taken", ".tmp", ".done", ".parked", ".owners", ".rounds"])
def test_directories_that_lead_elsewhere_are_refused(folder: Path, name: str) -> None:
    """Whoever has planted a link would have files moved there."""
    (folder.parent / "elsewhere").mkdir()
    (folder / name).symlink_to(folder.parent / "elsewhere")
    with pytest.raises(FolderError, match="is not a directory"):
        FolderQueue(folder)


def test_a_folder_that_everybody_can_write_is_refused(folder: Path) -> None:
    """Strangers could exchange the directories in it."""
    folder.chmod(0o777)
    with pytest.raises(FolderError, match="chmod o-w"):
        FolderQueue(folder)


def test_a_key_is_that_of_the_file(open_folder: Any, write: Any) -> None:
    """It is the same when the file comes again, and another one's is another."""
    write("a", "b")
    queue = open_folder()
    first, second = queue.get(), queue.get()
    keys = queue.key(first), queue.key(second)
    assert keys[0] != keys[1]
    queue.dispose()
    assert queue.key(queue.get()) == keys[0]


def test_a_mistake_is_told_in_a_sentence(folder: Path, tmp_path: Path) -> None:
    """And nothing is made."""
    for options in (
        {"match": ""},
        {"check": "yaml"},
        {"failed": "never"},
        {"ready_max": -1},
        {"min_age": "5"},
        {"producer": "a.b"},
        {"producers": 0},
        {"members": {"a"}},
        {"group": "("},
        {"group": "(?P<group>a)"},
        {"mach": "*"},
    ):
        with pytest.raises(UsageError):
            FolderQueue(tmp_path / "new", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "new").exists()
    queue: FolderQueue[Any] = FolderQueue(folder)
    for act in (
        queue.close,
        queue.fail,
        lambda: queue.put(tmp_path),
        lambda: queue.put("a", delay=1),
    ):
        with pytest.raises(UsageError):
            act()
    queue.release()


def test_put_after_close_is_refused_and_the_source_stays(tmp_path: Path, open_folder: Any) -> None:
    """What cannot be delivered any more is not taken."""
    (tmp_path / "late").write_text("x")
    queue = open_folder(producer="north")
    queue.close()
    with pytest.raises(QueueClosed):
        queue.put(tmp_path / "late")
    assert (tmp_path / "late").exists()


@pytest.mark.parametrize("copy", [False, True])
def test_any_bytes_come_out_as_they_went_in(tmp_path: Path, open_folder: Any, copy: bool) -> None:
    """Nothing is decoded, and no line end is another one."""
    data = bytes(range(256)) + b"\r\n\n\r\x1a"
    (tmp_path / "a").write_bytes(data)
    queue = open_folder()
    queue.put(tmp_path / "a", copy=copy)
    assert queue.get().read_bytes() == data


def test_a_folder_needs_no_login_and_no_name_server(
    open_folder: Any, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cron has no login, and a container need not have a network."""

    def refuse(*args: Any) -> Any:
        raise OSError("there is none")

    monkeypatch.setattr(os, "getlogin", refuse)
    for name in ("getfqdn", "gethostbyname", "getaddrinfo", "gethostbyaddr"):
        monkeypatch.setattr(socket, name, refuse)
    write("a")
    queue = open_folder(producer="north")
    queue.close()
    assert drained(queue) == ["a"]


def test_a_get_lists_nothing_while_its_listing_is_fresh(
    folder: Path, open_folder: Any, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it sleep while something waits: what was listed is claimed one after the other."""
    write(*(f"{number:03}" for number in range(100)))
    queue, looks = open_folder(), []

    def looking(*args: Any) -> Any:
        looks.append(args)
        return list_folder(*args)

    monkeypatch.setattr(reader, "list_folder", looking)
    monkeypatch.setattr(reader, "_STALE_S", 1000.0)
    monkeypatch.setattr(reader.time, "sleep", lambda seconds: pytest.fail("it sleeps"))
    for number in range(100):
        assert queue.get().name.endswith(f".{number:03}")
    assert len(looks) == 1
