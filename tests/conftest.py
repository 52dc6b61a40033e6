"""What every test gets: a place for journals, and a guard against what it might leave behind."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing import forkserver, resource_tracker
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from portion import pytest_addoption, pytest_collection_modifyitems  # noqa: F401
from skips import pytest_make_collect_report, pytest_runtest_makereport  # noqa: F401

from persistq import PersistentQueue
from persistq.errors import PersistqError
from persistq.testing import check_journal

COOKIE = "PERSISTQ_TEST_COOKIE"
GONE_WITHIN_S = 15.0
SHARED_MEMORY = Path("/dev/shm")
SCRIPT_S = 50.0

# Hypothesis repeats the same examples where CI is set; new ones find more, whoever runs them.
hypothesis.settings.load_profile("default")

# Where it counts only that a test fails, nobody reads the smallest example of how; and it has to
# fail each time, not by luck.
hypothesis.settings.register_profile(
    "any-failure",
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    database=None,
    derandomize=True,
)

Opener = Callable[..., PersistentQueue[Any]]
Runner = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session", autouse=True)
def heard_signals() -> None:
    """Let programs under test hear signals, also when a shell or nohup has had them ignored."""
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, default)


@pytest.fixture(scope="session", autouse=True)
def own_temporary_directory() -> Iterator[None]:
    """Give this process a directory for temporary files that no test beside it uses.

    The register of journals is in there too: that of whoever runs the tests is none of theirs.
    """
    # Short, and not within pytest's: a socket's whole path has about a hundred characters.
    directory = tempfile.mkdtemp(prefix="pq-")
    # After multiprocessing has removed its own, which is in there: a fixture's end is too early.
    Finalize(None, shutil.rmtree, (directory, True), exitpriority=-101)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", directory)
        patch.setenv("XDG_STATE_HOME", f"{directory}/state")
        patch.setattr(tempfile, "tempdir", directory)
        yield


@pytest.fixture(scope="session", autouse=True)
def servants(heard_signals: None, own_temporary_directory: None) -> set[int]:
    """Processes that multiprocessing starts when needed, and keeps; here before any test."""
    resource_tracker.ensure_running()
    server = forkserver._forkserver
    server.ensure_running()
    return {resource_tracker._resource_tracker._pid, server._forkserver_pid}


@pytest.fixture(autouse=True)
def own_register(own_temporary_directory: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the register of journals apart from that of other tests."""
    state = Path(tempfile.gettempdir(), f"state-{secrets.token_hex(4)}")
    monkeypatch.setenv("XDG_STATE_HOME", str(state))


@pytest.fixture(autouse=True)
def nothing_left(monkeypatch: pytest.MonkeyPatch, servants: set[int]) -> Iterator[None]:
    """After the test none of its processes, shared memory and sockets is left."""
    cookie = f"{COOKIE}={secrets.token_hex(8)}"
    monkeypatch.setenv(*cookie.split("="))
    before = set(_files())
    yield
    deadline = time.monotonic() + GONE_WITHIN_S
    # Looked at once a round: a program beside this one may make a file at any instant, before it
    # has it mapped.
    while (left := _processes(cookie, servants)) or (new := _new_files(before)):
        if time.monotonic() > deadline:
            break
        time.sleep(0.01)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert left == {}
    assert new == set()


def _new_files(before: set[Path]) -> set[Path]:
    """Return what has come since, and is not in use by another run beside this one."""
    new = set(_files()) - before
    return new - _used_by_others(new) if new else new


def _files() -> Iterator[Path]:
    """Yield what a process may leave in places that are not the test's own."""
    with suppress(FileNotFoundError):
        # A PostgreSQL that a test beside this one starts or ends sees to its own.
        yield from (
            path for path in SHARED_MEMORY.iterdir() if not path.name.startswith("PostgreSQL.")
        )
    yield from Path(tempfile.gettempdir()).glob("persistq-*")


def _used_by_others(files: set[Path]) -> set[Path]:
    """Return the shared memory that a process has mapped which is none of ours.

    Nothing says who has made such a file. But whoever uses it has it mapped, and a file that was
    left behind is mapped by nobody.
    """
    used, parents = set(), _parents()
    for pid in parents:
        if os.getpid() not in (pid, *_ancestors(pid, parents)):
            with suppress(OSError):
                maps = Path(f"/proc/{pid}/maps").read_text(errors="replace")
                used |= {path for path in files if f" {path}\n" in maps}
    return used


def _processes(cookie: str, servants: set[int]) -> dict[int, str]:
    """Return the live processes that carry the cookie, or descend from this one."""
    parents, carriers = _parents(), []
    for pid in parents:
        with suppress(OSError):
            if cookie.encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                carriers.append(pid)
    left = {pid for pid in parents if os.getpid() in _ancestors(pid, parents)} | set(carriers)
    return {pid: _command(pid) for pid in left - servants - {os.getpid()}}


def _parents() -> dict[int, int]:
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            text = (entry / "stat").read_text(errors="replace")
            state, parent, *_ = text.rpartition(")")[2].split()
            if state != "Z":
                parents[int(entry.name)] = int(parent)
    return parents


def _ancestors(pid: int, parents: dict[int, int]) -> Iterator[int]:
    while (pid := parents.get(pid, 0)) > 0:
        yield pid


def _command(pid: int) -> str:
    with suppress(OSError):
        return (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    return "?"


@pytest.fixture
def journal_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where journals are made; every journal in it must be sound when the test is over."""
    directory = tmp_path / ".persistq"
    monkeypatch.setenv("PERSISTQ_JOURNAL", str(directory))
    monkeypatch.chdir(tmp_path)
    yield directory
    problems = {path.name: check_journal(path) for path in directory.glob("*.db")}
    assert not any(problems.values()), problems


@pytest.fixture
def open_queue(journal_dir: Path) -> Iterator[Opener]:
    """Open a queue, which is released at the end of the test."""
    opened: list[PersistentQueue[Any]] = []

    def open_one(name: str = "work", *args: Any, **options: Any) -> PersistentQueue[Any]:
        opened.append(PersistentQueue(name, *args, **options))
        return opened[-1]

    yield open_one
    for queue in reversed(opened):
        # What a test has broken on purpose it has looked at itself.
        with suppress(PersistqError):
            queue.release()


@pytest.fixture
def run_script(tmp_path: Path, journal_dir: Path) -> Runner:
    """Run a program text in a process and process group of its own."""

    def run(text: str, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        script = tmp_path / "script.py"
        script.write_text(text, encoding="utf-8")
        return subprocess.run(
            [sys.executable, str(script), *args],
            cwd=tmp_path,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=SCRIPT_S,
            check=False,
            start_new_session=True,
        )

    return run
