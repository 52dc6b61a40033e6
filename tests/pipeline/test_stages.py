"""What a chain of stages does with items."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from persistq import Drop, ItemsFailed, Pipeline, Retry, UsageError

from .conftest import MakeProgram

CHAIN = """
    pipeline = Pipeline("demo")

    @pipeline.source
    def numbers():
        yield from range(200)

    @pipeline.stage(workers=2)
    def double(number):
        note("double", os.getpid())
        yield number * 2
        yield number * 2 + 1

    @pipeline.stage(workers=3)
    def keep_odd(number):
        return number if number % 2 else None

    @pipeline.stage(workers=1)
    def store(number):
        note("stored", number)
        return number

    if __name__ == "__main__":
        pipeline.run()
"""


def test_items_flow_through_all_stages_under_each_start_method(
    program: MakeProgram, start_method: str
) -> None:
    """Generators fan out, None ends an item's way, and each stage has its own workers."""
    script = program(CHAIN)
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 0, ended.err
    stored = {line: n for line, n in script.counts.items() if line.startswith("stored")}
    assert stored == {f"stored {number}": 1 for number in range(1, 400, 2)}
    assert script.queues() == [(200, 200, 0, 0), (400, 400, 0, 0), (200, 200, 0, 0)]
    assert script.rows("SELECT state FROM load") == ["settled"]
    assert script.rows("SELECT result FROM run") == ["done"]


def test_more_workers_than_items_and_one_worker_do_the_same(program: MakeProgram) -> None:
    """The number of workers changes nothing in the result."""
    for workers in ("1", "7"):
        script = program(
            """
            pipeline = Pipeline("demo")
            pipeline.source(lambda: range(5))

            @pipeline.stage
            def store(number):
                note(number)

            pipeline.run()
            """,
            home=f"workers{workers}",
        )
        assert script.run(PERSISTQ_WORKERS=workers).code == 0
        assert script.counts == {str(number): 1 for number in range(5)}


def test_a_load_without_items_is_settled(program: MakeProgram, start_method: str) -> None:
    """An empty source means DONE, not waiting."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=2)

        @pipeline.source
        def nothing():
            return []

        @pipeline.stage
        def one(item): return item

        @pipeline.stage
        def two(item): note(item)

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 0, ended.err
    assert script.queues() == [(0, 0, 0, 0), (0, 0, 0, 0)]


def test_extras_are_filled_by_name(program: MakeProgram, start_method: str) -> None:
    """Handlers get the context of their own process, facts about the item, and the settings."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=2)

        @pipeline.source
        def numbers(settings):
            note("source", settings.params)
            yield from range(40)

        @pipeline.context
        def context():
            return os.getpid()

        @pipeline.stage(name="work")
        def handler(number, ctx, settings, item, unused=1):
            assert ctx == os.getpid()
            note(item.stage, item.attempt, item.id & 0xffff, settings.retries)

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    ended = script.run(PERSISTQ_START_METHOD=start_method, PERSISTQ_RETRIES="4")
    assert ended.code == 0, ended.err
    assert script.counts == {f"work 1 {n} 4": 1 for n in range(1, 41)} | {"source {}": 1}


def test_stage_workers_take_work_while_one_item_is_slow(program: MakeProgram) -> None:
    """One slow item holds back only its own worker: the other one does all the rest."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=2)
        pipeline.source(lambda: range(300))

        @pipeline.stage
        def work(number):
            if number == 3:
                note("slow begins")
                while noted("quick") < 299:
                    time.sleep(0.002)
                note("slow ends")
            else:
                note("quick")

        pipeline.run()
        """
    )
    # A window may hold items that are handed out beside the slow one; here it holds one.
    ended = script.run(PERSISTQ_WINDOW_TIME="0")
    assert ended.code == 0, ended.err
    assert script.notes[-1] == "slow ends"
    assert script.counts["quick"] == 299


def test_a_large_item_travels_whole(program: MakeProgram) -> None:
    """Ten megabytes go through source, stages and journal."""
    script = program(
        """
        import hashlib
        pipeline = Pipeline("demo", workers=2)
        pipeline.source(lambda: [bytes(range(256)) * 40_000, b"small"])

        @pipeline.stage
        def grow(data): return data + b"!"

        @pipeline.stage
        def store(data): note(len(data), hashlib.sha256(data).hexdigest())

        pipeline.run()
        """
    )
    assert script.run().code == 0
    assert sorted(line.split()[0] for line in script.notes) == ["10240001", "6"]
    assert len(set(script.notes)) == 2


