"""Runs beside the program: started, stopped and waited for from threads and event loops."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from persistq import (
    ItemsFailed,
    JournalBusy,
    LiveRun,
    LoadUnfinished,
    Pipeline,
    UsageError,
    run_all,
)
from persistq.outcome import Outcome

from .conftest import MakeProgram
from .program import until

FOR_EVER_S = 1000.0
SOON_S = 15.0
"""Far less than what sleeps, and more than a busy machine needs."""


@pytest.fixture(autouse=True)
def silent_journals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Journals are in a directory of the test, and nothing is drawn."""
    monkeypatch.setenv("PERSISTQ_JOURNAL", str(tmp_path))
    monkeypatch.setenv("PERSISTQ_PROGRESS", "none")
    monkeypatch.setenv("PERSISTQ_START_METHOD", "fork")


def short(name: str = "demo", workers: int = 0) -> Pipeline:
    """Return a pipeline whose load is over soon."""
    pipeline = Pipeline(name, workers=workers)
    pipeline.source(lambda: range(5))
    pipeline.stage(abs)
    return pipeline


def endless(name: str = "demo", workers: int = 1) -> Pipeline:
    """Return a pipeline whose source sleeps when it has yielded three items."""
    pipeline = Pipeline(name, workers=workers)

    @pipeline.source
    def numbers() -> Iterator[int]:
        yield from range(3)
        time.sleep(FOR_EVER_S)

    pipeline.stage(abs)
    return pipeline


def stuck(beginning: Path) -> Pipeline:
    """Return a pipeline whose handler sleeps, when it has made a file."""
    pipeline = Pipeline("demo", workers=1)
    pipeline.source(lambda: range(3))

    @pipeline.stage
    def work(_: int) -> None:
        beginning.touch()
        time.sleep(FOR_EVER_S)

    return pipeline


def done_soon(live: LiveRun) -> Any:
    """Wait as long as something may take that is to end at once."""
    return live.wait(timeout=SOON_S)


def test_a_run_is_waited_for(tmp_path: Path) -> None:
    """`start` returns while it is at work; `wait` returns what `run` would."""
    go = tmp_path / "go"
    pipeline = Pipeline("demo", workers=0)
    pipeline.source(lambda: range(5))

    @pipeline.stage
    def work(_: int) -> None:
        until(go.exists)

    live = pipeline.start()
    assert live.alive
    assert live.name == "demo"
    assert repr(live) == "<LiveRun of 'demo', alive>"
    with pytest.raises(TimeoutError, match=r"load 'demo' is still at work after 0.01 s"):
        live.wait(timeout=0.01)
    go.touch()
    assert done_soon(live).done == 5
    assert not live.alive
    assert live.wait().outcome is Outcome.DONE
    live.stop(grace=0)


@pytest.mark.parametrize("workers", [0, 1])
def test_any_thread_may_start_and_wait(workers: int) -> None:
    """Nothing of it belongs to the main thread."""
    with ThreadPoolExecutor(1) as thread:
        live = thread.submit(short(workers=workers).start).result()
        assert thread.submit(live.wait).result().done == 5
        assert thread.submit(short("other").run).result().done == 5


def test_an_event_loop_goes_on_meanwhile() -> None:
    """Runs are awaited in the loop's thread; what is cancelled is the waiting."""

    async def main() -> None:
        live = endless().start(signals=False)
        waiting = asyncio.ensure_future(_await(live))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert live.alive
        assert (await short("other").arun()).done == 5
        live.stop()
        with pytest.raises(LoadUnfinished):
            await live

    asyncio.run(main())


async def _await(live: LiveRun) -> object:
    return await live


def test_stopping_ends_a_source_that_sleeps_at_once(tmp_path: Path) -> None:
    """What it has put is kept, and the next start calls it again."""
    pipeline = Pipeline("demo", workers=1)

    @pipeline.source
    def numbers() -> Iterator[int]:
        yield from range(3)
        (tmp_path / "asleep").touch()
        time.sleep(FOR_EVER_S)

    pipeline.stage(abs)
    live = pipeline.start()
    until((tmp_path / "asleep").exists)
    live.stop()
    with pytest.raises(LoadUnfinished, match=r"interrupted by stop\(\)") as caught:
        done_soon(live)
    assert caught.value.exit_code == 3
    assert short().run().done == 5


def test_a_grace_bounds_what_is_in_flight(tmp_path: Path) -> None:
    """Without one, `stop` may be called again and again; with one, it ends sooner."""
    live = stuck(tmp_path / "begun").start(check=False)
    until((tmp_path / "begun").exists)
    live.stop()
    live.stop()
    with pytest.raises(TimeoutError):
        live.wait(timeout=0.1)
    live.stop(grace=0)
    summary = done_soon(live)
    assert summary.outcome is Outcome.INTERRUPTED
    assert (summary.done, summary.outstanding, summary.exit_code) == (0, 3, 3)


@pytest.mark.parametrize("grace", [-1, float("nan"), float("inf")])
def test_a_grace_is_a_number_of_seconds(grace: float) -> None:
    """What is none is refused, and the run goes on."""
    live = short().start()
    with pytest.raises(UsageError, match="a number of seconds"):
        live.stop(grace=grace)
    assert done_soon(live).done == 5


