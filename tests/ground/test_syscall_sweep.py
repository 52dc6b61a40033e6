"""A broker killed, or refused by the system, at its n-th system call, for every n.

A small load is run with its broker under strace, which kills it or lets the call fail. Then it is
run undisturbed to its end. This is repeated with the next call, until a load is done before the
fault comes. In the normal run n moves in strides; PERSISTQ_TEST_FULL=1 takes every one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from persistq import PersistentQueue, PersistqError
from persistq.client import starting
from persistq.journal.sqlite_reader import SqliteReader
from persistq.testing import check_journal

from .interpreter import OtherPython
from .tracing import NEEDS_STRACE, Injection

FULL_SWEEP = os.environ.get("PERSISTQ_TEST_FULL") == "1"

ITEMS = 6
TRIES_MAX = 500

CALLS = {
    "pwrite64": ("load.db", "load.db-wal"),
    "fdatasync": ("load.db", "load.db-wal"),
    "ftruncate": ("load.db", "load.db-wal", "load.db-shm", "load.lock"),
    "unlink": ("load.db-wal", "load.db-shm"),
    "openat": ("load.db", "load.db-wal", "load.db-shm", "load.lock", "load.workers"),
    "rename": (),
}

STRIDES = {"pwrite64": 13, "fdatasync": 5, "openat": 4, "unlink": 1, "ftruncate": 3, "rename": 1}


class Trial:
    """One small load, with all that is known about it from outside.

    Args:
        home: Where its journal is.
    """

    def __init__(self, home: Path) -> None:
        self.journals = home / "journals"
        self.acknowledged: set[int] = set()
        self.effects: list[int] = []

    def run(self) -> None:
        """Run the load to its end."""
        queue: PersistentQueue[int] = PersistentQueue("load", journal=self.journals)
        try:
            for number in range(ITEMS):
                queue.put(number)
                queue.flush()
                self.acknowledged.add(number)
            queue.close()
            for number in queue:
                self.effects.append(number)
                queue.task_done()
                queue.flush()
        finally:
            queue.release()

    def goes_wrong(self) -> bool:
        """Run the load, and return whether something has stopped it."""
        try:
            self.run()
        except PersistqError:
            return True
        return False

    def recorded(self) -> int:
        """Return how many items are in the put-log; the next run would put lost ones again."""
        file = self.journals / "load.db"
        if not file.exists():
            return 0
        with SqliteReader(file) as reader:
            return sum(row.put for row in reader.view().queues)

    def must_be_sound(self) -> None:
        """Nothing is lost, nothing is recorded that was not, and the journal agrees with itself."""
        file = self.journals / "load.db"
        if file.exists():
            assert check_journal(file) == []
        assert self.recorded() >= len(self.acknowledged)
        self.run()
        assert set(self.effects) == set(range(ITEMS))
        assert check_journal(file) == []


def starts(call: str, fault: str) -> Iterator[int]:
    """Yield the numbers of the calls at which a fault is to come."""
    # An error is the same program path wherever it comes, so it is tried at fewer places.
    stride = 1 if FULL_SWEEP else STRIDES[call] * (2 if "error" in fault else 1)
    return iter(count(1, stride))


def sweep(call: str, fault: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Move the fault on until it comes too late; return how often it came in time."""
    for tried, number in enumerate(starts(call, fault)):
        assert tried < TRIES_MAX, "the faults never end"
        place = home / f"{call}-{number}"
        place.mkdir()
        trial = Trial(place)
        paths = [trial.journals / name for name in CALLS[call]]
        faulty = Injection(call, f"{fault}:when={number}", paths)
        with monkeypatch.context() as patch:
            patch.setattr(starting, "sys", OtherPython(str(faulty.wrapper(place))))
            stopped = trial.goes_wrong()
        if not stopped and not _came(place):
            return tried
        trial.must_be_sound()
    raise AssertionError


def _came(place: Path) -> bool:
    """Return whether the fault came although the load was not stopped by it."""
    report = place / "report"
    text = report.read_text() if report.exists() else ""
    return "INJECTED" in text or "killed by SIGKILL" in text


@NEEDS_STRACE
@pytest.mark.timeout(300 if FULL_SWEEP else 60)
@pytest.mark.parametrize("call", CALLS)
def test_a_broker_killed_at_any_system_call_loses_nothing(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the call takes effect, at each of them in turn."""
    assert sweep(call, "signal=SIGKILL", tmp_path, monkeypatch) > 0


@NEEDS_STRACE
@pytest.mark.timeout(300 if FULL_SWEEP else 60)
@pytest.mark.parametrize(
    ("call", "error"), [("pwrite64", "ENOSPC"), ("pwrite64", "EIO"), ("fdatasync", "EIO")]
)
def test_a_system_call_that_fails_loses_nothing(
    call: str, error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full, or broken, at one call, and works again at the next."""
    assert sweep(call, f"error={error}", tmp_path, monkeypatch) > 0
