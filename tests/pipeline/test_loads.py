"""What a load is: its stages, its parameters, and which starts may carry it on."""

from __future__ import annotations

import signal
import sqlite3
import threading
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from persistq import Pipeline
from persistq.errors import JournalMissing, UsageError

from .conftest import MakeProgram
from .program import Ended, Program

PIPELINE = """
    pipeline = Pipeline(os.environ.get("NAME", "demo"), workers=1)

    @pipeline.source
    def numbers(count=20, day: str = "mon"):
        yield from range(count)

    @pipeline.stage
    def first(number):
        if number == 10 and "STOP" in os.environ:
            while not noted("second", 0):
                time.sleep(0.002)
            os.kill(os.getppid(), signal.SIGTERM)
            await_file("never")
        if str(number) == os.environ.get("BROKEN"):
            raise ValueError(number)
        note("first", number)
        return number

    @pipeline.stage
    def second(number):
        note("second", number)

    if __name__ == "__main__":
        pipeline.run()
"""
FIRST, SECOND = PIPELINE[PIPELINE.index("    @pipeline.stage") : PIPELINE.index("    if __")].split(
    "    @pipeline.stage"
)[1:]
STOPPED = 143
STOP = {"STOP": "1", "PERSISTQ_SHUTDOWN_GRACE": "0.5"}
"""A worker says stop, and hangs until it is killed; what comes before is done."""


def staged(*stages: str) -> str:
    """Return the program with other stages."""
    head, tail = PIPELINE.index("    @pipeline.stage"), PIPELINE.index("    if __")
    body = "".join(f"    @pipeline.stage{stage}" for stage in stages)
    return PIPELINE[:head] + body + PIPELINE[tail:]


def as_stage(name: str, *, was: str = "") -> str:
    """Return a stage that notes its items."""
    option = f"(was={was!r})" if was else ""
    lines = f'    def {name}(number):\n        note("{name}", number)\n        return number\n'
    return f"{option}\n{lines}"


WRITER = 'INSERT INTO "writer"'
"""Whoever opens a journal raises the epoch there, also one whose start is refused then."""


def contents(script: Program, name: str = "demo") -> list[str]:
    """Return everything that a journal holds but who may write it, as text."""
    path = script.home / "journal" / f"{name}.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return [row for row in connection.iterdump() if not row.startswith(WRITER)]


def refused(ended: Ended, *words: str) -> None:
    """Check that a start was refused in one sentence."""
    assert ended.code == 2, ended.err
    (sentence,) = ended.err.splitlines()
    for word in words:
        assert word in sentence


@pytest.fixture
def stopped(program: MakeProgram) -> Program:
    """A load that was stopped half-way."""
    script = program(PIPELINE)
    assert script.run(**STOP).code == STOPPED
    return script


def settled_with_one_parked(program: MakeProgram) -> Program:
    """Return a program whose first load has parked one item."""
    script = program(PIPELINE)
    assert script.run(BROKEN="3").code not in {0, 2, 3}
    return script


# --- refused, and nothing changed -----------------------------------------------------------------


def test_failed_items_stay_parked_when_the_start_is_refused(program: MakeProgram) -> None:
    """Other stages are refused before anything is put back to work."""
    script = settled_with_one_parked(program)
    before = contents(script)
    script.write(staged(FIRST))
    refused(script.run(PERSISTQ_RETRY_FAILED="1"), "has the stages first, second", "has first:")
    assert contents(script) == before
    script.write(PIPELINE)
    assert script.run(PERSISTQ_RETRY_FAILED="1").code == 0


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"PERSISTQ_PARAMS": '{"day": "tue"}'}, ['day="mon"', 'day="tue"', "--fresh"]),
        ({"PERSISTQ_LOAD": "9"}, ["has no load 9"]),
        ({"PERSISTQ_LOAD": "1", "PERSISTQ_FRESH": "1"}, ["give one of the two"]),
    ],
)
def test_a_refused_start_leaves_the_journal_as_it_was(
    stopped: Program, environment: dict[str, str], words: list[str]
) -> None:
    """Nothing is unparked, abandoned, begun or recorded by a start that does not come about."""
    before = contents(stopped)
    ended = stopped.run(PERSISTQ_RETRY_FAILED="1", **environment)
    assert ended.code != 0
    assert all(word in ended.err for word in words), ended.err
    assert contents(stopped) == before
    assert stopped.run().code == 0


