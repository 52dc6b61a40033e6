"""Programs that know nothing of each other share a queue by its name."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from actors import iterate

from persistq import DONE, JournalError
from persistq.client.consumer import Consumer
from persistq.journal.sqlite_reader import SqliteReader

Any_ = Callable[..., Any]

WORK = """
import sys
from persistq import PersistentQueue
queue = PersistentQueue("work")
print("open", queue.load_id, flush=True)
for item in queue:
    print(item, flush=True)
    queue.task_done()
"""

PUT = """
import sys
from persistq import PersistentQueue
queue = PersistentQueue("work")
queue.put_many(map(int, sys.argv[1:]))
"""


def program(text: str, *args: str) -> subprocess.Popen[str]:
    """Start a program and return it while it runs."""
    return subprocess.Popen(
        [sys.executable, "-c", text, *args], stdout=subprocess.PIPE, text=True, env=os.environ
    )


def test_unrelated_programs_share_a_queue_by_name(open_queue: Any_, run_script: Any_) -> None:
    """One program works on what others put; each may come and go."""
    queue = open_queue()
    with program(WORK) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == f"open {queue.load_id}\n"
        for numbers in (["1", "2"], ["1"]):
            done = run_script(PUT, *numbers)
            assert (done.returncode, done.stderr) == (0, done.stderr)
        assert [worker.stdout.readline() for _ in range(3)] == ["1\n", "2\n", "1\n"]
        queue.close()
        assert worker.wait(30) == 0
    assert queue.get() is DONE


def test_programs_that_start_together_share_one_load(
    journal_dir: Path, run_script: Any_, open_queue: Any_
) -> None:
    """Whoever comes first starts the broker; the others attach to it."""
    programs = [program(PUT, str(number)) for number in range(4)]
    for one in programs:
        one.communicate(timeout=50)
        assert one.returncode == 0
    queue = open_queue()
    queue.close()
    assert sorted(iterate(queue)) == [0, 1, 2, 3]
    queue.release()
    with SqliteReader(journal_dir / "work.db") as reader:
        assert len(reader.loads()) == 1


def test_items_left_behind_are_for_the_next_program(open_queue: Any_, run_script: Any_) -> None:
    """A program that only puts ends at once; its items wait in the journal."""
    done = run_script(PUT, "1", "2", "3")
    assert done.returncode == 0
    assert "3 items outstanding" in done.stderr
    assert "persistq resume work" in done.stderr
    queue = open_queue()
    queue.close()
    assert iterate(queue) == [1, 2, 3]


def test_many_threads_open_the_same_queue(open_queue: Any_) -> None:
    """The first use of a connection by several threads at once makes one connection."""
    queue = open_queue()
    barrier = threading.Barrier(8)

    def put(number: int) -> None:
        barrier.wait()
        queue.put(number)
        queue.get()
        queue.task_done()

    threads = [threading.Thread(target=put, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    queue.join()
    queue.close()
    assert queue.get() is DONE


def test_blocking_get_goes_on_if_another_thread_was_quicker(
    open_queue: Any_, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An item that another thread took at the last instant does not end the wait."""
    queue = open_queue()
    queue.put_many(["theirs", "mine"])
    request, stolen = Consumer._request, []

    def robbed(self: Consumer, *args: Any) -> Any:
        answer = request(self, *args)
        if not stolen:
            stolen.append(self._items.popleft()[2])
        return answer

    monkeypatch.setattr(Consumer, "_request", robbed)
    assert queue.get() == "mine"
    assert stolen == ["theirs"]
    queue.task_done()
    queue.dispose()


def test_foreign_file_is_refused_and_untouched(open_queue: Any_, tmp_path: Path) -> None:
    """A file that is no journal is not opened, and is as it was."""
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "work.db").write_bytes(b"my precious notes")
    with pytest.raises(JournalError, match="not a database"):
        open_queue(journal=other)
    assert (other / "work.db").read_bytes() == b"my precious notes"
