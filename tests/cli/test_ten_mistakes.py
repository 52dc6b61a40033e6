"""What users get wrong most: each mistake is answered with one sentence that says how to go on."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from .acting import Ledger, Record, Shell, WriteScript
from .test_failed import night

SCRIPT = """
    from persistq import Pipeline

    pipeline = Pipeline("sales"{option})


    @pipeline.source
    def numbers():
        yield 1


    @pipeline.stage{stage_option}
    def store(number):
        pass
"""


class Mistake(NamedTuple):
    """Something typed, and the answer.

    Attributes:
        typed: Words after ``persistq``; of a wrong script, none.
        answer: The last line of what is said.
        code: The exit code.
        stdin: What is typed into it.
    """

    typed: str
    answer: str
    code: int = 2
    stdin: str = ""


MISTAKES = {
    "a verb with a typo": Mistake(
        "stats", "Error: No such command 'stats'. Did you mean 'status'?"
    ),
    "an option with a typo": Mistake(
        "retry --smaple 5", "Error: No such option '--smaple'. Did you mean '--sample'?"
    ),
    "a stage with a typo": Mistake(
        "failed sales --stage stroe",
        "persistq: load 1 of 'sales' has no stage 'stroe'; its stages are: store",
    ),
    "a load that is not there": Mistake(
        "status slaes",
        "persistq: journal {here}/.persistq/slaes.db: there is no journal here; did you mean "
        "sales? there are: sales",
        code=4,
    ),
    "a load's wrong number": Mistake(
        "status sales --load 7", "persistq: 'sales' has no load 7; its latest ones are: 1"
    ),
    "an item that is not there": Mistake(
        "show store:99",
        "persistq: stage store of load 1 of 'sales' has no item 99; its items are numbered from 1 "
        "to 5",
    ),
    "a number without a stage": Mistake(
        "why 2", "persistq: 2 alone names no item: give its stage too, as in clean:2"
    ),
    "a retry of what is done": Mistake(
        "retry store:1",
        "persistq: store:1 is done, and only what is parked as failed can be changed",
    ),
    "a retry of nothing in particular": Mistake(
        "retry",
        "persistq: say which items: give their names, as in clean:6, or --stage, --error or --all",
    ),
    "an edit that is no JSON": Mistake(
        "edit store:3 --file -",
        "persistq: nothing was changed, this is no JSON: JSON is malformed: invalid character "
        "(byte 0)",
        stdin="NaN",
    ),
    "an edit of which no item can be made": Mistake(
        "edit store:2 --set n=123456789012345678901234567890",
        "persistq: nothing was changed: an item of type dict cannot be stored: JSON cannot hold it "
        "without loss, and this queue does not allow pickle",
    ),
    "an edit of a field that is not there": Mistake(
        "edit store:2 --set m=3",
        "persistq: --set 'm=3' names no field of store:2, as in day=5; its fields are: n, "
        "password, url, key",
    ),
    "a script for a verb": Mistake(
        "etl.py", "Error: No such command 'etl.py'. Did you mean 'persistq run etl.py'?"
    ),
}


@pytest.fixture
def recorded(record: Record) -> Ledger:
    """A settled load with parked items that nobody has open."""
    ledger = night(record)
    ledger.journal.close()
    return ledger


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_has_its_sentence(
    shell: Shell, recorded: Ledger, write_script: WriteScript, name: str
) -> None:
    """Nothing is written elsewhere, nothing is changed, and no traceback is shown."""
    mistake, script = MISTAKES[name], write_script()
    before = (script.parent / ".persistq" / "sales.db").read_bytes()
    ended = shell(*mistake.typed.split(), typed=mistake.stdin)
    answer = mistake.answer.format(here=script.parent.resolve())
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (mistake.code, answer)
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    assert (script.parent / ".persistq" / "sales.db").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        (
            {"option": "", "stage_option": "(retires=3)"},
            "persistq: a stage has no option 'retires'; did you mean retries?",
        ),
        (
            {"option": ", worker=2", "stage_option": ""},
            "persistq: Pipeline has no option 'worker'; did you mean workers?",
        ),
    ],
)
def test_a_wrong_option_in_a_script_has_its_sentence(
    shell: Shell, write_script: WriteScript, options: dict[str, str], answer: str
) -> None:
    """However the script is started."""
    script = write_script(SCRIPT.format(**options))
    for words, python in (([str(script)], True), (["run", str(script)], False)):
        ended = shell(*words, python=python)
        assert (ended.returncode, ended.stderr.splitlines()) == (2, [answer])
