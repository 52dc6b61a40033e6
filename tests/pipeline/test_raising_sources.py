"""What a source raises, and what becomes of the items that it had yielded before."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from persistq import LoadUnfinished, Pipeline
from persistq.outcome import Outcome

from .conftest import MakeProgram
from .program import until


class OutOfPaper(Exception):
    """An error of the program's own, which has more in it than text."""

    def __init__(self, tray: int) -> None:
        super().__init__(tray)
        self.tray = tray


class Unspeakable(Exception):
    """Cannot be pickled."""

    def __init__(self) -> None:
        super().__init__(lambda: None)


@pytest.fixture(autouse=True)
def silent_journals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Journals are in a directory of the test, and nothing is drawn."""
    monkeypatch.setenv("PERSISTQ_JOURNAL", str(tmp_path))
    monkeypatch.setenv("PERSISTQ_PROGRESS", "none")
    monkeypatch.setenv("PERSISTQ_START_METHOD", "fork")


def raising(
    error: BaseException, handler: Callable[[int], object] = abs, workers: int = 0
) -> Pipeline:
    """Return a pipeline whose source raises when it has yielded twenty items."""
    pipeline = Pipeline("demo", workers=workers)

    @pipeline.source
    def numbers() -> Iterator[int]:
        yield from range(20)
        raise error

    pipeline.stage(handler)
    return pipeline


@pytest.mark.parametrize("workers", [0, 2])
def test_it_reaches_the_caller_as_the_object_that_it_was(workers: int) -> None:
    """It is the cause of what is raised, and in the summary of who would not have it raised."""
    with pytest.raises(LoadUnfinished, match="OutOfPaper: 3") as caught:
        raising(OutOfPaper(3), workers=workers).run()
    assert isinstance(caught.value.exception, OutOfPaper)
    assert caught.value.exception.tray == 3
    assert caught.value.__cause__ is caught.value.exception
    summary = raising(OutOfPaper(4), workers=workers).run(check=False)
    assert isinstance(summary.exception, OutOfPaper)
    assert (summary.done, summary.outstanding, summary.exit_code) == (20, 0, 3)


@pytest.mark.parametrize("error", [Unspeakable(), OutOfPaper("x" * 2_000_000)])  # type: ignore[arg-type]
def test_what_cannot_be_passed_on_is_told_as_text(error: Exception) -> None:
    """Because it cannot be pickled, or is too large; the error that tells it survives a pickle."""
    with pytest.raises(LoadUnfinished, match=type(error).__name__) as caught:
        raising(error, workers=1).run()
    assert caught.value.exception is None
    with pytest.raises(LoadUnfinished) as inline:
        raising(error).run()
    assert inline.value.exception is error
    assert pickle.loads(pickle.dumps(inline.value)).reason == inline.value.reason


def test_what_it_had_yielded_is_worked_off(tmp_path: Path) -> None:
    """Also what is retried meanwhile; other sources are ended, and what they had put is done."""
    pipeline = Pipeline("demo", workers=1)
    gone_on = tmp_path / "gone on"

    @pipeline.source
    def tenners() -> Iterator[int]:
        yield from range(0, 50, 10)
        gone_on.touch()
        until(lambda: False, patience=1000)

    @pipeline.source
    def units() -> Iterator[int]:
        yield from range(5)
        until(gone_on.exists)
        raise OutOfPaper(1)

    @pipeline.stage(retries=1, backoff=0.01)
    def work(_: int, item: object) -> None:
        if item.attempt == 1:  # type: ignore[attr-defined]
            raise OSError("try again")

    summary = pipeline.run(check=False)
    assert summary.outcome is Outcome.FAILED
    assert (summary.done, summary.outstanding) == (10, 0)


def test_it_is_not_waited_for_what_cannot_be_done_in_time(tmp_path: Path) -> None:
    """An item that is due later, a group that is not complete."""
    pipeline = Pipeline("demo", workers=0)

    @pipeline.source
    def numbers() -> Iterator[int]:
        yield from range(4)
        raise OutOfPaper(1)

    @pipeline.stage(retries=1, backoff=3600, backoff_max=3600)
    def work(number: int) -> dict[str, int]:
        if number == 3:
            raise OSError("later")
        return {"invoice": 1, "lines": 9}

    @pipeline.stage(group_by="invoice", group_size="lines")
    def store(lines: list[dict[str, int]]) -> None:
        (tmp_path / "stored").touch()

    summary = pipeline.run(check=False, shutdown_grace=1000.0)
    assert (summary.outcome, summary.done, summary.outstanding) == (Outcome.FAILED, 3, 4)
    assert not (tmp_path / "stored").exists()


@pytest.mark.parametrize("grace", [0.0, 0.1])
def test_the_grace_bounds_how_long_that_takes(grace: float) -> None:
    """What is in flight then is ended, and outstanding with the rest."""

    def hang(_: int) -> None:
        until(lambda: False, patience=1000)

    summary = raising(OutOfPaper(1), hang, workers=1).run(check=False, shutdown_grace=grace)
    assert (summary.outcome, summary.done, summary.outstanding) == (Outcome.FAILED, 0, 20)
    assert isinstance(summary.exception, OutOfPaper)


def test_a_source_that_yields_what_is_no_item_keeps_what_came_before() -> None:
    """What is raised for it is passed on as well."""
    pipeline = Pipeline("demo", workers=0, codec="json")
    pipeline.source(lambda: [1, 2, {3}])
    pipeline.stage(abs)
    summary = pipeline.run(check=False)
    assert (summary.done, summary.outstanding) == (2, 0)
    assert type(summary.exception).__name__ == "ItemNotStorable"


def test_classes_of_the_script_are_found_again(program: MakeProgram, start_method: str) -> None:
    """Whatever the script is called in the process of the source."""
    script = program(
        """
        from persistq import LoadUnfinished
        pipeline = Pipeline("demo", workers=1)

        class OutOfPaper(Exception): pass

        @pipeline.source
        def numbers():
            yield 1
            raise OutOfPaper(3)

        @pipeline.stage
        def work(number): note("done")

        if __name__ == "__main__":
            try:
                pipeline.run()
            except LoadUnfinished as error:
                note("caught", type(error.exception) is OutOfPaper, *error.exception.args)
        """
    )
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 0, ended.err
    assert script.notes == ["done", "caught True 3"]


@pytest.mark.parametrize("point", ["source.before_fail", "broker.before_failing"])
def test_who_dies_of_telling_it_loses_nothing(program: MakeProgram, point: str) -> None:
    """The source is called again, in this run or the next one, and what it repeats is known."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def numbers():
            yield from range(5)
            if not (HERE / "fixed").exists():
                raise ConnectionError("hung up")

        @pipeline.stage
        def work(number): note(number)

        pipeline.run()
        """
    )
    hits = script.home / "hits"
    hits.mkdir()
    armed = {"PERSISTQ_FAILPOINT": f"{point}:kill", "PERSISTQ_FAILPOINT_HITS": str(hits)}
    ended = script.run(PERSISTQ_ACK_INTERVAL="0", **armed)
    assert ended.code == 3, ended.err
    assert (hits / point).exists()
    script.touch("fixed")
    assert script.run().code == 0
    assert script.queues() == [(5, 5, 0, 0)]
    assert script.rows("SELECT count(*) FROM failure") == [0]