@pytest.mark.parametrize(
    ("settings", "error"),
    [({"load": 1}, JournalMissing), ({"params": {"count": 2}}, UsageError)],
)
def test_a_refused_first_start_makes_no_directory(
    tmp_path: Path, settings: dict[str, Any], error: type[Exception]
) -> None:
    """Where there is no journal, none is made for a load or without a parameter it needs."""
    pipeline = Pipeline("demo", workers=0)

    @pipeline.source
    def numbers(day: str, count: int = 1) -> list[int]:
        return [count]

    pipeline.stage(lambda number: None)
    with pytest.raises(error):
        pipeline.run(journal=str(tmp_path / "new"), progress="none", **settings)
    assert not list(tmp_path.iterdir())


def test_the_beginning_is_one_transaction(program: MakeProgram) -> None:
    """A broker that dies in the middle leaves no load without queues, and abandons none."""
    script = program(PIPELINE)
    begin = {"PERSISTQ_FAILPOINT": "broker.before_begin:kill"}
    assert script.run(**begin).code == 3
    assert script.rows("SELECT * FROM load") == script.rows("SELECT * FROM queue") == []
    assert script.run(**STOP).code == STOPPED
    before = contents(script)
    assert script.run(PERSISTQ_FRESH="1", **begin).code == 3
    assert contents(script) == before
    ended = script.run()
    assert ended.code == 0, ended.err
    assert "carrying on load 1" in ended.err


# --- stages ---------------------------------------------------------------------------------------

THIRD = as_stage("third")
HANGS = """
    def first(number):
        os.kill(os.getppid(), signal.SIGTERM)
        await_file("never")
"""


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ((FIRST, SECOND, THIRD), ["this program has first, second, third"]),
        ((FIRST, THIRD, SECOND), ["this program has first, third, second"]),
        ((FIRST,), ["this program has first:"]),
        ((SECOND, FIRST), ["this program has second, first"]),
        ((FIRST, THIRD), ['@pipeline.stage(was="second") at third']),
        ((FIRST, as_stage("third", was="first")), ["this program has first, third"]),
    ],
    ids=["appended", "inserted", "removed", "reordered", "renamed", "renamed wrongly"],
)
def test_other_stages_are_refused_in_one_sentence(
    stopped: Program, stages: tuple[str, ...], words: list[str]
) -> None:
    """The outputs of what is done cannot reach another stage, so nobody pretends they do."""
    before = contents(stopped)
    stopped.write(staged(*stages))
    refused(stopped.run(), "has the stages first, second", "--fresh", *words)
    assert contents(stopped) == before
    stopped.write(PIPELINE)
    assert stopped.run().code == 0
    assert {stopped.counts[f"second {number}"] for number in range(20)} == {1}


def test_a_stage_is_appended_as_long_as_nothing_has_left_the_last_one(program: MakeProgram) -> None:
    """Then every output is still to come, and the new stage gets all of them."""
    script = program(staged(HANGS))
    environment = {"PERSISTQ_SHUTDOWN_GRACE": "0"}
    assert script.run(**environment).code == STOPPED
    assert script.queues() == [(20, 0, 0, 0)]
    script.write(PIPELINE)
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.queues() == [(20, 20, 0, 0), (20, 20, 0, 0)]


