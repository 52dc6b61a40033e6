"""The plug is pulled: whatever was not synced is gone.

A file system in an image is shut down with ``FS_IOC_SHUTDOWN`` and no flush of its log, while a
load runs on it. What was acknowledged before, by evidence on another file system, must be there.
"""

from __future__ import annotations

import fcntl
import os
import random
import secrets
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

from persistq import PersistentQueue
from persistq.journal.sqlite_reader import SqliteReader
from persistq.testing import check_journal

from .mounts import NEEDS_LOOP, Mount
from .tracing import patched

PROGRAM = Path(__file__).with_name("acknowledging.py")
FS_IOC_SHUTDOWN = 0x8004587D
WITHOUT_FLUSH = 2
CUTS = 4
ITEMS = 100_000
WAIT_S = 20.0


def shut_down(disk: Mount) -> None:
    """Pull the plug of a file system."""
    place = os.open(disk.place, os.O_RDONLY)
    try:
        fcntl.ioctl(place, FS_IOC_SHUTDOWN, struct.pack("I", WITHOUT_FLUSH))
    finally:
        os.close(place)


class Load:
    """A program that puts, works and writes down what it was promised.

    Args:
        home: Where its evidence is.
        journals: Where its journal is.
    """

    def __init__(self, home: Path, journals: Path, **environment: str) -> None:
        self.home = home
        self.journals = journals
        self.promised: set[int] = set()
        self._environment = environment

    def start(self) -> subprocess.Popen[bytes]:
        """Start it in a process group of its own."""
        with (self.home / "stderr").open("ab") as errors:
            return subprocess.Popen(
                [sys.executable, str(PROGRAM), str(self.home)],
                env={
                    **os.environ,
                    "PERSISTQ_JOURNAL": str(self.journals),
                    "ITEMS": str(ITEMS),
                    **self._environment,
                },
                stderr=errors,
                start_new_session=True,
            )

    def noted(self, what: str) -> set[int]:
        """Return the numbers that were written down, without a last line that is not whole."""
        path = self.home / what
        text = path.read_text() if path.exists() else ""
        return {int(line) for line in text[: text.rfind("\n") + 1].split()}

    def runs_until_cut(self, disk: Mount, at_least: int) -> None:
        """Run it until so many more items are acknowledged, and pull the plug.

        What is acknowledged after the plug was pulled counts for nothing: there, nobody would be
        left to hear it. (The kernel can let a sync succeed that was going on at that moment.)
        """
        goal = len(self.promised) + at_least
        program = self.start()
        try:
            deadline = time.monotonic() + WAIT_S
            while len(self.promised) < goal:
                self.promised |= self.noted("acknowledged")
                assert program.poll() is None, (self.home / "stderr").read_text()
                assert time.monotonic() < deadline, "the load makes no progress"
                time.sleep(0.001)
            self.promised |= self.noted("acknowledged")
            shut_down(disk)
        finally:
            os.killpg(program.pid, signal.SIGKILL)
            program.wait()
        (self.home / "acknowledged").unlink()
        disk.detach()
        disk.attach()

    def lost(self) -> set[int]:
        """Return what was acknowledged in time and is not in the journal."""
        file = self.journals / "load.db"
        return self.promised - (put(file) if file.exists() else set())


def put(file: Path) -> set[int]:
    """Return the numbers in the put-log, which counts them without gaps from 0."""
    assert check_journal(file) == []
    with SqliteReader(file) as reader:
        queues = reader.view().queues
    return set(range(queues[0].put)) if queues else set()


@NEEDS_LOOP
def test_what_was_acknowledged_survives_a_power_cut(real_disk: Mount, tmp_path: Path) -> None:
    """At random instants; the load is carried on after each of them."""
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    instants = random.Random(seed)
    load = Load(tmp_path, real_disk.place / "journals")
    for _ in range(CUTS):
        load.runs_until_cut(real_disk, instants.randrange(1, 120))
        assert load.lost() == set()
    file = load.journals / "load.db"
    with SqliteReader(file) as reader:
        (row,) = reader.view().queues
    # What is recorded as done was worked on; what was worked on may have to be done again.
    assert row.done <= len(load.noted("worked"))
    assert row.outstanding == row.put - row.done
    survivors = put(file)
    queue: PersistentQueue[int] = PersistentQueue("load", journal=load.journals)
    assert {*queue.outstanding()} | load.noted("worked") == survivors
    queue.release()


@NEEDS_LOOP
def test_puts_that_are_not_synced_would_be_lost(real_disk: Mount, tmp_path: Path) -> None:
    """The test above can fail: a broker that does not sync its puts loses them."""
    change = (
        "from persistq.broker.intake import Intake\n"
        "put = Intake.put\n"
        "Intake.put = lambda *args, synced, **named: put(*args, synced=False, **named)"
    )
    careless = patched(tmp_path, change) | {"PERSISTQ_FLUSH_INTERVAL": "60"}
    load = Load(tmp_path, real_disk.place / "journals", **careless)
    load.runs_until_cut(real_disk, 100)
    assert load.lost()
