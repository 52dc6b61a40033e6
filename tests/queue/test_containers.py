"""Programs that see each other's processes by other numbers, or not at all, share a queue."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from persistq.journal.outstanding import JournalReader

UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc"]

needs_namespaces = pytest.mark.skipif(
    sys.platform != "linux"
    or os.geteuid() != 0
    or shutil.which("unshare") is None
    or subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode != 0,
    reason="a PID namespace needs Linux, root and unshare",
)

OTHER = """
import multiprocessing, os, signal, sys
from persistq import DONE, PersistentQueue

def work(queue, deaths):
    for item in queue:
        if item == "poison":
            with open(deaths, "a") as file:
                print(os.getpid(), file=file)
            os.kill(os.getpid(), signal.SIGKILL)
        queue.task_done()

if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    queue = PersistentQueue("work")
    for _ in range(5):
        process = context.Process(target=work, args=(queue, sys.argv[1]))
        process.start()
        process.join()
        if not process.exitcode:
            break
    queue.release()
"""


@needs_namespaces
def test_poison_is_parked_by_a_broker_that_does_not_see_the_processes(
    open_queue: Callable[..., Any], tmp_path: Path, journal_dir: Path
) -> None:
    """Blame hangs on the connection and its slot: the item is tried twice, and the rest is done."""
    queue = open_queue()
    queue.put_many(["poison", "good", "better"])
    queue.close()
    script, deaths = tmp_path / "other.py", tmp_path / "deaths"
    script.write_text(OTHER)
    command = [*UNSHARE, sys.executable, str(script), str(deaths)]
    ended = subprocess.run(command, timeout=50, check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert len(deaths.read_text().split()) == 2
    queue.join()
    with JournalReader(journal_dir / "work.db") as reader:
        ((item, _),) = reader.parked()
    assert item.payload == b'"poison"'


SHOT = """
import multiprocessing, os, signal, sys
from persistq import PersistentQueue

def work(queue):
    queue.get()
    signal.pause()

if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    queue = PersistentQueue("work")
    for _ in range(3):
        context.Process(target=work, args=(queue,), daemon=True).start()
    signal.pause()
"""

SHELL = [*UNSHARE, "--kill-child", "sh", "-c", '"$@"; true', "sh"]


@needs_namespaces
def test_nothing_is_blamed_when_a_whole_container_is_killed(
    open_queue: Callable[..., Any], tmp_path: Path
) -> None:
    """The kernel ends all its processes at once, and the program's end may be heard of last."""
    queue = open_queue()
    queue.put_many(["a", "b", "c"])
    queue.flush()
    script = tmp_path / "shot.py"
    script.write_text(SHOT)
    container = subprocess.Popen([*SHELL, sys.executable, str(script)], stderr=subprocess.DEVNULL)
    try:
        wait_for_hands(queue, 3)
    finally:
        container.kill()
        container.wait(30)
    assert sorted(queue.get(timeout=30) for _ in range(3)) == ["a", "b", "c"]
    with JournalReader(Path(queue.journal)) as reader:
        (row,) = reader.view().queues
        failures = [reader.failures((row.queue_id << 40) | n) for n in (1, 2, 3)]
    assert failures == [[], [], []]


def wait_for_hands(queue: Any, count: int) -> None:
    """Wait until so many items are in somebody's hands."""
    while queue._sizes().in_flight < count:
        assert queue._sizes().in_flight <= count
