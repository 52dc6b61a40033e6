"""Rows are delivered where turbo-queue lost, doubled or held them back; its README loop, too."""

from __future__ import annotations

import os
import queue as stdlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from persistq import DONE, FolderQueue, UsageError
from persistq.folder import batchfile, batching

AWKWARD = [{}, 0, "", None, 1, {"data": "add_to_queue"}, False, []]


def batches(folder: Path) -> list[Path]:
    """Return the files that wait, in order."""
    return sorted(folder.glob("*.jsonl"))


# --- the loop of its README -----------------------------------------------------------------------


class Enqueue:
    """What that loop needs of turbo-queue's class, by `FolderQueue.rows`."""

    def __init__(self, path: str, max_ready_files: int, max_events_per_file: int) -> None:
        self._most = max_ready_files
        self._rows: FolderQueue[Any] = FolderQueue.rows(
            path, producer="main", batch=max_events_per_file, ready_max=max_ready_files
        )
        self.enqueue_active = False
        self.add = self._rows.put

    def update_enqueue_active_state(self) -> None:
        """Look whether there is room."""
        self.enqueue_active = self._rows.qsize() < self._most


def get(path: str) -> Iterator[Any]:
    """What ``Dequeue.get`` answers: every row, and then a mark; here that is ``DONE``."""
    rows: FolderQueue[Any] = FolderQueue.rows(path, poll=0.005, dead_producer="done")
    while (row := rows.get()) is not DONE:
        yield row
        rows.task_done(row)
    yield DONE


def enqueue(path: str) -> None:
    """Put rows as long as there is room for files, and end as the README does: without a close."""
    pending = list(AWKWARD)
    enqueue = Enqueue(path, max_ready_files=5, max_events_per_file=3)
    enqueue.update_enqueue_active_state()
    while enqueue.enqueue_active and pending:
        data = pending.pop(0)
        enqueue.add(data)
        enqueue.update_enqueue_active_state()


def test_the_loop_of_its_readme_delivers_every_row(folder: Path) -> None:
    """Also those that are false, and the last batch, which is not full.

    One thing of it is changed, as the page tells: the loop ends at ``DONE``, not at a false value.
    """
    script = f"import test_turbo_rows as it; it.enqueue({str(folder)!r})"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, timeout=50)
    assert [path.read_text().count("\n") - 1 for path in batches(folder)] == [3, 3, 2]
    processed = []
    get_data = get(str(folder))
    data = next(get_data)
    while data is not DONE:
        processed.append(data)
        data = next(get_data)
    assert processed == AWKWARD


# --- putting --------------------------------------------------------------------------------------


def test_no_file_is_made_before_the_first_row(folder: Path, open_rows: Any) -> None:
    """Nobody finds a batch without rows, however long its producer idles."""
    queue = open_rows(producer="north", linger=0.001)
    queue.flush()
    queue.close()
    assert batches(folder) == []
    assert not list((folder / ".tmp").rglob("*.jsonl"))
    assert open_rows().get(timeout=30) is DONE


def test_a_batch_is_on_the_disk_before_it_has_its_name(
    folder: Path, open_rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut leaves a whole file or none, and none that was seen is lost."""
    steps: list[str] = []
    real = os.fsync

    def fsync(file: int) -> None:
        steps.append("file" if batches(folder) == [] else "published")
        real(file)

    monkeypatch.setattr(batchfile.os, "fsync", fsync)
    monkeypatch.setattr(batching, "sync_directory", lambda path: steps.append(f"names {path.name}"))
    queue = open_rows(producer="north")
    steps.clear()
    queue.put(1)
    queue.flush()
    assert steps[:2] == ["file", f"names {folder.name}"]


def test_rows_of_one_producer_keep_their_order_whatever_its_clock_says(
    open_rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files have a number each; a clock that stands still, or goes back, changes nothing."""
    queue = open_rows(producer="north", batch=1, ready_max=0)
    now = time.time_ns()
    for number in range(30):
        monkeypatch.setattr(batching.time, "time_ns", lambda: now - 1)
        queue.put(number)
    queue.close()
    assert list(queue.outstanding()) == list(range(30))


@pytest.mark.parametrize(
    "wrong",
    [{"batch": 0}, {"batch": "10"}, {"batch": True}, {"linger": 0}, {"bytes_max": 1.5}, {"age": 1}],
)
def test_a_setting_of_the_wrong_kind_is_refused_with_its_name(
    folder: Path, wrong: dict[str, Any]
) -> None:
    """Every setting is read by something, and one that is unknown is no setting."""
    with pytest.raises((UsageError, TypeError), match=next(iter(wrong))):
        FolderQueue.rows(folder, **wrong)


# --- getting --------------------------------------------------------------------------------------


def test_an_empty_folder_is_told_by_an_exception_and_the_next_get_looks_again(
    open_rows: Any,
) -> None:
    """Not by a value that might be a row."""
    producer, reader = open_rows(producer="north", batch=1), open_rows()
    for row in (None, 0):
        with pytest.raises(stdlib.Empty):
            reader.get(block=False)
        producer.put(row)
        assert reader.get(block=False) == row


def test_a_loop_that_is_left_goes_on_with_the_next_row(open_rows: Any) -> None:
    """Within a batch; nothing is read twice, and nothing is left out."""
    queue = open_rows(producer="north", batch=3)
    for number in range(6):
        queue.put(number)
    queue.close()
    got = []
    for _ in range(3):
        for row in queue:
            got.append(row)
            queue.task_done(row)
            if row % 2:
                break
    assert got == list(range(6))


def test_what_is_given_back_comes_first_again(folder: Path, open_rows: Any) -> None:
    """It has the name that it had."""
    queue = open_rows(producer="north", batch=1)
    for number in range(3):
        queue.put(number)
    names = [path.name for path in batches(folder)]
    assert queue.get() == 0
    queue.dispose()
    assert [path.name for path in batches(folder)] == names
    assert queue.get() == 0


def test_each_batch_goes_to_one_of_several_readers(folder: Path, open_rows: Any) -> None:
    """Who is too late for one takes another."""
    queue = open_rows(producer="north", batch=2, ready_max=0)
    for number in range(60):
        queue.put(number)
    readers = [_reader(folder, number) for number in range(3)]
    # Who begins when the round is over already would wait for the next one.
    queue.close()
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in readers] == [0, 0, 0]
    got = [folder.with_name(f"got{number}").read_text().split() for number in range(3)]
    assert sorted(int(row) for some in got for row in some) == list(range(60))


