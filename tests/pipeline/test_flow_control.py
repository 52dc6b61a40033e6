"""A source waits while its queue is full, a stage while what it feeds is, and it is said."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from .conftest import MakeProgram
from .program import Program, until

SLOW = """
    pipeline = Pipeline("demo", workers=1)

    @pipeline.source(max_outstanding=20)
    def numbers():
        for number in range(200):
            note("yield")
            yield number

    @pipeline.stage
    def work(number):
        await_file("go")
        note("done", number)

    if __name__ == "__main__":
        pipeline.run()
"""

WAITS = "its source waits: max_outstanding"


def status(script: Program) -> dict[str, object]:
    """Return the stages of the load as a command shows them."""
    command = [sys.executable, "-m", "persistq", "status", "demo", "--json"]
    journal = ["--journal", str(script.home / "journal")]
    said = subprocess.run([*command, *journal], capture_output=True, text=True, check=False)
    return (
        {stage["stage"]: stage for stage in json.loads(said.stdout)["stages"]}
        if (said.returncode == 0)
        else {}
    )


def waits(script: Program, stage: str) -> object:
    """Return why a stage waits, as `persistq status` says it."""
    found = status(script).get(stage)
    return found["waits"] if isinstance(found, dict) else None


def test_a_source_waits_while_so_many_of_its_items_are_outstanding(
    program: MakeProgram, start_method: str
) -> None:
    """`status` and the progress line say so; it yields one item more, which waits with it."""
    script = program(SLOW)
    process = script.start(
        env={
            "PERSISTQ_START_METHOD": start_method,
            "PERSISTQ_PROGRESS": "plain",
            "PERSISTQ_PROGRESS_PLAIN_INTERVAL": "0.05",
        }
    )
    until(lambda: waits(script, "work") == WAITS)
    until(lambda: script.counts["yield"] == 21)
    assert script.rows("SELECT next_n - 1 FROM queue") == [20]
    until(lambda: f"work 0/20+ ({WAITS})" in script.said(process))
    script.touch("go")
    ended = script.wait(process)
    assert ended.code == 0, ended.err
    assert waits(script, "work") is None
    assert script.counts["yield"] == 200
    assert len({line for line in script.notes if line.startswith("done")}) == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_source_that_waits_at_once(
    program: MakeProgram, number: signal.Signals
) -> None:
    """It has nothing in hand."""
    script = program(SLOW.replace('await_file("go")', "time.sleep(0.5)"))
    process = script.start()
    until(lambda: waits(script, "work") == WAITS)
    began = time.monotonic()
    process.send_signal(number)
    assert script.wait(process).code == 128 + number
    assert time.monotonic() - began < 5


def test_a_load_that_fails_does_not_wait_for_a_source_that_waits(program: MakeProgram) -> None:
    """It would wait for ever, or for the grace that items in hand have."""
    script = program(
        SLOW.replace('await_file("go")', "raise ValueError").replace(
            "@pipeline.stage\n", '@pipeline.stage(on_error="stop")\n'
        )
    )
    began = time.monotonic()
    ended = script.run()
    assert ended.code == 3, ended.err
    assert time.monotonic() - began < 15


CHAIN = """
    pipeline = Pipeline("demo", workers=2)

    @pipeline.source
    def numbers():
        yield from range(30)

    @pipeline.stage
    def split(number):
        yield number
        yield number + 1000

    @pipeline.stage(workers=1)
    def store(number):
        await_file("go")
        note("stored", number)

    if __name__ == "__main__":
        pipeline.run()
"""


def test_a_stage_waits_while_the_next_one_is_full(program: MakeProgram) -> None:
    """What is made of the items in hand goes on; nothing is lost, nothing done twice."""
    script = program(CHAIN)
    process = script.start(env={"PERSISTQ_MAX_OUTSTANDING": "4"})
    until(lambda: waits(script, "store") == "what feeds it waits: max_outstanding")
    until(lambda: waits(script, "split") == WAITS)
    put = script.rows("SELECT next_n - 1 FROM queue ORDER BY position")
    assert put[1] <= 4 + 4
    script.touch("go")
    ended = script.wait(process)
    assert ended.code == 0, ended.err
    assert len(script.counts) == len(script.notes) == 60


def test_bytes_fill_a_queue_as_well(program: MakeProgram) -> None:
    """The limit is passed by one item at most."""
    script = program(
        SLOW.replace("max_outstanding=20", "max_outstanding_bytes=50_000").replace(
            "yield number", 'yield "x" * 10_000'
        )
    )
    process = script.start()
    until(lambda: waits(script, "work") == "its source waits: max_outstanding_bytes")
    assert 50_000 - 10_000 < script.rows("SELECT bytes FROM queue")[0] <= 60_020
    script.touch("go")
    assert script.wait(process).code == 0


def test_a_source_waits_for_the_disk(program: MakeProgram) -> None:
    """From its first item on; what ends it meanwhile is a signal."""
    script = program(SLOW)
    process = script.start(env={"PERSISTQ_MIN_FREE_DISK": str(100 * 1000**4)})
    until(lambda: waits(script, "work") == "its source waits: min_free_disk")
    process.send_signal(signal.SIGTERM)
    assert script.wait(process).code == 143
    assert script.rows("SELECT sum(next_n - 1) FROM queue") == [0]
    script.touch("go")
    assert script.run().code == 0


def test_a_load_that_has_reached_its_limit_is_carried_on(program: MakeProgram) -> None:
    """What the source repeats is absorbed, although there is no room for more."""
    script = program(SLOW)
    process = script.start()
    until(lambda: waits(script, "work") == WAITS)
    process.kill()
    script.wait(process)
    script.touch("go")
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.rows("SELECT next_n - 1, done FROM queue") == [(200, 200)]


def test_an_inline_run_waits_for_nobody(program: MakeProgram) -> None:
    """There, who would make room is who waits; not even for a retry that is due later."""
    script = program("""
        pipeline = Pipeline("demo", workers=0)

        @pipeline.source(max_outstanding=1)
        def numbers():
            yield from range(5)

        @pipeline.stage
        def first(number):
            return number

        @pipeline.stage(retries=1)
        def second(number, item):
            if number == 0 and item.attempt == 1:
                raise Retry(delay=0.5)
            note("done", number)

        if __name__ == "__main__":
            pipeline.run()
    """)
    ended = script.run(PERSISTQ_MAX_OUTSTANDING="1")
    assert ended.code == 0, ended.err
    assert len(script.counts) == 5


def test_a_wrong_limit_is_refused_in_one_sentence(program: MakeProgram) -> None:
    """Before anything is opened."""
    script = program(SLOW.replace("max_outstanding=20", "max_outstanding=0"))
    ended = script.run()
    assert ended.code == 2
    assert "source 'numbers': max_outstanding=0 is refused: it should be a whole" in ended.err
    assert "Traceback" not in ended.err