def test_a_renamed_stage_says_what_it_was(stopped: Program) -> None:
    """Its load is carried on under the new name, also when names are exchanged."""
    head = FIRST.replace("def first", "def second")
    tail = SECOND.replace("def second", "def first")
    stopped.write(staged('(was="first")' + head, '(was="second")' + tail))
    ended = stopped.run()
    assert ended.code == 0, ended.err
    assert stopped.rows("SELECT name FROM queue ORDER BY position") == ["second", "first"]
    assert {stopped.counts[f"second {number}"] for number in range(20)} == {1}
    assert stopped.run().code == 0, "the mark may stay in the program"


def test_two_stages_cannot_have_been_the_same() -> None:
    """Nor can two have the same name."""
    pipeline = Pipeline("demo")
    pipeline.stage(name="a", was="old")(print)
    with pytest.raises(UsageError, match="a stage that was 'old' already"):
        pipeline.stage(name="b", was="old")(print)
    with pytest.raises(UsageError, match="has a stage 'a' already"):
        pipeline.stage(name="a")(print)


def test_a_plain_queue_does_not_carry_on_a_pipeline(stopped: Program) -> None:
    """The kinds do not mix, and nothing is changed by the attempt."""
    before = contents(stopped)
    stopped.write('\n    from persistq import PersistentQueue\n    PersistentQueue("demo")\n')
    ended = stopped.run()
    assert ended.code != 0
    assert "unfinished pipeline, which cannot be carried on as a queue" in ended.err
    assert contents(stopped) == before


# --- parameters -----------------------------------------------------------------------------------


def test_parameters_belong_to_the_load(program: MakeProgram) -> None:
    """A start that names none, or the same, takes the load's; another one is refused."""
    script = program(PIPELINE)
    given = {"PERSISTQ_PARAMS": '{"count": 30}'}
    assert script.run(**STOP, **given).code == STOPPED
    for params, words in (
        ('{"count": 12}', ["count=30", "count=12"]),
        ('{"count": "30"}', ["count=30", 'count="30"']),
        ('{"day": "tue"}', ['day="mon"', 'day="tue"']),
    ):
        refused(script.run(PERSISTQ_PARAMS=params), *words)
    assert script.run(PERSISTQ_FAILPOINT="broker.after_begin:kill", **given).code == 3
    assert script.rows("SELECT count(*) FROM run") == [2], "the same value is taken"
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.queues() == [(30, 30, 0, 0), (30, 30, 0, 0)]


def test_a_changed_default_does_not_change_a_load(stopped: Program) -> None:
    """The default of the day the load began is the load's, and a new load takes the new one."""
    stopped.write(PIPELINE.replace("count=20", "count=7"))
    ended = stopped.run()
    assert ended.code == 0, ended.err
    assert 'parameters count=20, day="mon"\n' in ended.err
    assert stopped.queues() == [(20, 20, 0, 0), (20, 20, 0, 0)]
    assert stopped.run().code == 0
    assert stopped.queues() == [(7, 7, 0, 0), (7, 7, 0, 0)]


def test_fresh_takes_other_parameters(stopped: Program) -> None:
    """It begins a new load, and that has its own."""
    assert stopped.run(PERSISTQ_FRESH="1", PERSISTQ_PARAMS='{"count": 3}').code == 0
    assert stopped.queues() == [(3, 3, 0, 0), (3, 3, 0, 0)]


def test_secrets_are_compared_and_not_shown(program: MakeProgram) -> None:
    """Neither at the beginning nor in a refusal."""
    script = program(PIPELINE.replace("count=20", "count=20, db_password='-'"))
    first = script.run(**STOP, PERSISTQ_PARAMS='{"db_password": "hush"}')
    assert "db_password=***" in first.err
    second = script.run(PERSISTQ_PARAMS='{"db_password": "guess"}')
    refused(second, "db_password=*** (another value)")
    assert "hush" not in first.err + second.err
    assert "guess" not in second.err


