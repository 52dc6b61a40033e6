"""`persistq.map`: the results of a function over items, all of them, also after a crash."""

from __future__ import annotations

import functools
import gc
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import persistq
from persistq import ItemsFailed, LoadUnfinished, UsageError
from persistq.errors import JournalBusy

from .conftest import MakeProgram

MAPPED = """
    import persistq

    def double(number):
        note("called", number)
        if number == int(os.environ.get("KILLS", -1)):
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
        return 2 * number

    if __name__ == "__main__":
        for count, result in enumerate(persistq.map(
            double, range(40), name="demo", workers=2, window_max=1,
            ordered=bool(os.environ.get("ORDERED")),
        )):
            note("got", result)
            if count == int(os.environ.get("LEAVES", -1)):
                break
            if count == int(os.environ.get("DIES", -1)):
                os.kill(os.getpid(), signal.SIGKILL)
        else:
            note("end")
"""


def here(tmp_path: Path, **options: Any) -> dict[str, Any]:
    """Return options for a map in this process."""
    return {"name": "demo", "workers": 0, "journal": str(tmp_path), **options}


def got(notes: list[str]) -> list[int]:
    """Return the results that the caller has noted."""
    return [int(line.split()[1]) for line in notes if line.startswith("got")]


def calls(notes: list[str]) -> int:
    """Return how often the function was called."""
    return sum(line.startswith("called") for line in notes)


def test_each_item_has_one_result_whatever_that_is(tmp_path: Path) -> None:
    """None, a list, and what JSON does not hold; called again, it begins anew."""
    values = [None, [1, 2], (1, 2), {3}, Path("a"), "text", iter]
    for load in (1, 2):
        results = [*persistq.map(lambda number: values[number], range(7), **here(tmp_path))]
        assert results == values, load


def test_results_come_in_the_order_of_the_items_if_wanted(program: MakeProgram) -> None:
    """Workers finish them in any order."""
    script = program(MAPPED)
    ended = script.run(ORDERED="1")
    assert ended.code == 0, ended.err
    assert got(script.notes) == [2 * number for number in range(40)]
    assert script.queues() == [(40, 40, 0, 0)] * 2


def test_after_a_crash_all_results_are_given_and_what_is_done_is_not_called(
    program: MakeProgram,
) -> None:
    """The script dies, then it leaves early, then its caller dies with all results in hand."""
    script, results = program(MAPPED), [2 * number for number in range(40)]
    assert script.run(KILLS="15").code < 0
    left = script.run(LEAVES="20")
    assert left.code == 0, left.err
    assert "its caller has left before it had all results" in left.err
    assert "persistq resume demo" in left.err
    before = len(script.notes)
    assert script.run(DIES="39").code < 0
    assert sorted(got(script.notes[before:])) == results
    before = len(script.notes)
    ended = script.run()
    assert ended.code == 0, ended.err
    assert sorted(got(script.notes[before:])) == results
    # What is done is not called again: only what was in hand when the script died.
    assert calls(script.notes[before:]) == 0
    assert 40 <= calls(script.notes) <= 40 + 2
    assert script.rows("SELECT count(*), max(state) FROM load") == [(1, "settled")]


@pytest.mark.parametrize("point", ["map.before_finish", "map.before_stop", "broker.before_keep@9"])
def test_killed_at_any_instant_all_results_are_given(program: MakeProgram, point: str) -> None:
    """Before the load may be settled, while a caller leaves, and while results are recorded."""
    script = program(MAPPED)
    leaves = {"LEAVES": "3"} if "stop" in point else {}
    assert script.run(PERSISTQ_FAILPOINT=f"{point}:kill", **leaves).code
    before = len(script.notes)
    ended = script.run()
    assert ended.code == 0, ended.err
    assert sorted(got(script.notes[before:])) == [2 * number for number in range(40)]
    assert script.queues() == [(40, 40, 0, 0)] * 2


def test_what_has_no_result_is_told_at_the_end(tmp_path: Path) -> None:
    """The others are given before; in order, nobody waits for it."""
    for ordered in (False, True):
        results, given = persistq.map(_unless_two, range(5), **here(tmp_path, ordered=ordered)), []
        with pytest.raises(ItemsFailed):
            given.extend(results)
        assert given == [0, 1, 3, 4]


def _unless_two(number: int) -> int:
    if number == 2:
        raise ValueError("two")
    return number


