"""``persistq folder``: what lies in a directory that is a queue, and what is done about it."""

from __future__ import annotations

import json
import os
import queue as stdlib
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from persistq import FolderQueue
from persistq.folder.heartbeat import heart

from .acting import Call


def die_in(act: Callable[[], object]) -> None:
    """Do something in a process that is killed then."""
    if not (pid := os.fork()):
        try:
            act()
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


@pytest.fixture
def folder() -> Path:
    """A directory with two files that wait."""
    Path("in").mkdir()
    for name in ("a.csv", "b.csv"):
        Path("in", name).write_text("x")
    return Path("in").absolute()


def test_status_shows_what_waits_and_changes_nothing(call: Call, folder: Path) -> None:
    """Also of a directory that nobody has used as a queue yet."""
    (folder / "north.failed").write_text("no disk at sftp://me:secret@host/")
    (folder / "evil\x1b[2J.csv").symlink_to("/etc/passwd")
    result = call("folder", "status", "in")
    assert result.exit_code == 3
    assert "waiting\ta.csv\t\nwaiting\tb.csv\t\n" in result.stdout
    assert "producer\tnorth\tfailed, nobody known: no disk at sftp://me:***@host/" in result.stdout
    assert "\x1b" not in result.stdout
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_status_says_who_has_what(call: Call, folder: Path) -> None:
    """The process, whether it lives, and what was put aside and why."""
    queue: FolderQueue[Any] = FolderQueue(folder, producer="north")
    queue.get()
    queue.task_failed(queue.get(), "no such day")
    queue.task_done()
    queue.close()
    document = json.loads(call("folder", "status", "in", "--json").stdout)
    assert document["parked"] == [
        {"name": "b.csv", "kind": "TaskFailed", "reason": "no such day"},
    ]
    producer = {"name": "north", "state": "done", "reason": "", "life": None, "silent_s": None}
    assert document["producers"] == [producer]
    assert [holder["process"] for holder in document["holders"]] == [os.getpid()]
    assert [(holder["dead"], holder["life"]) for holder in document["holders"]] == [
        (False, "alive")
    ]
    assert call("folder", "status", "in").exit_code == 6
    queue.release()


def test_recover_gives_back_what_the_dead_had(call: Call, folder: Path) -> None:
    """And nothing of the living."""
    living: FolderQueue[Any] = FolderQueue(folder, match="b*")
    living.get()
    die_in(lambda: FolderQueue(folder).get())
    assert "dead" in call("folder", "status", "in").stdout
    document = json.loads(call("folder", "recover", "in", "--json").stdout)
    assert document["given_back"] == ["a.csv"]
    assert (folder / "a.csv").exists()
    assert not (folder / "b.csv").exists()
    living.release()
    assert call("folder", "recover", "in", "--wait", "--lease", "0.1").exit_code == 0


def test_owners_on_other_hosts_are_watched_if_that_is_said(call: Call, folder: Path) -> None:
    """Without that it is said that they cannot be seen from here."""
    die_in(lambda: FolderQueue(folder, lease=0.1).get())
    (card,) = (folder / ".owners").iterdir()
    card.write_text(json.dumps(json.loads(card.read_text()) | {"host": "elsewhere/1"}))
    result = call("folder", "recover", "in")
    assert "--wait" in result.stderr
    assert not (folder / "a.csv").exists()
    call("folder", "recover", "in", "--wait", "--lease", "0.1")
    assert (folder / "a.csv").exists()


def test_status_shows_how_long_others_have_been_silent(call: Call, folder: Path) -> None:
    """By the clock of the folder: one look is enough for people, and nothing is changed by it."""
    queue: FolderQueue[Any] = FolderQueue(folder, producer="north", lease=3_600)
    queue.get()
    (card,) = (folder / ".owners").iterdir()
    # The thread that touches it is to stay out of this.
    heart.stop()
    elsewhere = {"host": "elsewhere/1", "node": "left"}
    for path in (card, folder / "north.helo"):
        path.write_text(json.dumps(json.loads(path.read_text()) | elsewhere))

    def shown(silent: float) -> tuple[str, list[str | None]]:
        moment = card.stat().st_ctime - silent
        os.utime(card, (moment, moment))
        result = call("folder", "status", "in")
        assert result.exit_code == 3
        document = json.loads(call("folder", "status", "in", "--json").stdout)
        told = [*document["producers"], *document["holders"]]
        return result.stdout, [one["life"] for one in told]

    before = sorted((folder / ".owners").iterdir())
    who = f"process {os.getpid()} on left"
    for silent, state, life, word in (
        (1, "working", "alive", "alive"),
        (40, "working", "silent", "silent since 4"),
        (70, "dead", "dead", "dead, silent since 7"),
    ):
        text, lives = shown(silent)
        assert lives == [life, life]
        producer = f"producer\tnorth\t{state}, {who}, {word.removeprefix('dead, ')}"
        assert producer in text
        assert f"in hand\ta.csv\t{who}, {word}" in text
    assert sorted((folder / ".owners").iterdir()) == before
    heart.start()
    queue.release()


