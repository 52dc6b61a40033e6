"""`workers=0`: the same results in one process."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from persistq import Drop, Pipeline, Retry

from .conftest import MakeProgram
from .program import kill, until

TEXT = """
    pipeline = Pipeline("demo")

    @pipeline.source
    def numbers():
        yield from range(60)

    @pipeline.stage(retries=1, backoff=0.01)
    def split(number, item):
        if number % 10 == 3 and item.attempt == 1:
            raise Retry(0.02)
        if number % 10 == 4:
            raise ValueError("bad")
        if number % 10 == 5:
            raise Drop
        yield number
        yield -number

    @pipeline.stage
    def store(number):
        note(number)

    if __name__ == "__main__":
        pipeline.run()
"""


def test_inline_equals_parallel(program: MakeProgram) -> None:
    """The same counters, failures and effects, with workers and without."""
    results = []
    for workers in ("0", "2"):
        script = program(TEXT, home=f"workers{workers}")
        ended = script.run(PERSISTQ_WORKERS=workers)
        assert ended.code == 6, ended.err
        failures = script.rows("SELECT item_id, kind, type FROM failure ORDER BY item_id")
        results.append((script.queues(), script.counts, failures))
    assert results[0] == results[1]
    assert results[0][0] == [(60, 48, 6, 6), (96, 96, 0, 0)]


def test_an_inline_run_is_one_process_and_its_broker(tmp_path: Path) -> None:
    """A debugger sees handlers in the process that it debugs."""
    pids: set[int] = set()
    pipeline = Pipeline("demo", workers=0)
    pipeline.source(lambda: range(5))
    pipeline.stage(name="see")(lambda number: pids.add(os.getpid()))
    summary = pipeline.run(journal=str(tmp_path), progress="none")
    assert pids == {os.getpid()}
    assert (summary.outcome, summary.done) == ("DONE", 5)


def test_inline_items_go_through_all_stages_before_the_next_one_is_asked_for(
    tmp_path: Path,
) -> None:
    """The order of events is that of a plain loop."""
    seen: list[str] = []
    pipeline = Pipeline("demo", workers=0)

    @pipeline.source
    def letters() -> object:
        for letter in "ab":
            seen.append(f"source {letter}")
            yield letter

    pipeline.stage(name="one")(lambda item: seen.append(f"one {item}") or item)
    pipeline.stage(name="two")(lambda item: seen.append(f"two {item}"))
    pipeline.run(journal=str(tmp_path), progress="none")
    assert seen == [f"{step} {letter}" for letter in "ab" for step in ("source", "one", "two")]


def test_inline_waits_for_delayed_retries(tmp_path: Path) -> None:
    """A retry that is due later is waited for, and dropped items are settled."""
    attempts: list[int] = []
    pipeline = Pipeline("demo", workers=0)
    pipeline.source(lambda: ["late", "drop"])

    @pipeline.stage(retries=3)
    def work(word: str, item: object) -> None:
        if word == "drop":
            raise Drop
        attempts.append(item.attempt)  # type: ignore[attr-defined]
        if len(attempts) < 3:
            raise Retry(0.3)

    summary = pipeline.run(journal=str(tmp_path), progress="none")
    assert attempts == [1, 2, 3]
    assert (summary.done, summary.dropped, summary.parked) == (1, 1, 0)


def test_inline_stops_at_the_first_error_if_told_to(tmp_path: Path) -> None:
    """`on_error="stop"` ends the source too, and the next run does the rest."""
    asked: list[int] = []
    bad = {3}
    pipeline = Pipeline("demo", workers=0)

    @pipeline.source
    def numbers() -> object:
        for number in range(100):
            asked.append(number)
            yield number

    @pipeline.stage(on_error="stop")
    def work(number: int) -> None:
        if number in bad:
            raise ValueError("bad")

    summary = pipeline.run(journal=str(tmp_path), progress="none", check=False)
    assert (summary.outcome, summary.done, summary.parked, summary.exit_code) == ("FAILED", 3, 1, 3)
    assert asked == [0, 1, 2, 3]
    bad.clear()
    summary = pipeline.run(journal=str(tmp_path), progress="none", retry_failed=True)
    assert (summary.outcome, summary.done, summary.parked) == ("DONE", 100, 0)


INLINE = """
    pipeline = Pipeline("demo", workers=0)

    @pipeline.source
    def numbers():
        yield from range(50)

    @pipeline.stage
    def store(number):
        note(number)
        if number == 20:
            await_file("go")

    pipeline.run()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_an_inline_run_that_was_ended_is_carried_on(
    program: MakeProgram, number: signal.Signals, code: int
) -> None:
    """What was reported is not done again; the item in hand is, and is not to blame."""
    script = program(INLINE)
    process = script.start()
    script.await_note("20")
    process.send_signal(number)
    ended = script.wait(process)
    assert ended.code == code
    if number == signal.SIGINT:
        assert "interrupted by SIGINT" in ended.err
        assert "persistq resume demo" in ended.err
        assert "Traceback" not in ended.err
    script.touch("go")
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.counts == {str(n): 2 if n == 20 else 1 for n in range(50)}
    assert script.queues() == [(50, 50, 0, 0)]
    if number == signal.SIGINT:
        assert script.rows("SELECT count(*) FROM failure") == [0]


def test_an_inline_run_that_loses_its_broker_is_carried_on(program: MakeProgram) -> None:
    """The script ends with exit code 3 as with workers."""
    script = program(INLINE)
    process = script.start()
    script.await_note("20")
    broker = script.broker()
    kill(broker)
    until(lambda: broker not in script.processes())
    script.touch("go")
    ended = script.wait(process)
    assert ended.code == 3, ended.err
    assert "the broker of 'demo' is gone" in ended.err
    assert script.run().code == 0
    assert script.queues() == [(50, 50, 0, 0)]
    assert set(script.counts) == {str(n) for n in range(50)}
