"""``persistq list``: folders beside journals, and ``persistq folder retry``."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from persistq import FolderQueue
from persistq.folder import counting
from persistq.folder.finding import folders_in, folders_of
from persistq.site import register

from .acting import Call, Record
from .terminals import on_terminal
from .test_folder_verbs import die_in
from .test_looking import plain


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder: one file waits, one is in hand, two were put aside."""
    path = tmp_path / "in"
    path.mkdir()
    for name in ("a.csv", "b.csv", "c.csv", "d.csv"):
        (path / name).write_text("x")
    queue: FolderQueue[Any] = FolderQueue(path, producer="north")
    queue.get()
    for _ in range(2):
        queue.task_failed(queue.get(), "no such day")
    yield path
    queue.release()


def listed(call: Call, *words: str) -> list[dict[str, Any]]:
    """Return the folders that are listed."""
    found: list[dict[str, Any]] = json.loads(call("list", "--json", *words).stdout)["folders"]
    return found


def test_folders_are_listed_beside_journals(call: Call, record: Record, folder: Path) -> None:
    """With what lies where, what producers are at, and what to type next."""
    record().put(1)
    (line,) = listed(call)
    assert 0 <= line.pop("oldest_seconds") < 60
    assert line == {
        "folder": str(folder),
        "paused": False,
        "waiting": 1,
        "in_hand": 1,
        "lost": 0,
        "parked": 2,
        "producers": {"working": 1, "done": 0, "failed": 0, "dead": 0},
        "next": f"persistq folder status {folder}",
    }
    first, second = call("list").stdout.splitlines()
    assert first.startswith("sales\t")
    assert second.split("\t")[:-1] == [str(folder), "open", *"1121000"]
    objects = [json.loads(line) for line in call("list", "--jsonl").stdout.splitlines()]
    assert [one.get("folder", one.get("name")) for one in objects] == ["sales", str(folder)]


def test_what_the_dead_have_is_told_with_what_to_type(call: Call, folder: Path) -> None:
    """Before that it is paused; a folder that needs nobody says nothing."""
    (folder / "PAUSE").touch()
    assert listed(call)[0]["next"] == f"persistq folder resume {folder}"
    assert call("list").stdout.split("\t")[1] == "paused"
    (folder / "PAUSE").unlink()
    die_in(lambda: FolderQueue(folder).get())
    die_in(lambda: FolderQueue(folder, producer="south"))
    (line,) = listed(call)
    assert (line["in_hand"], line["lost"], line["producers"]["dead"]) == (2, 1, 1)
    assert line["next"] == f"persistq folder recover {folder}"


