"""Batches: a handler that gets a list, and what becomes of each of its items."""

from __future__ import annotations

import textwrap

import pytest

from persistq import Pipeline
from persistq.errors import UsageError

from .conftest import MakeProgram

BATCHES = """
    from persistq import Failed
    pipeline = Pipeline("demo", workers={workers})
    SCRIPT = os.getpid()

    @pipeline.source
    def numbers():
        yield from range({count})

    @pipeline.stage({options})
    def work(numbers):
        note("batch", len(numbers))
        {body}

    @pipeline.stage
    def last(number):
        note("got", number)

    if __name__ == "__main__":
        pipeline.run()
"""


def script_of(
    body: str, *, options: str = "batch=10, linger=30", count: int = 25, workers: int = 1
) -> str:
    """Return a pipeline whose first stage gets batches."""
    body = textwrap.indent(textwrap.dedent(body).strip(), 8 * " ").strip()
    return BATCHES.format(body=body, options=options, count=count, workers=workers)


def sizes(notes: list[str]) -> list[int]:
    """Return how large the batches were, in order."""
    return [int(line.split()[1]) for line in notes if line.startswith("batch")]


def got(notes: list[str]) -> list[int]:
    """Return what the last stage got."""
    return sorted(int(line.split()[1]) for line in notes if line.startswith("got"))


def test_items_come_in_full_batches_and_the_rest_at_the_end(
    program: MakeProgram, start_method: str
) -> None:
    """Each item's result is its own, and goes on; of None nothing does."""
    script = program(script_of("return [n * 10 if n % 2 else None for n in numbers]"))
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 0, ended.err
    assert sizes(script.notes) == [10, 10, 5]
    assert got(script.notes) == [n * 10 for n in range(25) if n % 2]
    assert script.queues() == [(25, 25, 0, 0), (12, 12, 0, 0)]


def test_items_come_in_batches_inline(program: MakeProgram) -> None:
    """For a debugger, as with processes."""
    script = program(script_of("yield from numbers", workers=0))
    assert script.run().code == 0
    assert sizes(script.notes) == [10, 10, 5]
    assert got(script.notes) == [*range(25)]


def test_outputs_say_of_which_item_they_were_made(program: MakeProgram) -> None:
    """An item may have several, if it is given a generator."""
    script = program(script_of("return [iter([n] * n) for n in numbers]", count=4))
    assert script.run().code == 0
    assert got(script.notes) == [1, 2, 2, 3, 3, 3]
    [first] = script.rows("SELECT min(first_id) FROM put_block WHERE origin IS NULL")
    made = script.rows("SELECT origin, steps FROM put_block WHERE origin IS NOT NULL")
    assert made == [(first + 1, b"\1\0\1\0\0")]


def test_a_batch_that_is_not_full_waits_no_longer_than_it_lingers(program: MakeProgram) -> None:
    """The source goes on only when its first items have come through."""
    script = program("""
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def numbers():
            yield from range(3)
            await_file("go")
            yield from range(3, 5)

        @pipeline.stage(batch=10, linger=0.05)
        def work(numbers):
            note("batch", len(numbers))

        if __name__ == "__main__":
            pipeline.run()
    """)
    running = script.start()
    script.await_note("batch")
    script.touch("go")
    assert script.wait(running).code == 0
    assert sum(sizes(script.notes)) == 5
    assert len(sizes(script.notes)) >= 2


def test_a_batch_that_raises_is_tried_item_by_item_once(program: MakeProgram) -> None:
    """The bad items alone fail, each with its own error; retries are counted for each."""
    body = """
        if 3 in numbers or 7 in numbers:
            raise ValueError(f"cannot do {numbers}")
        return numbers
    """
    script = program(script_of(body, options="batch=10, retries=1, backoff=0"))
    ended = script.run()
    assert ended.code == 6, ended.err
    assert script.queues()[0] == (25, 23, 0, 2)
    assert got(script.notes) == [n for n in range(25) if n not in {3, 7}]
    failures = script.rows("SELECT message FROM failure ORDER BY failure_id")
    assert failures[:2] == ["cannot do [3]", "cannot do [7]"]
    assert sorted(set(failures[2:])) == ["cannot do [3]", "cannot do [7]"]
    assert len(failures) == 4
    assert script.counts["batch 1"] >= 10


def test_a_handler_says_which_items_failed(program: MakeProgram) -> None:
    """The others are done, with what was made of them, and nothing is tried again."""
    body = """
        bad = {i: ValueError(f"no {n}") for i, n in enumerate(numbers) if n in {3, 17}}
        if bad:
            raise Failed(bad, numbers)
        return numbers
    """
    script = program(script_of(body))
    assert script.run().code == 6
    assert sizes(script.notes) == [10, 10, 5]
    assert got(script.notes) == [n for n in range(25) if n not in {3, 17}]
    assert script.rows("SELECT message FROM failure ORDER BY message") == ["no 17", "no 3"]


