"""Streams that are closed, full, or whose reader has left, change nothing of a load."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from persistq.errors import ItemsFailed

from .conftest import MakeProgram
from .program import COOKIE, DEADLINE_S, Program

PARKED = str(ItemsFailed.exit_code)

LOAD = """
    {before}
    pipeline = Pipeline("demo", workers=2)

    @pipeline.source
    def numbers():
        yield from range(30)
        {then}

    @pipeline.stage
    def work(number):
        note(number)
        if number in {broken}:
            raise ValueError(number)

    if __name__ == "__main__":
        pipeline.run({run})
        {after}
"""


def load(
    *,
    before: str = "",
    then: str = "",
    run: str = "",
    after: str = "",
    broken: tuple[int, ...] = (),
) -> str:
    """Return the text of a program."""
    return LOAD.format(before=before, then=then, run=run, after=after, broken=broken)


def shell(script: Program, line: str, **env: str) -> str:
    """Run a shell's line, in which $LOAD is the program; return the exit code that it writes.

    Nothing of the line's own output is read, so that a closed stream can be one.
    """
    settings = {
        "PERSISTQ_JOURNAL": str(script.home / "journal"),
        "PERSISTQ_PROGRESS_PLAIN_INTERVAL": "0.1",
        "LOAD": f"{sys.executable} {script.script}",
        COOKIE: script.cookie,
    }
    unwanted = ("PERSISTQ_", "PYTHONUNBUFFERED")
    outer = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
    subprocess.run(
        ["sh", "-c", line],
        cwd=script.home,
        env={**outer, **settings, **env},
        timeout=DEADLINE_S,
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return (script.home / "code").read_text().strip()


CLOSED = ["2>&-", ">&-", "<&-", ">&- 2>&-", "<&- 2>&-", "<&- >&- 2>&-"]


@pytest.mark.parametrize("closed", CLOSED)
def test_closed_streams(program: MakeProgram, start_method: str, closed: str) -> None:
    """As daemons and cron start programs: no socket or file takes a stream's place."""
    script = program(load())
    code = shell(script, f"$LOAD {closed}; echo $? >code", PERSISTQ_START_METHOD=start_method)
    assert code == "0"
    assert script.queues() == [(30, 30, 0, 0)]


@pytest.mark.parametrize(
    "line", ["{ $LOAD; echo $? >code; } 2>&1 | head -1", "{ $LOAD; echo $? >code; } 2>&1 | true"]
)
@pytest.mark.parametrize(("broken", "code"), [((), "0"), ((7,), PARKED)])
def test_the_reader_leaves(
    program: MakeProgram, line: str, broken: tuple[int, ...], code: str
) -> None:
    """The load goes on, and its exit code says how it went and not who listened."""
    script = program(load(broken=broken))
    assert shell(script, line) == code
    assert script.queues() == [(30, 30 - len(broken), 0, len(broken))]


@pytest.mark.parametrize("closed", [">&- 2>&-", "<&- >&- 2>&-"])
def test_what_a_library_writes_to_closed_streams(program: MakeProgram, closed: str) -> None:
    """It writes to numbers, and no socket or file of the run has those."""
    noise = "os.write(1, b'noise' * 50); os.write(2, b'noise' * 50)"
    script = program(load(then=noise))
    code = shell(script, f"$LOAD {closed}; echo $? >code", PERSISTQ_START_METHOD="fork")
    assert code == "0"
    assert script.queues() == [(30, 30, 0, 0)]


