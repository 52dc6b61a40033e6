"""Owners: what the dead have left comes back, and what the living have is never touched."""

from __future__ import annotations

import json
import os
import pickle
import queue as stdlib
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from persistq import DONE, ClaimLost, FolderQueue
from persistq.folder.heartbeat import heart
from persistq.folder.owner import Watch
from persistq.folder.place import place_of


def died(act: Any) -> None:
    """Do something in a process that is killed then."""
    if not (pid := os.fork()):
        try:
            act()
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def listed(directory: Path) -> list[str]:
    """Return the names in a directory, in order."""
    return sorted(path.name for path in directory.iterdir())


def on_another_host(folder: Path, owner: str) -> Path:
    """Make an owner one of another host, of which no heartbeat comes."""
    card = folder / ".owners" / owner
    heart.remove(card)
    card.write_text(json.dumps(json.loads(card.read_text()) | {"host": "elsewhere/1"}))
    return card


def test_a_file_that_kills_is_parked_in_the_end(folder: Path, open_folder: Any, write: Any) -> None:
    """The third process that dies with it is the last; others are not blamed with it."""
    write("1 bad", "2 good")

    def hold_both() -> None:
        queue: FolderQueue[Any] = FolderQueue(folder)
        queue.get(), queue.get()

    for _ in range(3):
        died(hold_both)
    queue = open_folder(drain=True)
    assert queue.get(timeout=30).read_text() == "x"
    queue.task_done()
    assert queue.get(timeout=30) is DONE
    assert "3 processes have died" in (folder / ".parked/1 bad.why.json").read_text()
    assert (folder / ".done/2 good").exists()


def test_another_file_of_that_name_is_not_blamed(
    folder: Path, open_folder: Any, write: Any
) -> None:
    """Deaths belong to a file and not to its name."""
    for _ in range(3):
        write("a")
        died(lambda: FolderQueue(folder).get())
        open_folder().get()
        (folder / "a").unlink(missing_ok=True)
    assert not (folder / ".parked/a").exists()


def test_what_a_live_process_has_is_not_touched(folder: Path, open_folder: Any, write: Any) -> None:
    """Whoever recovers, however often: its number is a live process's."""
    write("a")
    queue = open_folder()
    path = queue.get()
    with pytest.raises(stdlib.Empty):
        open_folder().get(timeout=0.1)
    assert path.exists()
    queue.task_done()


def test_an_owner_on_another_host_is_dead_when_it_has_been_silent(
    folder: Path, open_folder: Any, write: Any
) -> None:
    """Measured by the clock of who looks; a beat begins it anew."""
    write("a")
    holder = open_folder()
    holder.get()
    (owner,) = listed(folder / ".owners")
    card = on_another_host(folder, owner)
    watch, ticks = Watch(place_of(folder), 60.0), iter(range(0, 1000, 14))
    watch.leases.clock = lambda: next(ticks)
    assert [watch.is_dead(owner) for _ in range(5)] == [None] * 5
    assert watch.is_dead(owner) is True
    os.utime(card, (1, 1))
    assert watch.is_dead(owner) is False
    assert Watch(place_of(folder), 60.0).is_dead(owner) is None


def test_who_was_taken_for_dead_settles_nothing_and_goes_on(
    folder: Path, open_folder: Any, write: Any
) -> None:
    """It is told, and what others have got is theirs."""
    write("a", "b")
    holder = open_folder()
    path = holder.get()
    (owner,) = listed(folder / ".owners")
    on_another_host(folder, owner)
    heir, ticks = open_folder(), iter(range(0, 1000, 15))
    heir._watch.leases.clock = lambda: next(ticks)
    reader = heir._open_channel()
    while (folder / ".taken" / owner).exists():
        reader._recover()
    assert heir.get(timeout=30).name.endswith(path.name.partition(".")[2])
    with pytest.raises(ClaimLost, match="taken for dead"):
        holder.task_done(path)
    heir.task_done()
    assert holder.get(timeout=30).read_text() == "x"
    holder.task_done()
    assert (listed(folder / ".done")) == ["a", "b"]


