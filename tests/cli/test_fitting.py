"""``persistq edit``: what the handler of the stage does not allow is refused where it is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from persistq.cli.repetition import Repetition, target_in

from .acting import Call, Record, WriteScript
from .test_amending import states
from .test_failed import refused

TYPED = """
    from dataclasses import dataclass

    from persistq import Pipeline

    print("imported")
    pipeline = Pipeline("sales", workers=1)

    @dataclass
    class Order:
        n: int
        price: float = 1.0

    pipeline.source(name="orders")(lambda: [])

    @pipeline.stage
    def store(order: Order):
        raise AssertionError("nothing is run")
"""
WRONG = "nothing was changed: item of stage 'store' is not an Order: `$.n`: Expected int, got str"
RUN = ("-m", "persistq", "run", "--workers", "2", "etl:pipeline", "--fresh")


def parked(record: Record, *argv: str) -> None:
    """Record a load with a parked item, last run by a command."""
    ledger = record(argv=argv)
    ledger.put({"n": "x", "price": 2.0})
    ledger.fail(1, "ItemNotValid", "no")
    ledger.settle()
    ledger.journal.close()


def test_the_program_of_the_last_run_says_what_fits(
    call: Call, record: Record, write_script: WriteScript
) -> None:
    """What does is put as the program would put it."""
    write_script(TYPED)
    parked(record, *RUN)
    assert refused(call, "edit", "store:1", "--set", "n=y") == WRONG
    assert states(call) == {"store:1": "parked"}
    Path("new").write_text('{"price": 3, "n": 7}')
    assert call("edit", "store:1", "--file", "new").exit_code == 0
    shown = json.loads(call("show", "store:2", "--json").stdout)
    assert json.dumps(shown["item"]) == '{"n": 7, "price": 3.0}'


def test_a_program_can_be_named(call: Call, record: Record, write_script: WriteScript) -> None:
    """One that does not say is refused, and one that was only recorded is no obstacle."""
    write_script(TYPED)
    parked(record, "-m", "persistq", "run", "gone:pipeline")
    words = ["edit", "store:1", "--set", "n=y", "--dry-run"]
    assert refused(call, *words, "--program", "etl.py:pipeline") == WRONG
    assert "there is no module 'gone'" in refused(call, *words, "--program", "gone:pipeline")
    result = call(*words)
    assert result.exit_code == 0
    assert "not checked, because gone:pipeline does not say what fits: there is no" in result.stderr


def test_a_program_that_runs_when_it_is_imported_is_not_run(
    call: Call, record: Record, write_script: WriteScript
) -> None:
    """It is ended, as it would be in a child process."""
    write_script(TYPED + "\n    pipeline.run()\n")
    parked(record, "etl.py")
    words = ["edit", "store:1", "--set", "n=y", "--dry-run"]
    assert "it runs its pipeline when it is imported" in refused(
        call, *words, "--program", "etl:pipeline"
    )
    assert call(*words).exit_code == 0


@pytest.mark.parametrize(
    ("argv", "target"),
    [
        (RUN, "etl:pipeline"),
        (("/bin/persistq", "run", "--param", "a=b", "etl.py:pipeline"), "etl.py:pipeline"),
        (("/bin/persistq", "run", "etl.py"), ""),
        (("/bin/persistq", "resume", "etl:pipeline"), ""),
        (("etl.py", "run", "etl:pipeline"), ""),
        (("/bin/persistq", "run"), ""),
    ],
)
def test_a_recorded_command_names_what_can_be_imported(argv: tuple[str, ...], target: str) -> None:
    """A script without the name of a pipeline is run by it, and so cannot be."""
    assert target_in(Repetition("python", argv, "/", {}, None)) == target
