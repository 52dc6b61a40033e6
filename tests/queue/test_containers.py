"""Programs that see each other's processes by other numbers, or not at all, share a queue."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from persistq import PersistentQueue
from persistq.errors import JournalBusy
from persistq.journal.sqlite_reader import SqliteReader
from persistq.site.processes import VARIABLE

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


OPENER = """
import sys
from persistq import PersistentQueue

queue = PersistentQueue("work")
queue.put_many(["poison", "good", "better"])
queue.close()
print("open", flush=True)
sys.stdin.read()
queue.release()
"""


@needs_namespaces
def test_poison_is_parked_by_a_broker_that_does_not_see_the_processes(
    tmp_path: Path, journal_dir: Path
) -> None:
    """Blame hangs on the connection and its slot: the item is tried twice, and the rest is done."""
    deaths, opener, other = (tmp_path / name for name in ("deaths", "opener.py", "other.py"))
    opener.write_text(OPENER)
    other.write_text(OTHER)
    pipe = subprocess.PIPE
    # The broker is within, the processes that die are outside, where it sees none.
    with subprocess.Popen([*UNSHARE, sys.executable, opener], stdin=pipe, stdout=pipe) as opened:
        assert opened.stdout is not None
        assert opened.stdout.readline() == b"open\n"
        command = [sys.executable, str(other), str(deaths)]
        ended = subprocess.run(command, timeout=50, check=False, capture_output=True, text=True)
        opened.communicate()
    assert ended.returncode == 0, ended.stderr
    assert len(deaths.read_text().split()) == 2
    with SqliteReader(journal_dir / "work.db") as reader:
        ((item, _),) = reader.parked()
        assert reader.view().outstanding == 0
    assert item.payload == b'"poison"'


def test_hosts_that_are_told_apart_do_not_join_each_others_runs(
    tmp_path: Path, journal_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes second is told which process is at work, and where; on one host they share."""
    opener = tmp_path / "opener.py"
    opener.write_text(OPENER)
    environment, pipe = os.environ | {VARIABLE: "left"}, subprocess.PIPE
    with subprocess.Popen([sys.executable, opener], env=environment, stdin=pipe, stdout=pipe) as it:
        assert it.stdout is not None
        assert it.stdout.readline() == b"open\n"
        monkeypatch.setenv(VARIABLE, "right")
        with pytest.raises(JournalBusy, match=r"process \d+ on left is working on it"):
            PersistentQueue("work")
        monkeypatch.setenv(VARIABLE, "left")
        queue = PersistentQueue("work")
        assert queue.get() == "poison"
        queue.release()
        it.communicate()
