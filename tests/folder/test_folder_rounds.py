"""When a folder is done, when it has failed, and what of it counts for the next time."""

from __future__ import annotations

import os
import queue as stdlib
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from persistq import DONE, FAILED, FolderQueue, UpstreamFailed, UsageError, failpoints
from persistq.folder.controls import read_controls


def died(act: Any) -> None:
    """Do something in a process that is killed then."""
    if not (pid := os.fork()):
        try:
            act()
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def test_a_shell_can_be_the_producer(folder: Path, open_folder: Any, write: Any) -> None:
    """`touch` and `mv` are all it takes, on both sides."""
    (folder / "north.helo").touch()
    queue = open_folder()
    with pytest.raises(stdlib.Empty):
        queue.get(timeout=0.05)
    write("a.csv")
    (folder / "north.done").touch()
    assert queue.get().read_text() == "x"
    with pytest.raises(stdlib.Empty):
        queue.get(timeout=0.1)
    queue.task_done()
    assert queue.get(timeout=30) is DONE


def test_without_a_producer_there_is_no_done(open_folder: Any) -> None:
    """An empty folder may get files any time; who wants to stop then says drain."""
    with pytest.raises(stdlib.Empty):
        open_folder().get(timeout=0.1)
    assert open_folder(drain=True).get(timeout=30) is DONE


def test_every_producer_that_is_expected_has_to_be_done(folder: Path, open_folder: Any) -> None:
    """By name or by number, also one that has not begun yet."""
    (folder / "north.done").touch()
    for expected in ({"north", "south"}, 2):
        with pytest.raises(stdlib.Empty):
            open_folder(producers=expected).get(timeout=0.1)
    readers = [open_folder(producers=expected) for expected in ({"north", "south"}, 2)]
    (folder / "south.done").touch()
    assert [reader.get(timeout=30) for reader in readers] == [DONE, DONE]


def test_a_reader_of_the_next_day_is_not_told_that_the_last_one_is_over(
    folder: Path, open_folder: Any, write: Any
) -> None:
    """Old control files count for nobody; who began before learns it whenever it looks."""
    write("a")
    (folder / "north.done").touch()
    early, late = open_folder(), open_folder()
    early.get()
    early.task_done()
    assert early.get(timeout=30) is DONE
    with pytest.raises(stdlib.Empty):
        open_folder().get(timeout=0.1)
    assert late.get(timeout=30) is DONE
    tomorrow = open_folder()
    write("b")
    (folder / "north.done").touch()
    tomorrow.get()
    tomorrow.task_done()
    assert tomorrow.get(timeout=30) is DONE


def test_what_is_in_somebodys_hands_is_waited_for(
    folder: Path, open_folder: Any, write: Any
) -> None:
    """It may come back."""
    write("a.csv")
    (folder / "north.done").touch()
    holder, other = open_folder(), open_folder()
    holder.get()
    with pytest.raises(stdlib.Empty):
        other.get(timeout=0.2)
    holder.task_done()
    assert other.get(timeout=30) is DONE


def test_a_put_that_has_begun_is_waited_for(folder: Path, open_folder: Any, tmp_path: Path) -> None:
    """A process that was stopped in the midst of a put does not come too late."""
    (tmp_path / "slow").write_text("x")
    producer = open_folder(producer="north")
    stopped, go_on = threading.Event(), threading.Event()
    publish = producer._putter._moved

    def slowly(*args: Any) -> bool:
        stopped.set()
        go_on.wait(30)
        return bool(publish(*args))

    producer._putter._moved = slowly
    putting = threading.Thread(target=producer.put, args=(tmp_path / "slow",))
    putting.start()
    stopped.wait(30)
    producer.close()
    reader = open_folder()
    with pytest.raises(stdlib.Empty):
        reader.get(timeout=0.1)
    go_on.set()
    putting.join()
    assert reader.get(timeout=30).read_text() == "x"


