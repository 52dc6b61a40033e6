"""Events of a run at work: who follows them misses nothing, whoever dies meanwhile."""

from __future__ import annotations

import pytest

import persistq
from persistq.event import Event, EventKind

from .conftest import MakeProgram
from .program import Program

SALES = """
    pipeline = Pipeline("demo", workers=2)

    @pipeline.source
    def numbers():
        yield from range(40)

    @pipeline.stage(retries=1, backoff=0.01)
    def work(number):
        if number == 7:
            raise ValueError("no")
        return number

    @pipeline.stage
    def store(number):
        pass

    if __name__ == "__main__":
        pipeline.run()
"""


def told(script: Program) -> list[Event]:
    """Return what has happened in a journal."""
    return [*persistq.events("demo", follow=False, journal=str(script.home / "journal"))]


def test_a_run_is_told_from_its_first_item_to_its_end(program: MakeProgram) -> None:
    """What was put, each failure, what is parked, the end."""
    script = program(SALES)
    assert script.run().code == 6
    events = told(script)
    put = {stage: [e for e in events if e.stage == stage and e.kind == "put"] for stage in STAGES}
    assert {stage: sum(e.items for e in found) for stage, found in put.items()} == STAGES
    rest = [(e.kind.value, e.first, e.error) for e in events if e.kind != "put"]
    assert rest == [
        ("failed", "work:8@1", "ValueError: no"),
        ("failed", "work:8@1", "ValueError: no"),
        ("parked", "work:8@1", ""),
        ("settled", "", ""),
    ]
    assert events[-1].kind == "settled"


STAGES = {"work": 40, "store": 39}


@pytest.mark.parametrize("fault", ["journal.before_event@2", "broker.after_commit@4"])
def test_each_thing_is_told_once_whoever_dies(program: MakeProgram, fault: str) -> None:
    """A run that carries the load on goes on with the numbers, and repeats nothing."""
    script = program(SALES)
    assert script.run(PERSISTQ_FAILPOINT=fault).code == 3
    before = told(script)
    assert script.run().code == 6
    events = told(script)
    assert events[: len(before)] == before
    assert [event.number for event in events] == [*range(1, len(events) + 1)]
    ids = [e.ids for e in events if e.kind == "put" and e.ids is not None]
    assert sum(one.count for one in ids) == sum(STAGES.values())
    assert [event.kind for event in events].count(EventKind.SETTLED) == 1


WAITING = """
    pipeline = Pipeline("demo", workers=1)

    @pipeline.source
    def numbers():
        yield from range(3)

    @pipeline.stage
    def work(number):
        note("begun")
        await_file("told")

    if __name__ == "__main__":
        pipeline.run()
"""


def test_puts_are_told_while_the_run_is_at_work(program: MakeProgram) -> None:
    """A moment after they were committed, also if nothing else happens."""
    script = program(WAITING)
    run = script.start()
    script.await_note("begun")
    events = persistq.events("demo", timeout=20, journal=str(script.home / "journal"))
    assert any(event.last == "work:3@1" for event in events)
    script.touch("told")
    assert script.wait(run).code == 0
