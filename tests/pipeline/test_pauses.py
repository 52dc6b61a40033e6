"""A stage whose server is away stops, tries with one item, and goes on; no item is to blame."""

from __future__ import annotations

import pytest

from .conftest import MakeProgram
from .program import until

PROGRAM = """
    pipeline = Pipeline("demo", workers=2)

    @pipeline.source
    def numbers():
        yield from range(60)

    @pipeline.stage(pause={ConnectionError: "100 ms"}STAGE)
    def fetch(ITEM):
        for number in BATCH:
            note("try", number)
            if number == 20:
                note("down")
            if noted("down") and not (HERE / "up").exists():
                raise ConnectionRefusedError("nobody listens")
            note("done", number)

    if __name__ == "__main__":
        pipeline.run()
"""

ONE_BY_ONE = PROGRAM.replace("STAGE", "").replace("ITEM", "number").replace("BATCH", "[number]")
BATCHES = (
    PROGRAM.replace("STAGE", ", batch=5").replace("ITEM", "numbers").replace("BATCH", "numbers")
)
RESTS = "rests: ConnectionRefusedError: nobody listens"


@pytest.mark.parametrize("text", [ONE_BY_ONE, BATCHES], ids=["one by one", "in batches"])
def test_a_stage_whose_server_is_away_stops_and_goes_on(program: MakeProgram, text: str) -> None:
    """No attempt is counted, nothing is parked, and one item at a time is tried meanwhile."""
    script = program(text)
    process = script.start(
        env={"PERSISTQ_PROGRESS": "plain", "PERSISTQ_PROGRESS_PLAIN_INTERVAL": "0.05"}
    )
    script.await_note("down")
    until(lambda: RESTS in script.said(process))
    begun = len([line for line in script.notes if line.startswith("try")])
    waits = script.said(process).count("waits 0.1 s, then goes on")
    until(lambda: script.said(process).count("waits 0.1 s, then goes on") >= waits + 4)
    assert script.rows("SELECT held FROM queue") == [RESTS]
    tried = len([line for line in script.notes if line.startswith("try")])
    assert tried <= begun + 2 * 5
    script.touch("up")
    ended = script.wait(process)
    assert ended.code == 0, ended.err
    assert {f"done {number}" for number in range(60)} <= set(script.notes)
    assert script.rows("SELECT count(*) FROM failure") == [0]
    assert script.rows("SELECT done, parked, held FROM queue") == [(60, 0, "")]


def test_a_pause_ends_with_the_load(program: MakeProgram) -> None:
    """A signal does not wait for it, and the next run tries at once."""
    script = program(ONE_BY_ONE.replace("100 ms", "2 h"))
    process = script.start()
    until(lambda: "waits 7200 s, then goes on" in script.said(process))
    process.terminate()
    assert script.wait(process).code == 143
    script.touch("up")
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.rows("SELECT done, parked FROM queue") == [(60, 0)]


def test_a_pause_works_inline(program: MakeProgram) -> None:
    """The one process waits."""
    script = program(
        ONE_BY_ONE.replace("workers=2", "workers=0")
        .replace('down")\n', 'down"); _up()\n')
        .replace(
            "    @pipeline.source",
            "    def _up():\n"
            "        if noted('down') > 2:\n            (HERE / 'up').touch()\n\n"
            "    @pipeline.source",
        )
    )
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.rows("SELECT done, parked FROM queue") == [(60, 0)]


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("{ConnectionError: 'soon'}", "pause[ConnectionError]='soon' is refused: it should be"),
        ("{ConnectionError: 0}", "pause[ConnectionError]=0 is refused"),
        ("{Exception: 1}", "pause={Exception: ...} is refused: name classes of errors"),
        ("{Retry: 1}", "pause={Retry: ...} is refused"),
        ("{'ConnectionError': 1}", "pause={'ConnectionError': ...} is refused"),
        ("30", 'pause=30 is refused: give {ConnectionError: "30s"}'),
    ],
)
def test_a_wrong_pause_is_refused_where_it_is_written(
    program: MakeProgram, said: str, sentence: str
) -> None:
    """In one sentence, before anything is opened."""
    script = program(ONE_BY_ONE.replace('{ConnectionError: "100 ms"}', said))
    ended = script.run()
    assert ended.code == 2
    assert f"stage 'fetch': {sentence}" in ended.err
    assert "Traceback" not in ended.err