def test_monitors_learn_by_the_exit_code_who_is_silent(call: Call, folder: Path) -> None:
    """Whatever waits; who has nothing in hand is missed by nobody."""
    idle: FolderQueue[Any] = FolderQueue(folder, match="nothing")
    with pytest.raises(stdlib.Empty):
        idle.get(timeout=0)
    queue: FolderQueue[Any] = FolderQueue(folder)
    queue.get()
    heart.stop()
    for card in (folder / ".owners").iterdir():
        card.write_text(json.dumps(json.loads(card.read_text()) | {"host": "elsewhere/1"}))
        os.utime(card, (card.stat().st_ctime - 20,) * 2)
    assert call("folder", "status", "in", "--max-silence", "10min").exit_code == 0
    result = call("folder", "status", "in", "--max-silence", "10s")
    assert (result.exit_code, result.stderr.count("no sign of life for 2")) == (3, 1)
    assert call("folder", "status", "in", "--max-silence", "soon").exit_code == 2
    assert call("folder", "status", "in", "--lease", "1", "--max-silence", "1h").exit_code == 3
    heart.start()
    queue.release(), idle.release()
    die_in(lambda: FolderQueue(folder, match="b*").get())
    result = call("folder", "status", "in", "--max-silence", "1d")
    assert (result.exit_code, "dead" in result.stderr) == (3, True)


def test_recover_waits_for_who_has_asked_for_time(call: Call, folder: Path) -> None:
    """And says so; what it has is not touched."""

    def hold() -> None:
        queue: FolderQueue[Any] = FolderQueue(folder, lease=0.1)
        queue.get()
        queue.extend("1h")

    die_in(hold)
    (card,) = (folder / ".owners").iterdir()
    card.write_text(json.dumps(json.loads(card.read_text()) | {"host": "elsewhere/1"}))
    result = call("folder", "recover", "in", "--wait", "--lease", "0.1")
    assert "has asked for more time" in result.stderr
    assert not (folder / "a.csv").exists()


def test_pause_and_resume_are_a_file(call: Call, folder: Path) -> None:
    """As `touch` makes it; each can be said twice."""
    for _ in range(2):
        assert json.loads(call("folder", "pause", "in", "--json").stdout)["paused"] is True
    assert (folder / "PAUSE").exists()
    for _ in range(2):
        assert call("folder", "resume", "in").exit_code == 0
    assert not (folder / "PAUSE").exists()


def test_verify_finds_what_nobody_will_touch(call: Call, folder: Path) -> None:
    """Files of nobody known, without a reason, cut short, or none at all."""
    assert call("folder", "verify", "in").exit_code == 0
    (folder / ".taken/somebody").mkdir(parents=True)
    (folder / ".parked").mkdir()
    (folder / ".parked/bad.csv").write_text("x")
    (folder / "half.jsonl").write_text("1\n")
    (folder / "link.csv").symlink_to("a.csv")
    result = call("folder", "verify", "in", "--json")
    assert result.exit_code == 5
    problems = "\n".join(json.loads(result.stdout)["problems"])
    for what in (".taken/somebody", ".parked/bad.csv", "half.jsonl", "link.csv"):
        assert what in problems


@pytest.mark.parametrize("verb", ["status", "recover", "pause", "resume", "verify"])
def test_a_folder_that_is_not_there_or_a_strangers_is_refused(
    call: Call, folder: Path, verb: str
) -> None:
    """In one sentence, and nothing is made."""
    result = call("folder", verb, "out")
    assert (result.exit_code, result.stderr.count("\n")) == (4, 1)
    assert not Path("out").exists()
    folder.chmod(0o777)
    assert call("folder", verb, "in").exit_code == 4
