"""A broker that has nothing to do costs nothing, and what waits on disk is not in its memory."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from .conftest import MakeProgram
from .program import kill, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measured through /proc")

SPAN_S = 1.0
BUSY_MAX = 0.1
"""A broker that sleeps uses a hundredth; one that spins, most of a processor."""


def processor_time(pid: int) -> float:
    """Return how long a process has been running, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def busy(pid: int) -> float:
    """Return which part of a processor a process uses, over a while."""
    began, used = time.monotonic(), processor_time(pid)
    until(lambda: time.monotonic() >= began + SPAN_S)
    return (processor_time(pid) - used) / (time.monotonic() - began)


def peak_memory(pid: int) -> int:
    """Return the most memory that a process has had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


HOLDS = """
    pipeline = Pipeline("demo", workers=2)
    pipeline.source(lambda: range(2))

    @pipeline.stage(retries=5)
    def work(number, item):
        note("begin", number)
        if number == 1:
            await_file("go")
        else:
            note("retry")
            raise Retry(delay={delay})

    pipeline.run()
"""


def test_a_retry_that_is_due_does_not_keep_a_halted_broker_busy(program: MakeProgram) -> None:
    """While items in hand are finished after Ctrl-C, nothing else is due."""
    script = program(HOLDS.format(delay=0.5))
    process = script.start(env={"PERSISTQ_WINDOW_TIME": "0"})
    script.await_note("begin 1")
    script.await_note("retry")
    broker = script.broker()
    kill(process.pid, signal.SIGTERM)
    until(lambda: "finishing the items in flight" in script.said(process))
    assert busy(broker) < BUSY_MAX
    script.touch("go")
    assert script.wait(process).code == 143


def test_a_broker_with_a_waiting_retry_sleeps(program: MakeProgram) -> None:
    """It wakes when the retry is due, and not before."""
    script = program(HOLDS.format(delay=3600))
    process = script.start(env={"PERSISTQ_WINDOW_TIME": "0"})
    script.await_note("begin 1")
    script.await_note("retry")
    assert busy(script.broker()) < BUSY_MAX
    script.touch("go")
    kill(process.pid, signal.SIGTERM)
    assert script.wait(process).code == 143


def test_waiting_retries_take_no_memory_for_their_payloads(program: MakeProgram) -> None:
    """They are left on disk until they are due, and then read a few at a time."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=2)
        pipeline.source(lambda: (bytes(20_000) for _ in range(4_000)))

        @pipeline.stage(retries=1)
        def work(payload, item):
            if item.attempt == 1:
                note("failed")
                raise Retry(delay=0 if (HERE / "go").exists() else 6)

        pipeline.run()
        """
    )
    process = script.start(env={"PERSISTQ_READY_BYTES_MAX": "1000000"})
    script.await_note("failed", 20)
    broker = script.broker()
    before = peak_memory(broker)
    script.await_note("failed", 4_000)
    assert peak_memory(broker) < before + 30_000_000
    ended = script.wait(process)
    assert ended.code == 0, ended.err
    assert script.queues() == [(4_000, 4_000, 0, 0)]