def test_what_is_given_back_meanwhile_is_not_overlooked(
    folder: Path, open_folder: Any, write: Any
) -> None:
    """A file that moves back while one directory after the other is read is seen in none."""
    write("a")
    (folder / "north.done").touch()
    holder, reader = open_folder(), open_folder()
    holder.get()
    reader._open_channel()
    over = reader._reader._over
    busy = over._is_busy

    def given_back_before_that() -> bool:
        holder.dispose()
        return bool(busy())

    over._is_busy = given_back_before_that
    assert reader.get(timeout=30).read_text() == "x"


def test_failed_comes_before_what_waits(folder: Path, open_folder: Any, write: Any) -> None:
    """Its text is the reason; the files stay, and are had when it is gone."""
    write("a")
    (folder / "north.failed").write_text("disk full\n")
    queue = open_folder(drain=True)
    assert queue.get() is FAILED
    with pytest.raises(UpstreamFailed, match="north: disk full"):
        next(iter(queue))
    with pytest.raises(UpstreamFailed):
        queue.join()
    assert open_folder(failed="last").get().read_text() == "x"
    (folder / "north.failed").unlink()


def test_a_producer_that_has_died_ends_the_waiting(folder: Path, open_folder: Any) -> None:
    """Which process it was is said; who starts it again carries on."""
    died(lambda: FolderQueue(folder, producer="north"))
    queue = open_folder()
    assert queue.get(timeout=30) is FAILED
    with pytest.raises(UpstreamFailed, match="'north' is gone: process"):
        next(iter(queue))
    with pytest.raises(stdlib.Empty):
        open_folder(dead_producer="wait").get(timeout=0.1)
    assert open_folder(dead_producer="done").get(timeout=30) is DONE


def test_the_last_word_of_a_producer_is_heard_though_it_is_dead(
    folder: Path, open_folder: Any
) -> None:
    """It closed and ended between the look at what is there and the look for its process."""
    died(lambda: FolderQueue(folder, producer="north"))
    reader = open_folder()
    reader._open_channel()
    watch = reader._reader._watch
    has_died = watch.has_died

    def closed_before_that(*args: Any) -> bool | None:
        (folder / "north.done").touch()
        return has_died(*args)

    watch.has_died = closed_before_that
    assert reader.get(timeout=30) is DONE


def test_a_producer_starts_again_with_one_rename(folder: Path, open_folder: Any) -> None:
    """From then on what its earlier start has said does not count, whoever looks when."""
    died(lambda: FolderQueue(folder, producer="north").fail("no disk"))
    assert open_folder().get() is FAILED

    def begin_and_die() -> None:
        failpoints._armed = failpoints._parse("folder.after_helo:kill")
        FolderQueue(folder, producer="north")

    died(begin_and_die)
    assert (folder / "north.failed").exists()
    assert not read_controls(folder, ["north.helo", "north.failed"], frozenset()).faults
    again = open_folder(producer="north")
    assert not (folder / "north.failed").exists()
    again.close()
    assert again.get(timeout=30) is DONE


def test_two_live_programs_are_not_one_producer(folder: Path, open_folder: Any) -> None:
    """The first to close would end the other's round."""
    open_folder(producer="north")
    refused = os.fork()
    if not refused:
        code = 1
        try:
            FolderQueue(folder, producer="north")
        except UsageError:
            code = 7
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(refused, 0)[1]) == 7


def test_control_files_of_nonsense_are_those_of_a_shell(folder: Path, open_folder: Any) -> None:
    """What is in them may be a stranger's: it is text, and never a reason to stop."""
    (folder / "north.helo").write_bytes(b"\xff{[" * 1000)
    (folder / "south.helo").write_text('{"host": 1, "pid": -5, "start": "x", "node": null}')
    (folder / "west.helo").write_text(
        '{"host": "h", "pid": 1, "start": 1, "node": "n", "owner": 9}'
    )
    (folder / "deep.helo").write_text("[" * 60_000)
    os.mkfifo(folder / "pipe.helo")
    (folder / "link.helo").symlink_to("/etc/passwd")
    with pytest.raises(stdlib.Empty):
        open_folder().get(timeout=0.05)