def _reader(folder: Path, number: int) -> int:
    """Start a process that gets rows and writes them down; return its number when it has begun."""
    begun, begins = os.pipe()
    if pid := os.fork():
        os.close(begins)
        assert os.read(begun, 1) == b"x"
        os.close(begun)
        return pid
    try:
        rows: FolderQueue[int] = FolderQueue.rows(folder, poll=0.005)
        os.write(begins, b"x")
        with folder.with_name(f"got{number}").open("w") as file:
            for row in rows:
                print(row, file=file, flush=True)
                rows.task_done(row)
        os._exit(0)
    finally:
        os._exit(1)


def test_an_interrupt_of_get_is_passed_on_and_loses_no_row(
    folder: Path, open_rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it comes: nothing catches everything."""
    queue = open_rows(producer="north", batch=1)
    queue.put("row")

    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("persistq.folder.rowreader.check_batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        queue.get()
    monkeypatch.undo()
    queue.dispose()
    assert queue.get() == "row"


def test_of_a_killed_reader_one_batch_comes_again_and_no_more(folder: Path, open_rows: Any) -> None:
    """What it had finished before that one stays finished."""
    queue = open_rows(producer="north", batch=2)
    for number in range(4):
        queue.put(number)
    queue.close()
    if not (pid := os.fork()):
        rows: FolderQueue[int] = FolderQueue.rows(folder)
        for _ in range(3):
            rows.task_done(rows.get())
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    reader = open_rows()
    assert [reader.get(timeout=30), reader.get(timeout=30)] == [2, 3]


# --- looking --------------------------------------------------------------------------------------


def test_a_listing_tells_how_rows_stand(folder: Path, open_rows: Any) -> None:
    """What waits, what is in hands, what is finished and what has failed lie apart."""
    queue = open_rows(producer="north", batch=1)
    for row in ("finished", "failed", "in hands", "waits"):
        queue.put(row)
    queue.task_done(queue.get())
    queue.task_failed(queue.get(), "no")
    assert queue.get() == "in hands"
    assert (queue.qsize(), len(list(queue.outstanding()))) == (1, 2)

    def rows_below(directory: str) -> list[str]:
        paths = sorted((folder / directory).rglob("*.jsonl"))
        return [path.read_text().splitlines()[0] for path in paths]

    assert [path.read_text().splitlines()[0] for path in batches(folder)] == ['"waits"']
    assert rows_below(".taken") == ['"in hands"']
    assert '"finished"' in rows_below(".done")
    assert rows_below(".parked") == ['"failed"']


USING = """
import logging, os, socket, sys
os.getlogin = socket.getfqdn = None
before = set(os.listdir()), list(logging.getLogger().handlers), os.getcwd()
from persistq import FolderQueue
with FolderQueue.rows(sys.argv[1], producer="north") as rows:
    rows.put(1)
assert FolderQueue.rows(sys.argv[1]).get() == 1
assert before == (set(os.listdir()), list(logging.getLogger().handlers), os.getcwd())
assert "sqlite3" not in sys.modules and "confluent_kafka" not in sys.modules
"""


def test_importing_and_using_it_configures_no_logging_and_leaves_no_file(
    folder: Path, tmp_path: Path
) -> None:
    """Nor does it need a library of one use among many."""
    subprocess.run([sys.executable, "-c", USING, str(folder)], cwd=tmp_path, check=True, timeout=50)
