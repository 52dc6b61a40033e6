"""Connections that say nothing, brokers that say nothing: nobody waits without limit."""

from __future__ import annotations

import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rawclient import connected, handle_of, introduced, proven

from persistq import PersistentQueue
from persistq.broker import arrivals
from persistq.client.connection import Connection
from persistq.errors import BrokerSilent
from persistq.wire.handshake import ClientSide
from persistq.wire.messages import Role

Opener = Callable[..., PersistentQueue[Any]]

CROWD = 1_100
SOON_S = 6.0
"""Less than a connection has to introduce itself, more than a busy machine needs."""


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process, and no broker that is open already, have many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < CROWD + 200:
        pytest.skip("this user may not have so many open files")
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def broker_of(queue: PersistentQueue[Any]) -> int:
    """Return the process id of the broker that this process has started."""
    return int(queue._presence._leaving.run.broker.pid)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Have a process stopped for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def works(queue: PersistentQueue[Any]) -> bool:
    """Return whether an item goes through a queue."""
    queue.put("work")
    got = queue.get(timeout=30)
    queue.task_done()
    return bool(got == "work")


@pytest.mark.parametrize("step", ["silent", "greeted", "proven"])
def test_silent_connection_does_not_hold_a_load_up(open_queue: Opener, step: str) -> None:
    """However far it has come: the broker ends soon after its last client, and says farewell."""
    queue = open_queue()
    assert works(queue)
    client = proven(queue) if step == "proven" else connected(queue)
    with client:
        if step == "greeted":
            client.sendall(ClientSide(handle_of(queue).token).greeting)
        leaving = queue._presence._leaving
        broker = leaving.run.broker
        started = time.monotonic()
        queue.release()
        assert leaving.others == 0
        assert broker.wait(SOON_S) == 0
        assert time.monotonic() - started < SOON_S


def test_silent_connection_is_closed_after_a_while(
    open_queue: Opener,
) -> None:
    """And costs nothing from then on."""
    queue = open_queue()
    with connected(queue) as client:
        client.settimeout(arrivals.DEADLINE_S + 20)
        started = time.monotonic()
        assert client.recv(1) == b""
        assert time.monotonic() - started > arrivals.DEADLINE_S / 2
    assert works(queue)


def test_crowd_of_idle_connections_does_not_end_the_broker(
    open_queue: Opener, many_files: None
) -> None:
    """It has fewer files than there are connections; work goes on, and new clients get in."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1024), hard))
    queue = open_queue()
    resource.setrlimit(resource.RLIMIT_NOFILE, (CROWD + 200, hard))
    crowd: list[socket.socket] = []
    try:
        for number in range(CROWD):
            crowd.append(connected(queue))
            if number % 100 == 0:
                assert works(queue)
        introduced(queue, Role.CONTROL).close()
        assert works(queue)
    finally:
        for client in crowd:
            client.close()
    assert works(queue)


FEW_FILES = """
import resource, socket, sys, time
from contextlib import suppress
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from rawclient import connected, introduced
from persistq import PersistentQueue
from persistq.wire.messages import Role

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (40, hard))
queue = PersistentQueue("work")
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 1024), hard))
queue.put(1)
queue.flush()
crowd = [connected(queue) for _ in range(100)]
queue.put(2)
queue.flush()
introduced(queue, Role.CONTROL).close()
queue.put(3)
queue.flush()
print(queue.qsize())
"""


def test_broker_without_a_free_descriptor_goes_on(run_script: Any) -> None:
    """Who cannot be let in is let in later; the broker neither ends nor spins."""
    done = run_script(FEW_FILES, str(Path(__file__).parent))
    assert done.stdout == "3\n", done.stderr


def test_crowd_does_not_make_the_broker_spin(open_queue: Opener, many_files: None) -> None:
    """Waiting for room takes no processor time."""
    queue = open_queue()
    assert works(queue)
    crowd = [connected(queue) for _ in range(arrivals.ARRIVALS_MAX + 20)]
    try:
        assert works(queue)
        before = processor_time(broker_of(queue))
        # The last one waits to be let in, or idles.
        crowd[-1].settimeout(2)
        with pytest.raises(TimeoutError):
            crowd[-1].recv(1)
        assert processor_time(broker_of(queue)) - before < 0.5
    finally:
        for client in crowd:
            client.close()


def processor_time(pid: int) -> float:
    """Return the seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# --- brokers that are stopped ---