def test_what_items_raise_is_the_cause_of_the_failure(tmp_path: Path) -> None:
    """What they had yielded before is done, and its results are given."""
    error = OSError("the server is away")

    def items(count: int) -> Iterator[int]:
        yield from range(3)
        if count == 3:
            raise error
        yield from range(3, count)

    given: list[int] = []
    with pytest.raises(LoadUnfinished, match="the server is away") as failed:
        given.extend(persistq.map(abs, items(3), **here(tmp_path)))
    assert failed.value.__cause__ is error
    assert given == [0, 1, 2]
    assert sorted(persistq.map(abs, items(5), **here(tmp_path))) == [0, 1, 2, 3, 4]


def test_who_lets_go_of_the_results_ends_the_run(tmp_path: Path) -> None:
    """So the name is free again at once, and the next call carries on."""
    called: list[int] = []
    results = persistq.map(called.append, range(3), **here(tmp_path))
    next(results)
    with pytest.raises(JournalBusy):
        persistq.map(abs, range(3), **here(tmp_path))
    del results
    gc.collect()
    with persistq.map(called.append, range(3), **here(tmp_path)) as again:
        assert next(again) is None
    assert [*persistq.map(called.append, range(3), **here(tmp_path))] == [None] * 3
    assert len(called) == 3


def test_a_slow_iterable_is_given_what_is_there(tmp_path: Path) -> None:
    """Results do not wait for the items that follow."""
    asked: set[int] = set()

    def items() -> Iterator[int]:
        for number in range(3):
            # It is asked for the next item only when there was a result to answer with.
            while len(asked) < number:
                time.sleep(0.001)
            yield number

    for result in persistq.map(abs, items(), **here(tmp_path)):
        asked.add(result)
    assert asked == {0, 1, 2}


def test_an_unfinished_load_of_another_function_is_not_carried_on(tmp_path: Path) -> None:
    """Its results would be those of two functions."""
    with persistq.map(abs, range(3), **here(tmp_path)) as results:
        next(results)
    with pytest.raises(UsageError, match="has the stages abs, results; this program has _unless"):
        persistq.map(_unless_two, range(3), **here(tmp_path))


def test_what_cannot_be_called_with_one_item_is_refused(tmp_path: Path) -> None:
    """Before anything is opened, in one sentence."""
    for function, why in (
        (pow, "'pow' needs base, exp, and map calls it with one item"),
        ("abs", "what map calls is to be a function"),
        (lambda: None, "takes no parameter"),
    ):
        with pytest.raises(UsageError, match=why):
            persistq.map(function, range(3), **here(tmp_path))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="are to be an iterable, and 3 is none"):
        persistq.map(abs, 3, **here(tmp_path))  # type: ignore[arg-type]
    assert not [*tmp_path.rglob("*.db")]
    square = functools.partial(pow, exp=2)
    assert sorted(persistq.map(square, range(3), **here(tmp_path))) == [0, 1, 4]


def test_functions_that_a_new_process_cannot_import_are_refused(tmp_path: Path) -> None:
    """Where processes are not forked; one that is in a module is fine."""
    options = here(tmp_path, workers=1, start_method="spawn")
    with pytest.raises(UsageError, match="'<lambda>' is a lambda, where a process started by"):
        persistq.map(lambda number: number, range(3), **options)

    def local(number: int) -> int:
        return number

    with pytest.raises(UsageError, match="'local' is defined within another function"):
        persistq.map(local, range(3), **options)
    assert not [*tmp_path.rglob("*.db")]


SESSION = """
    import persistq

    def local(number):
        return number

    del sys.modules["__main__"].__file__     # as at a keyboard, or in a notebook
    try:
        [*persistq.map(local, range(3), name="demo", workers=1)]
    except persistq.UsageError as error:
        note(error)
    note(*sorted(persistq.map(abs, range(3), name="demo", workers=1)))
"""


def test_in_a_session_functions_of_modules_are_called(program: MakeProgram) -> None:
    """Others are refused in one sentence, before anything is opened."""
    script = program(SESSION)
    ended = script.run(PERSISTQ_START_METHOD="spawn")
    assert ended.code == 0, ended.err
    refused, called = script.notes
    assert refused.startswith("the function 'local' is defined in this session, where a process")
    assert called == "0 1 2"


def test_a_script_without_its_guard_is_told_so(program: MakeProgram) -> None:
    """As with pipelines: processes that import it would map as well."""
    script = program(MAPPED.replace('if __name__ == "__main__":', "if True:"))
    ended = script.run(PERSISTQ_START_METHOD="spawn")
    assert ended.code == 2
    assert 'below if __name__ == "__main__":' in ended.err
    assert not calls(script.notes)
