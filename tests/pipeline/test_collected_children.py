"""Children whose exit status somebody else has: a thread, or the kernel if SIGCHLD is ignored."""

from __future__ import annotations

import pytest

from .conftest import MakeProgram

DIES = """
    import subprocess
    {before}
    pipeline = Pipeline("demo", workers=1)

    @pipeline.source
    def numbers():
        yield from range(6)

    @pipeline.stage
    def work(number):
        if number == 3 and not noted("died"):
            note("died")
            os.kill(os.getpid(), signal.SIGKILL)
        note(number)

    if __name__ == "__main__":
        {run}
"""

IGNORED = "signal.signal(signal.SIGCHLD, signal.SIG_IGN)"

IN_A_THREAD = "one = threading.Thread(target=pipeline.run); one.start(); one.join()"

BY_A_THREAD = """
    def collect():
        while True:
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                time.sleep(0.001)

    if __name__ == "__main__" and not noted("collecting"):
        note("collecting")
        threading.Thread(target=collect, daemon=True).start()
"""

BY_A_HANDLER = """
    def collect(*_):
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                continue
        except ChildProcessError:
            return

    if __name__ == "__main__":
        signal.signal(signal.SIGCHLD, collect)
"""


@pytest.mark.parametrize(
    ("before", "run"),
    [
        (IGNORED, "pipeline.run()"),
        (IGNORED, IN_A_THREAD),
        (BY_A_THREAD, "pipeline.run()"),
        (BY_A_HANDLER, "pipeline.run()"),
    ],
    ids=["ignored", "ignored-in-a-thread", "collected-by-a-thread", "collected-by-a-handler"],
)
def test_a_worker_that_died_is_replaced_whoever_collects_it(
    program: MakeProgram, start_method: str, before: str, run: str
) -> None:
    """The run goes on and ends, and the item is blamed once, as it is with a status."""
    script = program(DIES.format(before=before, run=run))
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 0, ended.err
    assert script.queues() == [(6, 6, 0, 0)]
    assert {str(number) for number in range(6)} <= set(script.notes)
    assert script.rows("SELECT kind FROM failure") == ["crash"]


def test_how_a_worker_died_is_known_although_sigchld_is_ignored(program: MakeProgram) -> None:
    """While a pipeline runs in the main thread the kernel keeps what its parent wants to know."""
    before, run = IGNORED, "pipeline.run(); note('after', signal.getsignal(signal.SIGCHLD).name)"
    script = program(DIES.format(before=before, run=run))
    ended = script.run()
    assert "worker work-1 was killed by SIGKILL; starting another one" in ended.err
    assert script.rows("SELECT signal FROM failure") == [9]
    assert script.counts["after SIG_IGN"] == 1


def test_an_end_that_nobody_knows_is_not_guessed(program: MakeProgram) -> None:
    """The journal says nothing instead of an exit code that was made up."""
    script = program(DIES.format(before=IGNORED, run=IN_A_THREAD))
    ended = script.run(PERSISTQ_START_METHOD="fork")
    assert "worker work-1 ended in an unknown way" in ended.err
    assert script.rows("SELECT signal, exit_code FROM failure") == [(None, None)]


HANDLER_FAILS = """
    import subprocess
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    pipeline = Pipeline("demo", workers=1)

    @pipeline.source
    def numbers():
        yield 1

    @pipeline.stage
    def work(number):
        subprocess.run([sys.executable, "-c", "raise SystemExit(3)"], check=True)

    if __name__ == "__main__":
        pipeline.run(check=False)
"""


def test_a_program_that_a_handler_starts_cannot_fail_unseen(program: MakeProgram) -> None:
    """Where SIGCHLD is ignored, `subprocess` takes every program for one that ended well."""
    script = program(HANDLER_FAILS)
    script.run()
    assert script.queues() == [(1, 0, 0, 1)]


DEAF = """
    pipeline = Pipeline("demo", workers=1)

    @pipeline.source
    def numbers():
        yield 1

    @pipeline.stage
    def work(number):
        {closing}
        await_file("go")

    if __name__ == "__main__":
        before = sum(os.times()[:2])
        threading.Timer(2, Path(HERE / "go").touch).start()
        pipeline.run()
        note("busy", int(1000 * (sum(os.times()[:2]) - before)))
"""

CLOSE_SENTINEL = """
        import stat
        for number in range(3, 64):
            try:
                if stat.S_ISFIFO(os.fstat(number).st_mode):
                    os.close(number)
            except OSError:
                pass
"""


def test_a_worker_that_closes_its_pipes_does_not_make_its_parent_spin(program: MakeProgram) -> None:
    """A ready sentinel is not the end of a process, and waiting for it no waiting."""
    script = program(DEAF.format(closing=CLOSE_SENTINEL.strip()))
    ended = script.run(PERSISTQ_START_METHOD="fork")
    assert "busy" in " ".join(script.notes), ended.err
    assert script.pid("busy") < 1000