def test_two_pipelines_run_side_by_side(program: MakeProgram) -> None:
    """Different names share a journal directory and nothing else."""
    text = """
        pipeline = Pipeline(sys.argv[0] and os.environ["NAME"], workers=2)
        pipeline.source(lambda: range(500))

        @pipeline.stage
        def store(number):
            note(os.environ["NAME"], number)
            if number == 10:
                await_file("go")

        pipeline.run()
    """
    script = program(text)
    one, two = script.start(env={"NAME": "one"}), script.start(env={"NAME": "two"})
    script.await_note("one 10")
    script.await_note("two 10")
    script.touch("go")
    assert [script.wait(one).code, script.wait(two).code] == [0, 0]
    assert all(n == 1 for n in script.counts.values())
    assert len(script.counts) == 1000
    assert script.queues("one") == script.queues("two") == [(500, 500, 0, 0)]


def test_settings_come_from_the_environment(program: MakeProgram) -> None:
    """Parameters of the source and worker counts can be given from outside."""
    script = program(
        """
        pipeline = Pipeline("demo")

        @pipeline.source
        def numbers(first, last=5):
            yield from range(first, last)

        @pipeline.stage
        def store(number, ctx=None): note(number)

        pipeline.run()
        """
    )
    ended = script.run(PERSISTQ_PARAMS='{"first": 2}', PERSISTQ_WORKERS="1")
    assert ended.code == 0, ended.err
    assert sorted(script.notes) == ["2", "3", "4"]


# --- in this process -----------------------------------------------------------------------------


def _pipeline(items: Any, handler: Any, **options: Any) -> Pipeline:
    pipeline = Pipeline("demo", workers=1)
    pipeline.source(lambda: items)
    pipeline.stage(**options)(handler)
    return pipeline


def _run(pipeline: Pipeline, tmp_path: Path, **settings: Any) -> Any:
    return pipeline.run(journal=str(tmp_path), progress="none", **settings)


def test_run_returns_a_summary(tmp_path: Path) -> None:
    """Code that calls `run` learns what was done."""

    def handler(number: int) -> None:
        if number == 2:
            raise Drop("even")

    summary = _run(_pipeline([1, 2, 3], handler), tmp_path)
    assert (summary.outcome, summary.done, summary.dropped, summary.parked) == ("DONE", 2, 1, 0)
    assert (summary.exit_code, summary.outstanding, summary.load_id) == (0, 0, 1)
    assert summary.journal == str(tmp_path / "demo.db")


def test_each_settled_run_is_followed_by_a_new_load(tmp_path: Path) -> None:
    """A finished load is over: the same script run again begins the next one."""
    pipeline = _pipeline([1, 2], print)
    assert [_run(pipeline, tmp_path).load_id for _ in range(3)] == [1, 2, 3]


def test_run_raises_when_items_failed_unless_told_not_to(tmp_path: Path) -> None:
    """The default is that nobody overlooks a failed item."""

    def handler(number: int) -> float:
        return 1 / number

    pipeline = _pipeline([0, 1], handler)
    with pytest.raises(ItemsFailed) as caught:
        _run(pipeline, tmp_path / "a")
    assert caught.value.failed == 1
    assert caught.value.exit_code == 6
    summary = _run(pipeline, tmp_path / "b", check=False)
    assert (summary.outcome, summary.parked, summary.exit_code) == ("DONE", 1, 6)


def test_decorated_functions_stay_plain_functions() -> None:
    """Handlers can be called in a unit test."""
    pipeline = Pipeline("demo")

    @pipeline.source
    def numbers() -> list[int]:
        return [1]

    @pipeline.context
    def context() -> str:
        return "here"

    @pipeline.stage
    def plain(number: int) -> int:
        return number + 1

    @pipeline.stage(retries=2)
    def with_options(number: int) -> int:
        return number + 2

    assert (numbers(), context(), plain(1), with_options(1)) == ([1], "here", 2, 3)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({}, "needs --param year"),
        ({"year": 1, "yeer": 2}, "takes no parameter 'yeer'"),
    ],
)
def test_wrong_parameters_are_refused_before_anything_is_journaled(
    tmp_path: Path, params: dict[str, int], sentence: str
) -> None:
    """The message names the source and the parameter; no journal is made."""
    pipeline = Pipeline("demo")

    @pipeline.source
    def flights(year: int, month: int = 1) -> list[int]:
        return [year, month]

    pipeline.stage(print)
    with pytest.raises(UsageError, match=sentence) as caught:
        _run(pipeline, tmp_path, params=params)
    assert "'flights'" in str(caught.value)
    assert caught.value.exit_code == 2
    assert not list(tmp_path.iterdir())


