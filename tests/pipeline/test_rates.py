"""A stage with a rate: over all workers, kills and loads."""

from __future__ import annotations

import signal

import pytest

from .conftest import MakeProgram
from .program import Program, kill, until

PROGRAM = """
    pipeline = Pipeline("demo", workers=3)

    @pipeline.source
    def numbers():
        yield from range(50)

    @pipeline.stage(rate="50/s"OPTIONS)
    def fetch(ITEM):
        note("call", time.monotonic())
        BODY

    if __name__ == "__main__":
        pipeline.run()
"""
SINGLY = PROGRAM.replace("OPTIONS", "").replace("ITEM", "number")


def calls(script: Program) -> list[float]:
    """Return when the handler was called, in order."""
    return sorted(float(line.split()[1]) for line in script.notes if line.startswith("call"))


def require_rate(times: list[float]) -> None:
    """Check that the calls took the time that they must take at 50 in a second.

    A call that comes late by itself makes the ones behind it look too quick, so only the whole is
    looked at; a third is left for how late the first one may have been.
    """
    assert times[-1] - times[0] >= (len(times) - 2) / 50 * 2 / 3


def test_all_workers_together_keep_a_rate_over_kills(program: MakeProgram) -> None:
    """What is called again after a kill counts as well."""
    script = program(SINGLY.replace("BODY", "pass"))
    process = script.start()
    until(lambda: len(calls(script)) >= 15)
    kill(process.pid, signal.SIGKILL)
    script.wait(process)
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.queues() == [(50, 50, 0, 0)]
    assert len(calls(script)) >= 50
    require_rate(calls(script))


def test_the_next_load_goes_on_with_the_rate(program: MakeProgram) -> None:
    """Who starts a program in a circle calls no more often."""
    script = program(
        SINGLY.replace("range(50)", "range(1)").replace("50/s", "20/min").replace("BODY", "pass")
    )
    for _ in range(2):
        ended = script.run()
        assert ended.code == 0, ended.err
    first, second = calls(script)
    assert second - first >= 2.2


def test_a_rate_holds_for_calls_of_batches_and_for_what_is_tried_again(
    program: MakeProgram,
) -> None:
    """A call that raises is followed by one call for each of its items, each when it is due."""
    script = program(
        PROGRAM.replace("50/s", "10/s")
        .replace("OPTIONS", ", batch=5")
        .replace("ITEM", "numbers")
        .replace('"call"', '"call" if len(numbers) > 1 else "call alone"')
        .replace("BODY", "if 7 in numbers: raise ValueError(7)")
    )
    ended = script.run()
    assert ended.code == 6, ended.err
    assert script.queues() == [(50, 49, 0, 1)]
    alone = [float(line.split()[-1]) for line in script.notes if line.startswith("call alone")]
    assert len(alone) == 5
    assert len(script.notes) == 10 + 5
    assert max(alone) - min(alone) >= 0.2


def test_a_rate_holds_inline(program: MakeProgram) -> None:
    """The one process waits."""
    script = program(SINGLY.replace("workers=3", "workers=0").replace("BODY", "pass"))
    ended = script.run()
    assert ended.code == 0, ended.err
    assert len(calls(script)) == 50
    require_rate(calls(script))


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("rate='fast'", "stage 'fetch': rate='fast' is refused: it should be a text like '20/s'"),
        ("burst=3", "stage 'fetch': burst= without rate="),
        ("rate='1/s', sink='sqlite:///x.db'", "rate= does not go with sink="),
    ],
)
def test_a_wrong_rate_is_refused_where_it_is_written(
    program: MakeProgram, said: str, sentence: str
) -> None:
    """In one sentence, before anything is opened."""
    script = program(SINGLY.replace('rate="50/s"', said).replace("BODY", "pass"))
    ended = script.run()
    assert ended.code == 2
    assert sentence in ended.err
    assert "Traceback" not in ended.err
