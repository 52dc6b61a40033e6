"""What the journal keeps about workers that died."""

from __future__ import annotations

import pytest

from .conftest import MakeProgram

DIES = """
    from persistq.pool import endings
    endings._OOM_KILLS = HERE / "vmstat"
    endings._OOM_KILLS.write_text("pgfault 12\\noom_kill 3\\n")
    pipeline = Pipeline("demo", workers=1)

    @pipeline.source
    def numbers():
        yield from range(3)

    def out_of_memory():
        endings._OOM_KILLS.write_text("pgfault 13\\noom_kill 4\\n")
        os.kill(os.getpid(), signal.SIGKILL)

    @pipeline.stage(max_crashes=1)
    def work(number):
        if number == 1:
            note("pid", os.getpid())
            {way}

    if __name__ == "__main__":
        pipeline.run()
"""


@pytest.mark.parametrize(
    ("way", "killed_by", "exit_code", "out_of_memory"),
    [
        ("os._exit(0)", None, 0, 0),
        ("os._exit(7)", None, 7, 0),
        ("os.abort()", 6, -6, 0),
        ("os.kill(os.getpid(), signal.SIGKILL)", 9, -9, 0),
        ("out_of_memory()", 9, -9, 1),
    ],
)
def test_the_end_of_a_worker_is_kept_with_the_attempt(
    program: MakeProgram, way: str, killed_by: int | None, exit_code: int, out_of_memory: int
) -> None:
    """Process, signal, exit code, memory, and whether the kernel was short of memory."""
    script = program(DIES.format(way=way))
    ended = script.run()
    assert ended.code == 6, ended.err
    assert ("likely for want of memory" in ended.err) == bool(out_of_memory)
    assert script.queues() == [(3, 2, 0, 1)]
    columns = "kind, pid, signal, exit_code, out_of_memory"
    assert script.rows(f"SELECT {columns} FROM failure") == [
        ("crash", script.pid("pid"), killed_by, exit_code, out_of_memory)
    ]
    [peak] = script.rows("SELECT peak_rss FROM failure")
    assert 5_000_000 < peak < 5_000_000_000


LATE_NEWS = """
    from persistq.pool.crew import Crew

    def reap_at_the_end(self, now, reap=Crew.reap):
        return reap(self, now) if all(place.over for place in self.places) else iter([])

    Crew.reap = reap_at_the_end

    if __name__"""


def test_a_death_that_is_noticed_when_all_is_over_is_kept_too(program: MakeProgram) -> None:
    """The broker can settle the last item before its worker's parent has seen the worker end."""
    script = DIES.replace("range(3)", "range(2)").replace("\n    if __name__", LATE_NEWS)
    made = program(script.format(way="os._exit(0)"))
    ended = made.run()
    assert ended.code == 6, ended.err
    assert made.rows("SELECT kind, exit_code FROM failure") == [("crash", 0)]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_worker_that_leaves_without_a_farewell_has_crashed(
    program: MakeProgram, method: str
) -> None:
    """Exit code 0 proves nothing, under other start methods too."""
    script = program(DIES.format(way="os._exit(0)"))
    ended = script.run(PERSISTQ_START_METHOD=method)
    assert ended.code == 6, ended.err
    assert script.rows("SELECT kind, exit_code FROM failure") == [("crash", 0)]