def test_parameters_reach_the_source_by_name(tmp_path: Path) -> None:
    """What is given by name arrives; what is not given keeps its default."""
    pipeline = Pipeline("demo", workers=0)

    @pipeline.source
    def flights(year: int, month: int = 1) -> list[int]:
        return [year, month]

    seen: list[int] = []
    pipeline.stage(name="see")(seen.append)
    _run(pipeline, tmp_path, params={"year": 2013})
    assert seen == [2013, 1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"workers": 0}, "workers=0 is refused: it would wait for ever"),
        ({"workers": -1}, "workers=-1 is refused"),
        ({"retries": -1}, "retries=-1 is refused: it should be a whole number, from 0 to"),
        ({"retries": "many"}, "retries='many' is refused"),
        ({"backoff": float("nan")}, "backoff=nan is refused"),
        ({"backoff_max": -1}, "backoff_max=-1 is refused"),
        ({"max_crashes": 0}, "max_crashes=0 is refused"),
        ({"on_error": "explode"}, "on_error='explode' is refused: it should be 'park' or 'stop'"),
        ({"timeout": 0}, "timeout=0 is refused: it should be a number of seconds, above 0"),
    ],
)
def test_a_wrong_option_of_a_stage_is_refused(
    tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    """It is named with its stage, before anything is journaled."""
    pipeline = Pipeline("demo", workers=1)
    pipeline.source(lambda: range(3))
    pipeline.stage(name="work", **options)(lambda number: None)
    with pytest.raises(UsageError) as caught:
        pipeline.run(journal=str(tmp_path))
    assert str(caught.value).startswith("stage 'work': " + words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("delay", [-1, float("nan"), float("inf"), 8 * 86_400, "soon", object()])
def test_a_retry_that_would_never_come_is_refused(delay: Any) -> None:
    """In a handler it fails the attempt, with the traceback that shows where."""
    with pytest.raises(UsageError, match="give seconds, from 0 to a week"):
        Retry(delay)


def test_building_a_wrong_pipeline_is_refused() -> None:
    """Each mistake has its sentence at the line where it is made."""
    pipeline = Pipeline("demo")
    with pytest.raises(UsageError, match="needs a source and at least one stage"):
        pipeline.run(progress="none")
    pipeline.source(list)
    with pytest.raises(UsageError, match="has a source 'list' already"):
        pipeline.source(list)
    with pytest.raises(UsageError, match="takes no parameter"):
        pipeline.stage(lambda: None)
    with pytest.raises(UsageError, match="'row', which nobody fills"):
        pipeline.stage(lambda item, row: None)
    with pytest.raises(UsageError, match=r"no option 'retrys'; did you mean retries\?"):
        pipeline.stage(retrys=1)(print)  # type: ignore[call-overload]
    pipeline.stage(print)
    with pytest.raises(UsageError, match="has a stage 'print' already"):
        pipeline.stage(print)


def test_decorators_may_have_parentheses(tmp_path: Path) -> None:
    """Those of a stage may, so nobody remembers which others may not."""
    pipeline = Pipeline("demo", workers=0)
    seen: list[str] = []

    @pipeline.source()
    def numbers() -> list[int]:
        return [1, 2]

    @pipeline.context()
    def prefix() -> str:
        return "got"

    @pipeline.stage()
    def note(number: int, ctx: str) -> None:
        seen.append(f"{ctx} {number}")

    pipeline.run(journal=str(tmp_path))
    assert seen == ["got 1", "got 2"]


def test_a_context_that_nobody_makes_is_missed_before_the_load_begins(tmp_path: Path) -> None:
    """Otherwise each item would fail of it."""
    pipeline = Pipeline("demo", workers=0)
    pipeline.source(lambda: [1])

    @pipeline.stage
    def store(number: int, ctx: object) -> None:
        """Never called."""

    with pytest.raises(UsageError, match=r"'store' takes ctx, .* has no context: decorate"):
        pipeline.run(journal=str(tmp_path / "journals"))
    assert not (tmp_path / "journals").exists()