def test_an_inline_run_is_stopped_between_two_items(tmp_path: Path) -> None:
    """The item in hand is done, those behind it are not begun."""
    begun, go = tmp_path / "begun", tmp_path / "go"
    pipeline = Pipeline("demo", workers=0)
    pipeline.source(lambda: range(5))

    @pipeline.stage
    def work(_: int) -> None:
        begun.touch()
        until(go.exists)

    live = pipeline.start(check=False)
    until(begun.exists)
    live.stop()
    go.touch()
    summary = done_soon(live)
    assert (summary.outcome, summary.done) == (Outcome.INTERRUPTED, 1)
    assert summary.reason == "interrupted by stop()"


def test_a_coroutine_that_is_cancelled_has_stopped_its_run(tmp_path: Path) -> None:
    """It ends when the run has; a second time ends what is in flight."""

    async def main() -> None:
        task = asyncio.create_task(stuck(tmp_path / "begun").arun(shutdown_grace=FOR_EVER_S))
        while not (tmp_path / "begun").exists():
            await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.sleep(0.05)
        assert not task.done()
        task.cancel()
        async with asyncio.timeout(SOON_S):
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())


def test_what_cannot_be_started_is_told_by_start() -> None:
    """So is what runs already; what raises later is raised to who waits."""
    live = endless().start()
    with pytest.raises(JournalBusy):
        endless().start()
    with pytest.raises(JournalBusy):
        asyncio.run(endless().arun())
    live.stop()
    with pytest.raises(LoadUnfinished):
        done_soon(live)
    failing = Pipeline("failing", workers=0)
    failing.source(lambda: ["a"])
    failing.stage(abs)
    with pytest.raises(ItemsFailed):
        failing.start().wait()


def test_signals_are_for_the_main_thread() -> None:
    """Elsewhere nobody would get them."""
    with (
        ThreadPoolExecutor(1) as thread,
        pytest.raises(UsageError, match="for the main thread"),
    ):
        thread.submit(lambda: short().start(signals=True)).result()


def test_signals_stop_a_run_that_wants_them() -> None:
    """While it is alive; then they are the program's again."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    live = endless().start(signals=True, check=False)
    signal.raise_signal(signal.SIGTERM)
    summary = done_soon(live)
    assert (summary.reason, summary.exit_code) == ("interrupted by SIGTERM", 143)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    late = short("other").start(signals=True)
    until(lambda: not late.alive)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert late.wait().done == 5


def test_several_pipelines_run_together() -> None:
    """Each has its summary; one that fails keeps no other from its end."""
    assert [summary.name for summary in run_all(short("a"), short("b"))] == ["a", "b"]
    failing = Pipeline("failing", workers=0)
    failing.source(lambda: ["a"])
    failing.stage(abs)
    first, second = run_all(failing, short("b"), check=False)
    assert (first.parked, second.done) == (1, 5)
    with pytest.raises(ItemsFailed):
        run_all(short("a"), failing)


def test_one_signal_stops_all() -> None:
    """Whatever their sources wait for."""
    main = threading.main_thread().ident
    assert main is not None
    one, other = endless("one"), endless("other")
    timer = threading.Timer(0.3, lambda: signal.pthread_kill(main, signal.SIGTERM))
    timer.start()
    summaries = run_all(one, other, check=False)
    assert {summary.reason for summary in summaries} == {"interrupted by SIGTERM"}


def test_if_one_cannot_be_started_the_others_are_stopped() -> None:
    """Nothing is left at work behind the error."""
    live = endless("busy").start(check=False)
    with pytest.raises(JournalBusy):
        run_all(endless("one"), endless("busy"))
    assert live.alive
    live.stop()
    done_soon(live)
    again = endless("one").start(check=False)
    again.stop()
    assert done_soon(again).outcome is Outcome.INTERRUPTED


@pytest.mark.parametrize("pipelines", [[], [short("a"), short("a")]])
def test_what_is_to_run_together_is_named_once(pipelines: list[Pipeline]) -> None:
    """Nothing is started otherwise."""
    with pytest.raises(UsageError, match=r"run_all\(\)"):
        run_all(*pipelines)


def test_an_exit_of_the_program_stops_what_is_alive(program: MakeProgram) -> None:
    """Items in flight end, and it is said what is left; beside threads, with a fork server."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def numbers():
            yield from range(3)
            time.sleep(1000)

        @pipeline.stage
        def work(number):
            note("begin", number)
            await_file("go")
            note("end", number)

        if __name__ == "__main__":
            pipeline.start(start_method="forkserver", window_time=0)
            await_file("leave")
        """
    )
    process = script.start()
    script.await_note("begin 0")
    script.touch("leave")
    until(lambda: "finishing the items in flight" in script.said(process))
    script.touch("go")
    ended = script.wait(process)
    assert ended.code == 0
    assert "Traceback" not in ended.err
    assert "interrupted by the end of the program; 2 outstanding; carry on with" in ended.err
    assert script.notes == ["begin 0", "end 0"]
    assert script.rows("SELECT result FROM run") == ["interrupted"]
