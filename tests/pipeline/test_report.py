"""The figures of a real load: with a crash, a resume, failures, and items that took long."""

from __future__ import annotations

from datetime import UTC, datetime

from persistq.journal.sqlite_reader import SqliteReader
from persistq.report.figures import Figures
from persistq.report.gathering import Gathering, Situation

from .conftest import MakeProgram
from .program import Program

TEXT = """
    pipeline = Pipeline("demo", workers=2)

    @pipeline.source
    def numbers(api_token: str = "hunter2", count: int = 60):
        yield from range(count)

    @pipeline.stage(retries=1)
    def fetch(number):
        if number == 7:
            raise ValueError("no rates for day 7")
        if number == 11:
            time.sleep(0.4)
        if number == 23 and not noted("killed"):
            note("killed")
            os.kill(os.getpid(), signal.SIGKILL)
        return {"number": number, "password": "hunter2"}

    @pipeline.stage(workers=1)
    def store(row):
        if row["number"] == 40 and not noted("crashed"):
            note("crashed")
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)

    pipeline.run()
"""


def figures_of(script: Program) -> Figures:
    """Gather the figures of a script's load."""
    with SqliteReader(script.home / "journal" / "demo.db") as reader, reader.snapshot():
        view = reader.view()
        assert view.load is not None
        situation = Situation(datetime.now(UTC), str(view.load.state), None, None)
        return Gathering(reader, view, view.load, situation).figures()


def test_all_that_has_happened_is_in_the_figures(program: MakeProgram) -> None:
    """And what is counted in two ways comes to the same."""
    script = program(TEXT)
    codes = [script.run(PERSISTQ_SLOW_AFTER="0.3").code for _ in range(2)]
    assert codes == [-9, 6], script.said(script.started[-1])
    found = figures_of(script)
    assert (found.state, found.command, found.parameters["api_token"]) == (
        *("settled", str(script.script)),
        "***",
    )
    assert (found.items.put, found.items.done, found.items.parked) == (119, 118, 1)
    assert [run.result for run in found.runs] == ["killed", "done"]
    assert sum(run.done for run in found.runs) == found.items.done
    assert all(run.seconds > 0 and run.rss > 1 << 20 for run in found.runs)

    fetch, store = found.stages
    assert (fetch.items.done, store.items.done) == (59, 59)
    assert fetch.longest >= 0.4 > fetch.p50
    assert sum(bucket.items for bucket in store.durations) <= 59

    by_kind = {(one.kind, one.type): one for one in found.failures}
    raised, died = by_kind["exception", "ValueError"], by_kind["crash", "WorkerDied"]
    assert (raised.attempts, raised.items, raised.example.name) == (2, 1, "fetch:8")
    assert raised.example.traceback.endswith("ValueError: no rates for day 7")
    assert (died.stage, died.example.payload) == ("fetch", "23")
    assert found.effort.failed_attempts == sum(one.attempts for one in found.failures)

    assert [(one.name, one.payload) for one in found.slow] == [("fetch:12", "11")]
    assert {worker.run for worker in found.workers} == {1, 2}
    killed = [worker for worker in found.workers if worker.ending == "signal 9"]
    assert killed
    assert all(worker.has_died for worker in killed)
    assert found.effort.deaths >= 1
    for course, run in zip(found.course, found.runs, strict=True):
        assert course.at[-1] <= run.until.timestamp() + 0.1
        assert max(rate or 0 for stage in course.stages for rate in stage.rate) > 0
    assert '"hunter2"' not in str(found)