START = """
import sys
from persistq import PersistentQueue
from persistq.errors import PersistqError
try:
    PersistentQueue("work")
except PersistqError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def test_stopped_broker_does_not_hang_a_new_start(open_queue: Opener, run_script: Any) -> None:
    """The start ends within its time with one sentence: which process, and what to do."""
    queue = open_queue()
    pid = broker_of(queue)
    with stopped(pid):
        done = run_script(START, PERSISTQ_BROKER_TIMEOUT="0.5")
    assert done.returncode == 4
    assert f"its broker, process {pid}, has not answered within 0.5 s" in done.stdout
    assert f"kill -CONT {pid}" in done.stdout
    assert done.stderr == ""
    assert works(queue)


def test_stopped_broker_does_not_hang_a_new_connection(open_queue: Opener) -> None:
    """Neither of a child nor of this process."""
    queue = open_queue()
    with stopped(broker_of(queue)), pytest.raises(BrokerSilent, match=r"within 0\.3 s"):
        Connection.dial(handle_of(queue), Role.CONTROL, timeout=0.3)
    assert works(queue)


def test_patience_of_children_is_the_settings(
    open_queue: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It travels with the queue."""
    monkeypatch.setenv("PERSISTQ_BROKER_TIMEOUT", "7")
    assert handle_of(open_queue()).patience == 7.0


@pytest.mark.parametrize(
    "point", ["broker.before_fence_clear", "broker.before_publish", "broker.after_listen"]
)
def test_broker_that_does_not_come_up_is_not_waited_for(run_script: Any, point: str) -> None:
    """It is ended, and the next start begins in peace."""
    done = run_script(
        START,
        PERSISTQ_BROKER_TIMEOUT="0.5",
        PERSISTQ_FENCE_TIMEOUT="0.5",
        PERSISTQ_FAILPOINT=f"{point}:stop",
    )
    assert (done.returncode, done.stderr) == (3, "")
    assert "it has not come up within 1 s" in done.stdout
    again = run_script(START)
    assert (again.returncode, again.stdout) == (0, ""), again.stderr


STOPPED_AT_ONCE = """
import os, signal, subprocess, sys
from persistq import PersistentQueue
from persistq.client import starting
from persistq.errors import PersistqError

popen = subprocess.Popen
def stopped_at_once(*args, **options):
    broker = popen(*args, **options)
    os.kill(broker.pid, signal.SIGSTOP)
    os.waitpid(broker.pid, os.WUNTRACED)
    return broker

starting.subprocess.Popen = stopped_at_once
try:
    PersistentQueue("work")
except PersistqError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def test_broker_that_does_not_even_read_is_not_waited_for(run_script: Any) -> None:
    """What it is told may be more than a pipe holds."""
    limits = {"PERSISTQ_BROKER_TIMEOUT": "0.5", "PERSISTQ_FENCE_TIMEOUT": "0.5"}
    done = run_script(STOPPED_AT_ONCE, *["x" * 1_000] * 500, **limits)
    assert (done.returncode, done.stderr) == (3, "")
    assert "it does not read what it is to open" in done.stdout


def test_lock_file_that_is_taken_away_at_start_is_not_waited_for(run_script: Any) -> None:
    """The starter does not find where its broker listens."""
    blind = "from persistq.site.files import FileSite\nFileSite.holder = lambda site: None\n"
    done = run_script(blind + START, PERSISTQ_BROKER_TIMEOUT="0.5", PERSISTQ_FENCE_TIMEOUT="0.5")
    assert (done.returncode, done.stderr) == (3, "")
    assert "it has not come up" in done.stdout
