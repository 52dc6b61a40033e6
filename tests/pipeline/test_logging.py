"""What a run says, and what its handlers log, as records with fields."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import MakeProgram
from .program import Program

LOAD = """
    import logging
    from persistq.logs import JsonFormatter

    def log_to_file():
        handler = logging.FileHandler(HERE / "log")
        handler.setFormatter(JsonFormatter())
        logging.basicConfig(level=logging.INFO, handlers=[handler])

    pipeline = Pipeline("demo", workers=1)

    @pipeline.source
    def numbers():
        yield from range(3)

    @pipeline.stage(retries=1, backoff=0.01)
    def work(number):
        logging.getLogger("etl").info("at %s", number, extra={"rows": number})
        if number == 2:
            raise ValueError("password=secret")

    if __name__ == "__main__":
        log_to_file()
        pipeline.run()
"""


def logged(script: Program) -> list[dict[str, Any]]:
    """Return the records."""
    return [json.loads(line) for line in (script.home / "log").read_text().splitlines()]


def about(records: list[dict[str, Any]], **fields: Any) -> list[dict[str, Any]]:
    """Return the records with these fields."""
    return [one for one in records if one.items() >= fields.items()]


def test_all_records_have_the_same_fields(program: MakeProgram, start_method: str) -> None:
    """Those of handlers, and what the run says of their items."""
    script = program(LOAD)
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 6, ended.err
    records = logged(script)
    assert {(one["journal"], one["load"]) for one in records if "load" in one} == {("demo", 1)}
    of_item = about(records, stage="work", item="work:3")
    said = [(one["logger"], one["level"], one["attempt"]) for one in of_item]
    assert sorted(said) == [
        ("etl", "INFO", 1),
        ("etl", "INFO", 2),
        ("persistq", "ERROR", 2),
        ("persistq", "WARNING", 1),
    ]
    assert len({one["worker"] for one in of_item}) == 1
    assert [one["rows"] for one in about(of_item, logger="etl")] == [2, 2]
    first, second = (one["message"] for one in about(of_item, logger="persistq"))
    assert first.endswith("(will be retried)")
    assert second.endswith("(parked)")
    assert "load 1 begins" in about(records, logger="persistq")[0]["message"]
    assert about(records, logger="persistq")[-1]["level"] == "ERROR"


def test_a_run_may_leave_all_it_says_to_logging(program: MakeProgram) -> None:
    """Then nothing of it is on standard error, and where it stands is logged as well."""
    script = program(LOAD)
    ended = script.run(PERSISTQ_PROGRESS="log", PERSISTQ_PROGRESS_PLAIN_INTERVAL="0.05")
    assert (ended.code, ended.err) == (6, "")
    messages = [one["message"] for one in about(logged(script), logger="persistq")]
    assert any(message.startswith("work 2/3, 1 failed") for message in messages)
    assert "1 item failed" in messages[-1] or "retry them with" in messages[-1]


@pytest.mark.parametrize("style", ["none", "plain"])
def test_without_logging_nothing_is_said_twice(program: MakeProgram, style: str) -> None:
    """Neither by a program that logs nothing, nor by one whose root logger is as Python has it."""
    script = program(LOAD.replace("        log_to_file()\n", ""))
    ended = script.run(PERSISTQ_PROGRESS=style)
    assert ended.code == 6
    assert ended.err.count("(parked)") == 1
    assert ended.err.count("load 1 begins") == 1