def run_inline(
    directory: Path, function: Any, params: dict[str, Any] | None, *, fail: bool = False
) -> list[Any]:
    """Run a source inline; return what the stage got, with the settings' parameters last."""
    pipeline = Pipeline("demo", workers=0)
    pipeline.source(function)
    seen: list[Any] = []

    def see(item: Any, settings: Any) -> None:
        seen.append(item)
        seen.append(settings.params)
        if fail:
            raise KeyboardInterrupt

    pipeline.stage(name="see")(see)
    pipeline.run(journal=str(directory), progress="none", params=params, check=False)
    return seen


def days(day: date = date(2024, 1, 1)) -> list[str]:
    """Yield one item."""
    return [f"{day}"]


def test_values_that_json_cannot_hold_are_kept_too(tmp_path: Path) -> None:
    """A date given to one start is there in the next, for the source and for handlers."""
    run_inline(tmp_path, days, {"day": date(2024, 5, 5)}, fail=True)
    with pytest.raises(UsageError, match=r"date\(2024, 5, 5\).* day=datetime.date\(2024, 6, 6\)"):
        run_inline(tmp_path, days, {"day": date(2024, 6, 6)})
    assert run_inline(tmp_path, days, None) == ["2024-05-05", {"day": date(2024, 5, 5)}]


def test_a_value_that_cannot_be_kept_is_refused_unless_it_is_a_default(tmp_path: Path) -> None:
    """A lock that the source makes by default is made anew at each start."""

    def locked(lock: Any = threading.Lock()) -> list[str]:  # noqa: B008 - that is the point
        return [type(lock).__name__]

    with pytest.raises(UsageError, match="parameter 'lock' cannot be kept with its load"):
        run_inline(tmp_path / "new", locked, {"lock": threading.Lock()})
    assert not list(tmp_path.iterdir())
    assert run_inline(tmp_path, locked, None) == ["lock", {}]


def test_a_parameter_that_the_source_lost_is_refused(tmp_path: Path) -> None:
    """It was given, so it means something; a default that is gone does not."""

    def before(day: str, size: int = 1) -> list[str]:
        yield day
        raise ConnectionError

    def without_size(day: str) -> list[str]:
        return [day]

    def without_day() -> list[str]:
        return []

    run_inline(tmp_path, before, {"day": "mon"})
    with pytest.raises(UsageError, match='begun with day="mon", which its source takes no more'):
        run_inline(tmp_path, without_day, None)
    assert run_inline(tmp_path, without_size, None) == []


# --- names with parameters ------------------------------------------------------------------------


def test_a_name_with_parameters_keeps_a_load_for_each_set(program: MakeProgram) -> None:
    """Tuesday does not wait for Monday, and Monday can be carried on as before."""
    script = program(PIPELINE)
    name = {"NAME": "demo-{day}"}
    assert script.run(**STOP, **name).code == STOPPED
    assert script.run(PERSISTQ_PARAMS='{"day": "tue"}', **name).code == 0
    ended = script.run(**name)
    assert ended.code == 0, ended.err
    assert ended.err.startswith("demo-mon: carrying on load 1")
    assert script.queues("demo-mon") == script.queues("demo-tue") == [(20, 20, 0, 0)] * 2


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("demo-{year}", "needs the parameter 'year': give --param year=..."),
        ("demo-{day", "between braces stands the name of a parameter"),
        ("demo-{day!r}", "between braces stands the name of a parameter"),
        ("demo-{}", "between braces stands the name of a parameter"),
        ("{day}/x", "cannot name a journal"),
    ],
)
def test_a_name_that_cannot_be_filled_is_refused(tmp_path: Path, name: str, words: str) -> None:
    """In one sentence, and no directory is made."""
    pipeline = Pipeline(name, workers=0)
    pipeline.source(days)
    pipeline.stage(lambda number: None)
    with pytest.raises(UsageError) as caught:
        pipeline.run(journal=str(tmp_path / "new"), progress="none")
    assert words in str(caught.value)
    assert not list(tmp_path.iterdir())


# --- older loads ----------------------------------------------------------------------------------


