"""Results that are kept: what last stages have made, each once, and read again at any time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from persistq import Pipeline, To, UsageError
from persistq.errors import JournalMissing
from persistq.journal.opening import open_reader
from persistq.site.finding import site_of

from .conftest import MakeProgram


def numbers(count: int, **options: Any) -> Pipeline:
    """Return a pipeline of one stage that keeps the squares of so many numbers."""
    pipeline = Pipeline("demo", workers=0)
    pipeline.source(lambda: range(count), name="numbers")
    pipeline.stage(name="square", keep_results=True, **options)(lambda number: number * number)
    return pipeline


def test_what_a_last_stage_makes_is_kept(tmp_path: Path) -> None:
    """Whatever can be an item; it is no work, and inputs are counted apart from stages."""
    pipeline = Pipeline("demo", workers=0)
    pipeline.source(lambda: range(10), name="numbers")
    pipeline.stage(name="same")(lambda number: number)

    @pipeline.stage(keep_results=True)
    def both(number: int) -> Iterator[Any]:
        if number != 3:
            yield number
            yield {"set": {number}, "list": [number, None]}

    summary = pipeline.run(journal=str(tmp_path), progress="none")
    assert (summary.inputs, summary.done, summary.results) == (10, 20, 18)
    assert (summary.outstanding, summary.outcome, summary.exit_code) == (0, "DONE", 0)
    with open_reader(site_of(summary.journal)) as reader:
        view = reader.view()
    assert [row.name for row in view.worked_on] == ["same", "both"]
    kept = [*pipeline.results(journal=str(tmp_path))]
    assert kept[:2] == [0, {"set": {0}, "list": [0, None]}]
    assert len(kept) == 18
    assert 3 not in kept


def test_what_is_too_much_for_memory_is_kept_too(tmp_path: Path) -> None:
    """It is written while its item is worked on, and is there when that is done."""
    pipeline = Pipeline("demo", workers=0)
    pipeline.source(lambda: [20_000], name="numbers")

    @pipeline.stage(keep_results=True)
    def split(number: int) -> Iterator[int]:
        yield from range(number)

    assert pipeline.run(journal=str(tmp_path), progress="none").results == 20_000
    for ordered in (False, True):
        assert [*pipeline.results(journal=str(tmp_path), ordered=ordered)] == [*range(20_000)]


def test_results_of_each_load_are_kept_apart(tmp_path: Path) -> None:
    """The latest ones are given, unless a load is named; those that were given up are missed."""
    for count in (3, 4, 5):
        numbers(count).run(journal=str(tmp_path), progress="none", keep_loads=1)
    kept = numbers(0)
    assert [*kept.results(journal=str(tmp_path))] == [0, 1, 4, 9, 16]
    with pytest.raises(UsageError, match="load 1 of 'demo' has given up its items"):
        [*kept.results(journal=str(tmp_path), load=1)]
    with pytest.raises(UsageError, match="no load 9"):
        [*kept.results(journal=str(tmp_path), load=9)]


def test_who_keeps_no_results_is_told_how(tmp_path: Path) -> None:
    """In one sentence, and so is who has no journal yet."""
    pipeline = numbers(3)
    with pytest.raises(JournalMissing):
        [*pipeline.results(journal=str(tmp_path))]
    plain = Pipeline("demo", workers=0)
    plain.source(lambda: range(3), name="numbers")
    plain.stage(name="results")(lambda number: number)
    plain.run(journal=str(tmp_path), progress="none")
    with pytest.raises(UsageError, match=r"keeps no results: say @pipeline.stage\(keep_results"):
        [*plain.results(journal=str(tmp_path))]


def test_only_last_stages_keep_results() -> None:
    """Of others it is known where their results go; and the name is taken."""
    pipeline = numbers(3)
    pipeline.stage(name="store")(print)
    with pytest.raises(UsageError, match="keep_results=True is for a stage that feeds no other"):
        pipeline.run()
    named = Pipeline("demo", workers=0)
    named.source(lambda: range(3), name="numbers")
    named.stage(name="results", keep_results=True)(lambda number: number)
    with pytest.raises(UsageError, match="no stage can be called 'results'"):
        named.run()
    wrong = Pipeline("demo", workers=0)
    wrong.source(lambda: range(3), name="numbers")
    wrong.stage(name="square", keep_results="yes")(lambda number: number)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="keep_results='yes' is refused"):
        wrong.run()


def test_results_come_in_the_order_of_the_inputs_if_wanted(tmp_path: Path) -> None:
    """Through all stages, and whichever of several last ones has made them."""
    pipeline = Pipeline("demo", workers=0)
    pipeline.source(lambda: [3, 1, 2], name="numbers")

    @pipeline.stage
    def split(number: int) -> Iterator[To]:
        for part in range(number):
            yield To("odd" if part % 2 else "even", [number, part])

    @pipeline.stage(after="split", keep_results=True)
    def odd(pair: list[int]) -> list[int]:
        return pair

    @pipeline.stage(after="split", keep_results=True, batch=2)
    def even(pairs: list[list[int]]) -> list[list[int]]:
        return list(pairs)

    pipeline.run(journal=str(tmp_path), progress="none")
    made = [*pipeline.results(journal=str(tmp_path))]
    ordered = [*pipeline.results(journal=str(tmp_path), ordered=True)]
    assert sorted(ordered) == sorted(made)
    assert [number for number, _ in ordered] == [3, 3, 3, 1, 2, 2]


KEPT = """
    pipeline = Pipeline("demo", workers=2)

    @pipeline.source
    def numbers():
        yield from range(300)

    @pipeline.stage(retries=5, backoff=0, max_crashes=9)
    def clean(number):
        if number == 150 and not noted("died"):
            note("died")
            os.kill(os.getppid() if "ALL" in os.environ else os.getpid(), signal.SIGKILL)
        return number

    @pipeline.stage(keep_results=True)
    def double(number):
        return 2 * number

    @pipeline.on_settled
    def settled(summary):
        note("settled", summary.inputs, summary.done, summary.results)

    if __name__ == "__main__":
        pipeline.run()
        note("results", *pipeline.results(ordered=True))
"""


def test_each_result_is_kept_once_whatever_dies(program: MakeProgram) -> None:
    """A worker, or the script: the next run carries on, and the hook counts results apart."""
    for how in ("worker", "all"):
        script = program(KEPT, home=how)
        if how == "all":
            assert script.run(ALL="1").code < 0
        ended = script.run()
        assert ended.code == 0, ended.err
        died, settled, results = script.notes
        assert (died, settled) == ("died", "settled 300 600 300")
        assert results.split()[1:] == [str(2 * number) for number in range(300)]
        assert script.queues() == [(300, 300, 0, 0)] * 3 + [(1, 1, 0, 0)]


def test_what_is_kept_of_an_unfinished_load_stays_so(program: MakeProgram) -> None:
    """Nobody can say what stages would have kept that are done."""
    script = program(KEPT)
    assert script.run(ALL="1").code < 0
    other = program(KEPT.replace("(keep_results=True)", ""))
    ended = other.run()
    assert ended.code == 2
    assert "has the stages clean, double, results" in ended.err
