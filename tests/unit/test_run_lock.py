"""One live broker for a journal, by a lock that ends with its process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from persistq.site.runlock import Holder, RunLock, holder_of, is_held, lock_path

FORK = multiprocessing.get_context("fork")
HOLDER = Holder(4711, "host", "queue", "work.broker", "token", time.time())


def keep(pipe: Connection, path: Path) -> None:
    """Be a broker that holds the lock."""
    lock = RunLock(path)
    pipe.send(lock.acquire())
    lock.publish(HOLDER)
    pipe.send("published")
    pipe.recv()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the lock of a journal is."""
    return lock_path(str(tmp_path / "sales.2024.db"))


@pytest.fixture
def keeper(path: Path) -> Iterator[BaseProcess]:
    """A process that holds the lock."""
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=keep, args=(theirs, path))
    process.start()
    theirs.close()
    assert ours.poll(30)
    assert ours.recv() is True
    assert ours.poll(30)
    assert ours.recv() == "published"
    yield process
    process.kill()
    process.join()
    ours.close()


def test_lock_lies_beside_its_journal(path: Path) -> None:
    """A name with dots keeps them."""
    assert path.name == "sales.2024.lock"


def test_lock_of_nobody_is_free(path: Path) -> None:
    """A missing file, and an empty one, are held by nobody."""
    assert not is_held(path)
    assert holder_of(path) is None
    path.touch()
    assert not is_held(path)
    assert holder_of(path) is None
    assert RunLock(path).acquire()


@pytest.mark.usefixtures("keeper")
def test_second_broker_is_refused(path: Path) -> None:
    """It reads who holds the lock, and leaves that text alone."""
    assert is_held(path)
    assert not RunLock(path).acquire()
    assert holder_of(path) == HOLDER


def test_lock_of_a_killed_broker_is_free(path: Path, keeper: BaseProcess) -> None:
    """What the dead had published does not count, and nothing has to be deleted."""
    os.kill(keeper.pid or 0, signal.SIGKILL)
    keeper.join()
    assert not is_held(path)
    assert holder_of(path) == HOLDER
    lock = RunLock(path)
    assert lock.acquire()
    assert holder_of(path) is not None, "what the dead one has left is still to be found"
    lock.withdraw()
    assert holder_of(path) is None


def test_withdrawn_address_is_not_published(path: Path) -> None:
    """A broker that is ending still holds the lock, and listens no more."""
    lock = RunLock(path)
    assert lock.acquire()
    lock.publish(HOLDER)
    lock.withdraw()
    assert holder_of(path) is None
    assert is_held(path)


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "{}", '{"pid": 1}', '{"other": 1}'])
def test_damaged_text_names_nobody(path: Path, text: str) -> None:
    """Half a line, or a line of another program, is nobody's address."""
    path.write_text(text)
    assert holder_of(path) is None