def test_rows_of_who_was_taken_for_dead_go_into_another_file(folder: Path, open_rows: Any) -> None:
    """Those before it were published by who took it for dead; all are there once."""
    producer = open_rows(producer="north")
    producer.put("before")
    (owner,) = listed(folder / ".owners")
    on_another_host(folder, owner)
    heir, ticks = open_rows(dead_producer="wait"), iter(range(0, 1000, 15))
    heir._watch.leases.clock = lambda: next(ticks)
    while listed(folder / ".tmp") == [owner]:
        heir._open_channel()._reader._recover()
    producer._batching._looked -= 1
    producer.put("after")
    producer.close()
    assert [heir.get(timeout=30), heir.get(timeout=30)] == ["before", "after"]


def test_who_was_taken_for_dead_with_empty_hands_claims_as_another_owner(
    folder: Path, open_folder: Any, write: Any
) -> None:
    """It is not told, because it has lost nothing."""
    write("a")
    holder = open_folder()
    holder.get()
    holder.task_done()
    (owner,) = listed(folder / ".owners")
    for directory in (".taken", ".tmp"):
        (folder / directory / owner).rmdir()
    write("b")
    assert holder.get(timeout=30).name.endswith("b")
    assert listed(folder / ".taken") != [owner]


def test_owners_show_that_they_live(folder: Path, open_folder: Any, write: Any) -> None:
    """One thread for all of a process; there is none in a fork, where it would be in the way."""
    write("a")
    open_folder().get()
    (card,) = (folder / ".owners").iterdir()
    assert heart.pulse(card) is not None
    if not (pid := os.fork()):
        os._exit(0 if heart.pulse(card) is None and heart._thread is None else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert heart._thread is not None
    assert heart._thread.is_alive()


def test_directories_of_nobody_known_are_left_alone(
    folder: Path, open_folder: Any, write: Any
) -> None:
    """What somebody has made by hand is not guessed at, and what lies there is not lost."""
    queue = open_folder(drain=True)
    (folder / ".taken/mine").mkdir()
    (folder / ".taken/mine/1.a").write_text("x")
    (folder / ".owners/other").write_text("{}")
    with pytest.raises(stdlib.Empty):
        queue.get(timeout=0.1)
    assert (folder / ".taken/mine/1.a").exists()


def test_a_clean_end_gives_back_and_leaves_no_trace(
    folder: Path, open_folder: Any, write: Any
) -> None:
    """Also without release, at the end of the program."""
    write("a")
    if not (pid := os.fork()):
        from multiprocessing import util

        queue: FolderQueue[Any] = FolderQueue(folder)
        queue.get()
        util._exit_function()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert (folder / "a").exists()
    for directory in (".owners", ".taken", ".tmp"):
        assert listed(folder / directory) == []


def test_a_queue_object_is_its_parameters(folder: Path, open_folder: Any, write: Any) -> None:
    """It can be pickled; who gets it is an owner of its own."""
    write("a", "b")
    queue = open_folder()
    queue.get()
    other = pickle.loads(pickle.dumps(queue))
    with pytest.raises(ValueError, match="too many times"):
        other.task_done()
    other.get()
    assert len(listed(folder / ".owners")) == 2
    other.release()


def test_eight_readers_that_are_killed_again_and_again_lose_nothing(
    folder: Path, open_folder: Any, write: Any
) -> None:
    """Of 400 files each is finished once, though every reader dies with one in hand."""
    names = [f"{number:04}" for number in range(400)]
    write(*names)

    def finish_some() -> None:
        queue: FolderQueue[Any] = FolderQueue(folder, max_crashes=100)
        for _ in range(15):
            queue.get()
            queue.task_done()
        queue.get()

    for _ in range(3):
        pids = []
        for _ in range(8):
            if not (pid := os.fork()):
                try:
                    finish_some()
                    os.kill(os.getpid(), signal.SIGKILL)
                finally:
                    os._exit(1)
            pids.append(pid)
        for pid in pids:
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    queue = open_folder(drain=True, max_crashes=100)
    began = time.monotonic()
    for _ in queue:
        queue.task_done()
    assert time.monotonic() - began < 20
    assert (listed(folder / ".done")) == names
