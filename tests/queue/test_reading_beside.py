"""Readers of a journal in a process that works on it as well."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from persistq.journal.sqlite_reader import SqliteReader
from persistq.site import descriptors

Opener = Callable[..., Any]

PUT = """
import sys

from persistq import PersistentQueue

queue = PersistentQueue("work")
queue.put_many(range(5))
queue.flush()
print("flushed", flush=True)
sys.stdin.read()
"""


def test_a_reader_goes_on_when_a_consumer_of_its_process_has_left(open_queue: Opener) -> None:
    """The next run has another log, which is found."""
    queue = open_queue()
    queue.put("first")
    with closing(SqliteReader(Path(queue.journal))) as reader:
        assert queue.get(timeout=30) == "first"
        queue.task_done()
        queue.dispose()
        queue.release()
        with subprocess.Popen(
            [sys.executable, "-c", PUT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "flushed\n"
            assert sum(row.put for row in reader.queues()) == 6
            process.communicate(timeout=30)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file."""
    file = tmp_path / "file"
    file.touch()
    return file


def is_open(file: int) -> bool:
    """Return whether a descriptor is one."""
    try:
        os.fstat(file)
    except OSError:
        return False
    return True


def test_a_descriptor_is_closed_when_the_last_reader_is(path: Path) -> None:
    """And at once where nobody reads."""
    first, second = (descriptors.begin_reading(path) for _ in range(2))
    file = os.open(path, os.O_RDONLY)
    assert not descriptors.close(file)
    descriptors.end_reading(first)
    assert is_open(file)
    descriptors.end_reading(second)
    assert not is_open(file)
    assert descriptors.close(os.open(path, os.O_RDONLY))


def test_a_forked_child_knows_of_no_reader(path: Path) -> None:
    """It has none of the locks of its parent; what that has open it may end as well."""
    identity = descriptors.begin_reading(path)
    if not (child := os.fork()):
        file = os.open(path, os.O_RDONLY)
        closed = descriptors.close(file)
        descriptors.end_reading(identity)
        os._exit(0 if closed and not is_open(file) else 1)
    assert os.waitpid(child, 0)[1] == 0
    descriptors.end_reading(identity)