def test_drop_and_retry_are_asked_for_all_items_of_a_call(program: MakeProgram) -> None:
    """They are requests, not errors, so that nothing is tried item by item."""
    body = """
        if 0 in numbers:
            raise Drop("old")
        if 10 in numbers and not noted("again"):
            note("again")
            raise Retry(0)
        return numbers
    """
    script = program(script_of(body, options="batch=10, linger=0.05, retries=1", count=20))
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.queues() == [(20, 10, 10, 0), (10, 10, 0, 0)]
    # How the ten that are tried again come together is a matter of moments.
    assert sizes(script.notes)[:2] == [10, 10]
    assert sum(sizes(script.notes)) == 30
    assert script.rows("SELECT DISTINCT reason FROM drop_reason") == ["old"]


@pytest.mark.parametrize(
    ("returned", "said"), [("[1]", "returned 1 results for a batch of 10"), ("7", "returned a int")]
)
def test_results_that_belong_to_no_item_fail_all(
    program: MakeProgram, returned: str, said: str
) -> None:
    """Nobody knows whose they are. What the call has done is not done again."""
    script = program(script_of(f"return {returned}", count=10))
    ended = script.run()
    assert ended.code == 6
    assert said in ended.err
    assert sizes(script.notes) == [10]
    assert script.queues()[0] == (10, 0, 0, 10)


def test_an_item_whose_result_cannot_be_stored_fails_alone(program: MakeProgram) -> None:
    """The others go on."""
    script = program(script_of("return [n if n != 4 else (lambda: n) for n in numbers]", count=10))
    assert script.run().code == 6
    assert sizes(script.notes) == [10]
    assert got(script.notes) == [n for n in range(10) if n != 4]
    assert script.queues()[0] == (10, 9, 0, 1)


def test_a_batch_that_kills_its_worker_is_halved(program: MakeProgram, start_method: str) -> None:
    """Down to the item that kills, which alone is parked."""
    body = """
        if 13 in numbers:
            os._exit(9)
        return numbers
    """
    script = program(script_of(body, workers=2))
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 6, ended.err
    assert script.queues()[0] == (25, 24, 0, 1)
    assert got(script.notes) == [n for n in range(25) if n != 13]
    failures = script.rows(
        "SELECT DISTINCT kind, item_id & 1023 FROM failure ORDER BY kind, item_id"
    )
    assert failures[0] == ("crash", 14)
    assert failures[1:] == [("suspect", number) for number in range(11, 21)]


def test_a_call_that_takes_too_long_is_ended_whatever_its_size(program: MakeProgram) -> None:
    """Its batch is halved like one that kills."""
    body = """
        if 3 in numbers:
            await_file("never")
        return numbers
    """
    options = "batch=10, linger=30, timeout=0.3"
    script = program(script_of(body, options=options, count=10))
    ended = script.run()
    assert ended.code == 6, ended.err
    assert "it ran for more than 0.3 s" in ended.err
    assert script.queues()[0] == (10, 9, 0, 1)


def test_rules_that_end_a_load_count_items(program: MakeProgram) -> None:
    """Not batches."""
    body = 'raise Failed({0: ValueError("a"), 1: ValueError("b"), 2: ValueError("c")})'
    options = 'batch=10, halt="soon,fail=3"'
    script = program(script_of(body, options=options, count=10))
    ended = script.run()
    assert ended.code == 3, ended.err
    assert script.queues()[0] == (10, 7, 0, 3)


def test_a_killed_load_with_batches_is_carried_on(program: MakeProgram) -> None:
    """What was not acknowledged comes again, all of it."""
    body = """
        if 0 in numbers and not noted("killed"):
            note("killed")
            os.kill(SCRIPT, signal.SIGKILL)
        return numbers
    """
    script = program(script_of(body, workers=2))
    assert script.run().code == -9
    script.vanish()
    assert script.run().code == 0
    assert got(script.notes) == [*range(25)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch": 0}, "batch=0 is refused: it should be a whole number, from 1 to 100,000"),
        ({"batch": True}, "batch=True is refused"),
        ({"batch": 5, "linger": -1.0}, "linger=-1.0 is refused"),
        ({"linger": 2.0}, "linger= without batch="),
        ({"batch_bytes": 2}, "batch_bytes= without batch="),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], said: str) -> None:
    """Where they are written."""
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        Pipeline("demo").stage(**options)(lambda numbers: None)  # type: ignore[call-overload]


def test_a_handler_of_batches_learns_about_all_items() -> None:
    """By a parameter that is named for it; the one for a single item is refused."""
    with pytest.raises(UsageError, match="'item', which nobody fills; did you mean items"):
        Pipeline("demo").stage(batch=5)(lambda numbers, item: None)