def test_a_folder_is_known_wherever_it_is_once_it_was_opened(
    call: Call, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And forgotten when it is gone; what lies beside journals is found anyway, but by no link."""
    (tmp_path / "far/away").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "far/away")
    assert [line["folder"] for line in listed(call)] == [str(folder)]
    shutil.copytree(folder, "theirs", symlinks=True)
    Path("link").symlink_to(folder)
    assert [line["folder"] for line in listed(call)] == [
        str(Path("theirs").absolute()),
        str(folder),
    ]
    Path("theirs").rename("moved")
    shutil.rmtree("moved")
    (tmp_path / "gone").mkdir()
    FolderQueue(tmp_path / "gone").release()
    shutil.rmtree(tmp_path / "gone")
    assert [line["folder"] for line in listed(call)] == [str(folder)]
    assert len(list(Path(os.environ["XDG_STATE_HOME"], "persistq/folders").iterdir())) == 1


def test_a_register_that_cannot_be_kept_stops_nobody(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a convenience."""
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null")
    FolderQueue(folder).release()
    assert register.known_folders() == []


def test_a_strangers_folder_is_named_and_not_read(call: Call, folder: Path) -> None:
    """Neither here, nor by its verbs; others are shown all the same."""
    other = folder.with_name("other")
    FolderQueue(other).release()
    folder.chmod(0o777)
    result = call("list")
    assert f"passed over: folder {folder}: everybody can write it" in result.stderr
    first, second = result.stdout.splitlines()
    assert first == "\t".join([str(folder), "unreadable", *"-" * 8])
    assert second.startswith(f"{other}\topen")
    assert [*listed(call)[0]] == ["folder", "trouble"]


def test_where_strangers_can_plant_folders_none_is_found(folder: Path, tmp_path: Path) -> None:
    """Only what this user has opened is known there."""
    assert folders_in(tmp_path) == [folder]
    tmp_path.chmod(0o777)
    assert folders_in(tmp_path) == []
    assert folders_of(tmp_path) == [folder]
    tmp_path.chmod(0o700)


def test_a_link_in_the_place_of_a_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    """Nor counted, if it comes to lie where files are."""
    (folder / "link.csv").symlink_to("/etc/passwd")
    counts = counting.counted(folder)
    assert isinstance(counts, counting.Counts)
    assert counts.waiting == 1
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")
    assert folders_of(tmp_path / ".persistq") == [tmp_path / "moved"]
    folder.unlink()
    (tmp_path / "moved").rename(folder)


def test_no_more_times_are_looked_at_than_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of a hundred thousand files is counted by one listing."""
    asked: list[Path] = []
    monkeypatch.setattr(counting, "AGES_OF", 3)
    monkeypatch.setattr(counting, "came_at", lambda path: asked.append(path) or 1.0)
    for number in range(20):
        (folder / f"{number}.csv").write_text("x")
    counts = counting.counted(folder)
    assert isinstance(counts, counting.Counts)
    assert counts.waiting == 21
    assert len(asked) == 3


def test_folders_fit_a_terminal(folder: Path, tmp_path: Path) -> None:
    """Of 80 columns, whatever they are called; nothing reaches it that could steer it."""
    long = tmp_path / ("very-long-" * 12 + "\x1b[2J\n")
    FolderQueue(long).release()
    text = plain(on_terminal("list"))
    assert "\x1b" not in text
    lines = [line for line in text.splitlines() if not line.startswith(("next:", "persistq:"))]
    assert all(len(line) <= 80 for line in lines)
    assert "1 working" in text


def test_status_fits_a_terminal_however_much_there_is(folder: Path) -> None:
    """The first of each kind, and how many besides; long names on several lines."""
    (folder / ("long-" * 35 + ".csv")).write_text("x")
    for number in range(100):
        (folder / f"n{number:03}\x1b[2J.csv").write_text("x")
    text = plain(on_terminal("folder", "status", str(folder), code=3))
    assert "\x1b" not in text
    assert "and 82 more" in text
    assert len(text.splitlines()) < 40
    assert all(len(line) <= 80 for line in text.splitlines()[1:])


# --- retry ----------------------------------------------------------------------------------------


def test_retry_puts_back_what_is_named_or_all(call: Call, folder: Path) -> None:
    """And tells what waits now."""
    result = call("folder", "retry", "in", "b.csv")
    assert (result.exit_code, result.stdout) == (0, "waiting\tb.csv\n")
    assert "1 put back" in result.stderr
    document = json.loads(call("folder", "retry", "in", "--all", "--json").stdout)
    assert document["retried"] == [{"name": "c.csv", "files": ["c.csv"]}]
    assert (folder / "c.csv").exists()
    assert not list((folder / ".parked").iterdir())
    assert call("folder", "retry", "in", "--all").exit_code == 0


def test_retry_without_a_word_of_what_is_refused(call: Call, folder: Path) -> None:
    """As is what was not put aside: nothing is changed."""
    for words in ([], ["b.csv", "--all"], ["b.csv", "bb.csv"], ["../../x"]):
        result = call("folder", "retry", "in", *words)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1), words
    assert "did you mean" in call("folder", "retry", "in", "bb.csv").stderr
    assert (folder / ".parked/b.csv").exists()


def test_retry_says_what_it_cannot_put_back(call: Call, folder: Path) -> None:
    """Because nobody would claim it."""
    (folder / ".parked/link.csv").symlink_to("b.csv")
    result = call("folder", "retry", "in", "--all")
    assert result.stdout == "waiting\tb.csv\nwaiting\tc.csv\n"
    assert "1 stay aside" in result.stderr
    document = json.loads(call("folder", "retry", "in", "--all", "--json").stdout)
    assert (document["retried"], document["left"]) == ([], ["link.csv"])
