"""Handlers that start processes and threads of their own."""

from __future__ import annotations

import pytest

from .conftest import MakeProgram
from .program import kill, until

BEGINS = """
    import multiprocessing, subprocess
    pipeline = Pipeline("demo", workers=2)

    @pipeline.source
    def numbers():
        yield from range(20)

    def child(number):
        note("child", number)

    def forks(number, end):
        pid = os.fork()
        if pid == 0:
            note("child", number)
            end()
            return
        os.waitpid(pid, 0)

    def fail():
        raise ValueError("in the child")

    def thread(number):
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        note("child", number)

    def process(number):
        one = multiprocessing.Process(target=child, args=(number,))
        one.start()
        one.join()
        assert one.exitcode == 0

    def program(number):
        subprocess.run([sys.executable, "-c", "pass"], check=True, stdin=subprocess.DEVNULL)
        note("child", number)

    @pipeline.stage
    def work(number):
        note(number)
        if number % 5 == 0:
            {way}

    if __name__ == "__main__":
        pipeline.run()
"""


@pytest.mark.parametrize(
    "way",
    [
        "forks(number, lambda: os._exit(0))",
        "forks(number, lambda: None)",
        "forks(number, fail)",
        "process(number)",
        "program(number)",
        "thread(number)",
    ],
)
def test_a_handler_may_start_processes_and_threads(program: MakeProgram, way: str) -> None:
    """Each item is run once, by the worker; no child reports or takes anything."""
    script = program(BEGINS.format(way=way))
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.queues() == [(20, 20, 0, 0)]
    children = {f"child {number}": 1 for number in (0, 5, 10, 15)}
    assert script.counts == {**{str(number): 1 for number in range(20)}, **children}
    assert script.rows("SELECT count(*) FROM failure") == [0]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_of_handlers_under_other_start_methods(program: MakeProgram, method: str) -> None:
    """The worker is a normal process there too."""
    script = program(BEGINS.format(way="process(number)"))
    ended = script.run(PERSISTQ_START_METHOD=method)
    assert ended.code == 0, ended.err
    assert script.counts["child 15"] == 1


LINGERS = """
    pipeline = Pipeline("demo", workers=1)

    @pipeline.source
    def numbers():
        yield from range(5)

    @pipeline.stage
    def work(number, item):
        note(number)
        if number == 2 and item.attempt == 1 and not noted("linger"):
            note("linger")
            if os.fork() == 0:
                os.setsid()
                note("pid", os.getpid())
                await_file("go")
                os._exit(0)
            {then}

    if __name__ == "__main__":
        pipeline.run()
"""


def test_a_grandchild_that_keeps_pipes_open_hides_no_death(program: MakeProgram) -> None:
    """It has inherited what its worker had open, and the worker's death is seen all the same."""
    script = program(LINGERS.format(then="noted('pid') or os.abort()"))
    process = script.start()
    until(lambda: "was killed by SIGABRT; starting another one" in script.said(process))
    script.touch("go")
    ended = script.wait(process)
    assert ended.code == 0, ended.err
    assert script.queues() == [(5, 5, 0, 0)]
    assert script.rows("SELECT kind, signal FROM failure") == [("crash", 6)]


def test_an_item_waits_for_what_its_dead_worker_has_forked(program: MakeProgram) -> None:
    """The others are done meanwhile, and nobody is at work on it twice at the same time."""
    script = program(LINGERS.format(then="noted('pid') or os.abort()"))
    process = script.start()
    lingering = script.pid("pid")
    for number in (3, 4):
        script.await_note(str(number))
    assert script.counts["2"] == 1
    assert lingering in script.processes()
    script.touch("go")
    ended = script.wait(process)
    assert ended.code == 0, ended.err
    assert script.counts["2"] == 2


def test_what_a_dead_worker_has_forked_is_not_waited_for_without_limit(
    program: MakeProgram,
) -> None:
    """After `fence_timeout` the item is handed out all the same."""
    script = program(LINGERS.format(then="noted('pid') or os.abort()"))
    ended = script.run(PERSISTQ_FENCE_TIMEOUT="0.3")
    assert ended.code == 0, ended.err
    assert script.counts["2"] == 2
    assert script.pid("pid") in script.processes()
    script.touch("go")


def test_what_a_handler_has_forked_keeps_the_next_run_waiting(program: MakeProgram) -> None:
    """It may be at work on an item still, so it is named, and the run starts when it is gone."""
    script = program(LINGERS.format(then=""))
    assert script.run().code == 0
    lingering = script.pid("pid")
    refused = script.run(PERSISTQ_FENCE_TIMEOUT="0.05")
    assert refused.code == 4
    assert f"workers of an earlier run are still at work (processes {lingering})" in refused.err
    script.touch("go")
    until(lambda: lingering not in script.processes())
    assert script.run().code == 0


def test_what_a_killed_worker_has_started_ends_with_it(program: MakeProgram) -> None:
    """Otherwise it would go on with an item that another worker is doing again."""
    script = program(
        """
        import subprocess
        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: range(5))

        @pipeline.stage
        def work(number, item):
            if number == 2 and item.attempt == 1:
                child = subprocess.Popen(["sleep", "1000"])
                note("child", child.pid)
                note("pid", os.getpid())
                child.wait()
            note(number)
            if number == 4:
                await_file("go")

        pipeline.run()
        """
    )
    process = script.start()
    worker, child = script.pid("pid"), script.pid("child")
    kill(worker)
    script.await_note("4")
    until(lambda: child not in script.processes())
    script.touch("go")
    ended = script.wait(process)
    assert ended.code == 0, ended.err
    assert script.queues() == [(5, 5, 0, 0)]