def test_a_full_disk_under_the_messages(program: MakeProgram) -> None:
    """What is said is lost, what is done is not."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    script = program(load(broken=(7,)))
    assert shell(script, "$LOAD 2>/dev/full; echo $? >code") == PARKED
    assert script.queues() == [(30, 29, 0, 1)]


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_the_program_has_printed_for_nobody(
    program: MakeProgram, start_method: str, when: str
) -> None:
    """It stands in a buffer when children are started, and again when Python ends."""
    script = program(load(**{when: "print('to nobody')"}))
    code = shell(script, "{ $LOAD; echo $? >code; } | true", PERSISTQ_START_METHOD=start_method)
    assert code == "0"
    assert script.queues() == [(30, 30, 0, 0)]


def test_what_the_program_has_printed_on_a_full_disk(
    program: MakeProgram, start_method: str
) -> None:
    """The load is done, and the program's own output is lost: Python's exit code for that stays."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    before = "print('kept' if __name__ == '__main__' else '', end='')"
    script = program(load(before=before))
    code = shell(script, "$LOAD >/dev/full; echo $? >code", PERSISTQ_START_METHOD=start_method)
    assert code == "120"
    assert script.queues() == [(30, 30, 0, 0)]


def test_sigpipe_with_its_default_effect(program: MakeProgram) -> None:
    """A usual recipe of programs for pipes; here it would end a load in its middle."""
    default = "signal.signal(signal.SIGPIPE, signal.SIG_DFL)"
    after = "note('after', signal.getsignal(signal.SIGPIPE).name)"
    script = program(load(before=default, after=after, broken=(7,), run="check=False"))
    assert shell(script, "{ $LOAD; echo $? >code; } 2>&1 | true") == "0"
    assert script.queues() == [(30, 29, 0, 1)]
    assert script.counts["after SIG_DFL"] == 1


def test_a_source_that_raises_to_nobody(program: MakeProgram) -> None:
    """It is called once, and the load has failed for its reason."""
    then = "note('raised') or open('missing')"
    script = program(load(then=then))
    assert shell(script, "{ $LOAD; echo $? >code; } 2>&1 | true") == "3"
    assert script.counts["raised"] == 1
    assert "FileNotFoundError" in script.rows("SELECT reason FROM run")[0]


FORKS = """
    pipeline = Pipeline("demo", workers=1)

    @pipeline.source
    def numbers():
        yield from range(3)

    @pipeline.stage
    def work(number):
        if number == 1 and os.fork() == 0:
            raise ValueError("in a child that a handler forked")
        note(number)

    if __name__ == "__main__":
        pipeline.run()
"""


def test_a_forked_child_of_a_handler_that_raises_to_nobody(program: MakeProgram) -> None:
    """It ends there, and does not go on as a second worker."""
    script = program(FORKS)
    assert shell(script, "{ $LOAD; echo $? >code; } 2>&1 | true") == "0"
    assert script.counts == {"0": 1, "1": 1, "2": 1}


QUEUE = """
    from persistq import PersistentQueue

    if __name__ == "__main__":
        queue = PersistentQueue("demo")
        queue.put_many(range(5))
        queue.flush()
        note(queue.get())
        queue.task_done()
"""


@pytest.mark.parametrize(
    "line",
    [
        "{ $LOAD; echo $? >code; } 2>&1 | true",
        "$LOAD 2>&-; echo $? >code",
        "$LOAD <&- >&- 2>&-; echo $? >code",
    ],
)
def test_a_plain_queue_that_says_what_is_left_to_nobody(program: MakeProgram, line: str) -> None:
    """The program ends as it would have ended with a reader."""
    script = program(QUEUE)
    assert shell(script, line) == "0"
    assert script.queues() == [(5, 1, 0, 0)]


def test_a_terminal_that_goes_away(program: MakeProgram) -> None:
    """A load that survives its terminal, as under nohup, is done."""
    script = program(
        load(before="signal.signal(signal.SIGHUP, signal.SIG_IGN)", then="await_file('go')")
    )
    ours, theirs = os.openpty()
    environment = {
        **os.environ,
        "PERSISTQ_JOURNAL": str(script.home / "journal"),
        COOKIE: script.cookie,
    }
    with subprocess.Popen(
        [sys.executable, str(script.script)],
        cwd=script.home,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        script.await_note("5")
        os.close(ours)
        script.touch("go")
        assert process.wait(DEADLINE_S) == 0
    assert script.queues() == [(30, 30, 0, 0)]