def test_a_new_load_says_what_older_ones_have_left(program: MakeProgram) -> None:
    """At its beginning, with what to type, and at its end."""
    script = settled_with_one_parked(program)
    ended = script.run()
    assert ended.code == 0
    assert "load 2 begins" in ended.err
    (line,) = [line for line in ended.err.splitlines() if "persistq resume" in line]
    assert "other loads have left 1 parked (load 1): persistq resume --failed --load 1 " in line
    assert ended.err.splitlines()[-1].endswith("; other loads have left 1 parked (load 1)")


def test_a_load_that_is_retried_does_not_capture_the_next_start(program: MakeProgram) -> None:
    """Killed in the middle of the retry, load 1 waits for who names it."""
    script = settled_with_one_parked(program)
    assert script.run().code == 0
    retry = {"PERSISTQ_LOAD": "demo:1", "PERSISTQ_RETRY_FAILED": "1"}
    ended = script.run(PERSISTQ_FAILPOINT="broker.after_begin:kill", **retry)
    assert ended.code == 3
    assert script.rows("SELECT state FROM load") == ["reopened", "settled"]
    ended = script.run()
    assert ended.code == 0
    assert "load 3 begins" in ended.err
    assert "1 outstanding (load 1)" in ended.err
    ended = script.run(PERSISTQ_LOAD="demo:1")
    assert ended.code == 0, ended.err
    assert "carrying on load 1:" in ended.err
    assert script.rows("SELECT state FROM load") == ["settled"] * 3
    assert script.counts["first 3"] == 3
    assert script.rows("SELECT count(*) FROM item WHERE state = 'done'") == [2 * 3 * 20]


def test_an_abandoned_load_is_carried_on_by_who_names_it(stopped: Program) -> None:
    """What a fresh start has passed over is not lost."""
    assert stopped.run(PERSISTQ_FRESH="1").code == 0
    ended = stopped.run(PERSISTQ_LOAD="1")
    assert ended.code == 0, ended.err
    assert stopped.rows("SELECT state FROM load") == ["settled", "settled"]
    assert {stopped.counts[f"second {number}"] for number in range(20)} == {2}


def test_a_settled_load_without_failures_is_not_worked_on(program: MakeProgram) -> None:
    """Who names it learns why."""
    script = settled_with_one_parked(program)
    before = contents(script)
    refused(
        script.run(PERSISTQ_LOAD="1"), "load 1 in ", "is settled: 1 parked, which only --failed"
    )
    assert contents(script) == before


def test_a_load_of_another_name_is_not_meant(program: MakeProgram) -> None:
    """A program may open several names; the number belongs to one of them."""
    script = program(PIPELINE)
    assert script.run(PERSISTQ_LOAD="other:7").code == 0


QUEUE = """
    from persistq import PersistentQueue

    queue = PersistentQueue("demo")
    note("load", queue.load_id)
    if "HOLD" in os.environ:
        note("open", os.getpid())
        await_file("go")
    for number in (1, 2):
        queue.put(number)
    queue.close()
    for number in queue:
        if "BROKEN" in os.environ:
            queue.task_failed(number, "broken")
        else:
            queue.task_done()
    queue.join()
    queue.release()
"""


def test_a_queue_does_not_join_the_retry_of_an_older_load(program: MakeProgram) -> None:
    """What it puts would end up in a load that it does not mean."""
    script = program(QUEUE)
    first = script.run(BROKEN="1")
    assert script.rows("SELECT state FROM load") == ["settled"], first.err
    ended = script.run()
    assert "other loads have left 2 parked (load 1): persistq resume --failed --load 1" in ended.err
    retry = {"PERSISTQ_LOAD": "demo:1", "PERSISTQ_RETRY_FAILED": "1", "HOLD": "1"}
    process = script.start(env=retry)
    script.await_note("open")
    ended = script.run()
    assert ended.code != 0
    assert "is working on it; wait for it or stop it" in ended.err
    process.send_signal(signal.SIGKILL)
    script.wait(process)
    script.vanish()
    ended = script.run()
    assert script.notes[-1] == "load 3", ended.err
