"""Ctrl-C, SIGTERM, and the same name started twice."""

from __future__ import annotations

import signal
import socket

import pytest

from .conftest import MakeProgram
from .program import kill, until

STUCK = """
    pipeline = Pipeline("demo", workers=2)

    @pipeline.source
    def numbers():
        yield from range(300)

    @pipeline.stage
    def work(number):
        note("begin", number)
        if number in (100, 101):
            await_file("go")
        note("end", number)

    if __name__ == "__main__":
        pipeline.run()
"""
PLAIN = STUCK.replace("\n    ", "\n")
ONE_BY_ONE = {"PERSISTQ_WINDOW_TIME": "0", "PERSISTQ_ACK_INTERVAL": "0"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_items_in_flight_finish(
    program: MakeProgram, start_method: str, number: signal.Signals
) -> None:
    """Exit code 128 + signal, nothing is redone afterwards, and the resume command is printed."""
    script = program(STUCK)
    process = script.start(env={"PERSISTQ_START_METHOD": start_method, **ONE_BY_ONE})
    script.await_note("begin 100")
    script.await_note("begin 101")
    process.send_signal(number)
    until(lambda: "finishing the items in flight" in script.said(process))
    script.touch("go")
    ended = script.wait(process)
    assert ended.code == 128 + number
    assert f"interrupted by {number.name}" in ended.err
    assert "198 outstanding; carry on with: persistq resume demo" in ended.err
    assert "Traceback" not in ended.err
    assert script.rows("SELECT result, reason FROM run") == [
        ("interrupted", f"interrupted by {number.name}")
    ]
    assert script.queues() == [(300, 102, 0, 0)]
    assert script.run(PERSISTQ_START_METHOD=start_method).code == 0
    assert all(count == 1 for count in script.counts.values())
    assert script.queues() == [(300, 300, 0, 0)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_whole_group_is_a_ctrl_c(
    program: MakeProgram, number: signal.Signals
) -> None:
    """Terminals, `timeout` and services signal everybody; items in flight finish all the same."""
    script = program("os.setpgid(0, 0)\n" + PLAIN)
    process = script.start(env=ONE_BY_ONE)
    script.await_note("begin 100")
    script.await_note("begin 101")
    kill(-process.pid, number)
    until(lambda: "finishing the items in flight" in script.said(process))
    script.touch("go")
    assert script.wait(process).code == 128 + number
    assert script.queues() == [(300, 102, 0, 0)]
    assert script.rows("SELECT count(*) FROM failure") == [0]


@pytest.mark.parametrize("child", [1, 2])
def test_a_child_that_has_just_been_forked_hears_a_signal(program: MakeProgram, child: int) -> None:
    """Python forgets one that comes first, and its parent's handler would hide it."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def numbers():
            yield from range(3)
            time.sleep(1_000)

        pipeline.stage(abs)
        pipeline.run()
        """
    )
    hits = script.home / "hits"
    hits.mkdir()
    born = hits / "child.before_signals"
    process = script.start(
        env={
            "PERSISTQ_START_METHOD": "fork",
            "PERSISTQ_SHUTDOWN_GRACE": "1000",
            "PERSISTQ_FAILPOINT": f"child.before_signals@{child}:stop",
            "PERSISTQ_FAILPOINT_HITS": str(hits),
        }
    )
    until(lambda: born.exists() and len(born.read_text().split()) == 2)
    process.send_signal(signal.SIGTERM)
    until(lambda: "finishing the items in flight" in script.said(process))
    for pid in map(int, born.read_text().split()):
        kill(pid, signal.SIGCONT)
    assert script.wait(process).code == 128 + signal.SIGTERM


def test_a_second_signal_ends_at_once(program: MakeProgram, start_method: str) -> None:
    """Items in flight are given up, nobody is blamed for them, and they are outstanding."""
    script = program(STUCK)
    process = script.start(env={"PERSISTQ_START_METHOD": start_method, **ONE_BY_ONE})
    script.await_note("begin 100")
    script.await_note("begin 101")
    process.send_signal(signal.SIGINT)
    until(lambda: "finishing the items in flight" in script.said(process))
    process.send_signal(signal.SIGINT)
    ended = script.wait(process)
    assert ended.code == 130
    assert "SIGINT again: ending at once" in ended.err
    assert "200 outstanding" in ended.err
    assert script.rows("SELECT count(*) FROM failure") == [0]
    script.touch("go")
    assert script.run(PERSISTQ_START_METHOD=start_method).code == 0
    assert script.queues() == [(300, 300, 0, 0)]


@pytest.mark.parametrize("method", ["fork", "forkserver"])
def test_a_third_signal_waits_for_nobody(program: MakeProgram, method: str) -> None:
    """If ending itself hangs, the third one is the last word; the journal can be carried on."""
    script = program(
        "from persistq.pool import supervisor\n"
        "supervisor.KILL_PATIENCE_S = 1000.0\n"
        + PLAIN.replace("await_file", "signal.signal(15, signal.SIG_IGN); await_file")
    )
    process = script.start(env={"PERSISTQ_START_METHOD": method, **ONE_BY_ONE})
    script.await_note("begin 100")
    script.await_note("begin 101")
    process.send_signal(signal.SIGINT)
    until(lambda: "finishing the items in flight" in script.said(process))
    process.send_signal(signal.SIGINT)
    until(lambda: "ending at once" in script.said(process))
    process.send_signal(signal.SIGTERM)
    assert script.wait(process).code == 143
    assert script.vanish() == {}
    assert script.rows("SELECT count(*) FROM failure") == [0]
    script.touch("go")
    assert script.run().code == 0
    assert script.queues() == [(300, 300, 0, 0)]


def test_a_signal_that_was_ignored_stays_ignored(program: MakeProgram) -> None:
    """`nohup` is to let the load survive its terminal."""
    script = program("signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + PLAIN)
    process = script.start(env=ONE_BY_ONE)
    script.await_note("begin 100")
    script.await_note("begin 101")
    for pid in script.processes():
        kill(pid, signal.SIGHUP)
    script.touch("go")
    ended = script.wait(process)
    assert ended.code == 0, ended.err
    assert script.queues() == [(300, 300, 0, 0)]
    assert script.rows("SELECT count(*) FROM failure") == [0]


def test_the_grace_period_bounds_how_long_items_may_finish(program: MakeProgram) -> None:
    """A handler that hangs cannot keep the run from ending."""
    script = program(STUCK)
    process = script.start(env={"PERSISTQ_SHUTDOWN_GRACE": "0.05", **ONE_BY_ONE})
    script.await_note("begin 100")
    script.await_note("begin 101")
    process.send_signal(signal.SIGTERM)
    ended = script.wait(process)
    assert ended.code == 143
    assert script.queues() == [(300, 100, 0, 0)]
    assert script.rows("SELECT count(*) FROM failure") == [0]


def test_a_signal_during_the_last_items_ends_well(program: MakeProgram) -> None:
    """If the items in flight were the last ones, the load is settled; nothing is to be resumed."""
    script = program(STUCK.replace("range(300)", "range(102)"))
    process = script.start(env=ONE_BY_ONE)
    script.await_note("begin 100")
    script.await_note("begin 101")
    process.send_signal(signal.SIGINT)
    until(lambda: "finishing the items in flight" in script.said(process))
    script.touch("go")
    ended = script.wait(process)
    assert ended.code == 0, ended.err
    assert "persistq resume" not in ended.err
    assert script.rows("SELECT state FROM load") == ["settled"]


def test_a_signal_stops_a_source_that_never_ends(program: MakeProgram) -> None:
    """A source is not waited for; the next run calls it again and doubles nothing."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=2)

        @pipeline.source
        def numbers():
            yield from range(100)
            await_file("go")

        @pipeline.stage
        def work(number): note(number)

        pipeline.run()
        """
    )
    process = script.start()
    until(lambda: len(script.notes) == 100)
    process.send_signal(signal.SIGTERM)
    ended = script.wait(process)
    assert ended.code == 143
    assert "source unfinished; carry on with: persistq resume demo" in ended.err
    script.touch("go")
    assert script.run().code == 0
    assert script.counts == {str(number): 1 for number in range(100)}
    assert script.queues() == [(100, 100, 0, 0)]


def test_a_second_start_of_the_same_name_is_refused(program: MakeProgram) -> None:
    """The message names process and host, the error carries exit code 4, the first goes on."""
    text = STUCK.replace(
        "        pipeline.run()\n",
        """        from persistq import JournalBusy
        try:
            pipeline.run()
        except JournalBusy as error:
            print(error, error.pid, file=sys.stderr)
            sys.exit(error.exit_code)
""",
    )
    script = program(text)
    first = script.start(env=ONE_BY_ONE)
    script.await_note("begin 100")
    second = script.run()
    assert second.code == 4
    assert f"process {first.pid} on {socket.gethostname()} is working on it" in second.err
    assert "Traceback" not in second.err
    script.touch("go")
    ended = script.wait(first)
    assert ended.code == 0, ended.err
    assert script.queues() == [(300, 300, 0, 0)]
    assert all(count == 1 for count in script.counts.values())
    assert script.rows("SELECT count(*) FROM run") == [1]
