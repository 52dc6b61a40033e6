"""A handler puts an item off: it costs no attempt, and one row however often it happens."""

from __future__ import annotations

import signal

import pytest

from .conftest import MakeProgram
from .program import kill, until

BUSY = """
    pipeline = Pipeline("demo", workers=2)
    pipeline.source(lambda: range(6))

    @pipeline.stage(retries=0OPTIONS)
    def fetch(ITEM, INFO):
        for number, info in zip(BATCH):
            note("try", number, info.attempt)
            if number % 2 and noted("try", number, 1) < 12:
                raise Retry(0, f"429 for the {noted('try', number, 1)}. time", counts=False)
            note("done", number)

    pipeline.run()
"""
ONE_BY_ONE = (
    BUSY.replace("OPTIONS", "")
    .replace("ITEM", "number")
    .replace("INFO", "item")
    .replace("zip(BATCH)", "[(number, item)]")
)
BATCHES = (
    BUSY.replace("OPTIONS", ", batch=1")
    .replace("ITEM", "numbers")
    .replace("INFO", "items")
    .replace("BATCH", "numbers, items")
)


@pytest.mark.parametrize("text", [ONE_BY_ONE, BATCHES], ids=["one by one", "in batches"])
def test_an_item_that_is_put_off_again_and_again_costs_no_attempt_and_one_row(
    program: MakeProgram, text: str
) -> None:
    """With no retries at all it is done in the end, each time as the first attempt."""
    script = program(text)
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.queues() == [(6, 6, 0, 0)]
    assert all(script.counts[f"try {number} 1"] == 12 for number in (1, 3, 5))
    rows = script.rows("SELECT kind, type, message, traceback FROM failure ORDER BY item_id")
    assert rows == [("deferred", "Retry", "429 for the 11. time", "")] * 3
    assert "will be retried" not in ended.err


def test_what_is_put_off_waits_for_its_time_when_everything_was_killed(
    program: MakeProgram,
) -> None:
    """The last time counts, although the item has failed in another way between."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: range(3))

        @pipeline.stage(retries=1)
        def store(number):
            note(number, time.time())
            tries = len([line for line in (HERE / "notes").read_text().splitlines()
                         if line.startswith("1 ")])
            if number == 1 and tries == 1:
                raise Retry(delay=0, counts=False)
            if number == 1 and tries == 2:
                raise Retry(delay=0)
            if number == 1 and tries == 3:
                raise Retry(delay=5, counts=False)

        pipeline.run()
        """
    )
    process = script.start()
    until(lambda: len([line for line in script.notes if line.startswith("1 ")]) == 3)
    until(
        lambda: (
            script.rows(
                "SELECT julianday(retry_at) - julianday(at) > 3 / 86400.0 FROM failure "
                "WHERE kind = 'deferred'"
            )
            == [1]
        )
    )
    kill(process.pid, signal.SIGKILL)
    script.wait(process)
    assert script.rows("SELECT kind FROM failure ORDER BY failure_id") == ["deferred", "exception"]
    ended = script.run()
    assert ended.code == 0, ended.err
    assert "1 outstanding (1 of them not before their next attempt is due)" in ended.err
    *_, last, again = (float(line.split()[1]) for line in script.notes if line.startswith("1 "))
    assert 5 - 0.1 <= again - last < 20
