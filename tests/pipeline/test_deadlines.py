"""Items that take too long, and rules that end a load early."""

from __future__ import annotations

import pytest

from .conftest import MakeProgram

HANGS = """
    from persistq.pool import supervisor
    supervisor.KILL_PATIENCE_S = 0.05
    pipeline = Pipeline("demo", workers=2)

    @pipeline.source
    def numbers():
        yield from range(20)

    def hang():
        await_file("never")

    def ignore_sigterm():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        hang()

    @pipeline.stage(timeout=0.1, {options})
    def work(number):
        if number == 7:
            note("begin", os.getpid())
            {way}()
        note(number)

    if __name__ == "__main__":
        pipeline.run()
"""
ONE_BY_ONE = {"PERSISTQ_WINDOW_TIME": "0", "PERSISTQ_ACK_INTERVAL": "0"}


def test_an_item_that_hangs_is_ended_from_outside(program: MakeProgram, start_method: str) -> None:
    """Its worker is killed by SIGTERM, the item tried once more, then parked as a time-out."""
    script = program(HANGS.format(options="", way="hang"))
    ended = script.run(PERSISTQ_START_METHOD=start_method, **ONE_BY_ONE)
    assert ended.code == 6, ended.err
    assert "it ran for more than 0.1 s" in ended.err
    assert script.queues() == [(20, 19, 0, 1)]
    assert script.counts.keys() >= {str(number) for number in range(20) if number != 7}
    pids = [int(line.split()[1]) for line in script.notes if line.startswith("begin")]
    wanted = [("timeout", "TimeoutError", pid) for pid in pids]
    assert len(wanted) == 2
    assert script.rows("SELECT kind, type, pid FROM failure ORDER BY failure_id") == wanted


def test_a_handler_that_ignores_sigterm_is_killed(program: MakeProgram) -> None:
    """SIGKILL follows, and the journal says which signal it was."""
    script = program(HANGS.format(options="max_crashes=1", way="ignore_sigterm"))
    ended = script.run(**ONE_BY_ONE)
    assert ended.code == 6, ended.err
    assert script.queues() == [(20, 19, 0, 1)]
    assert script.rows("SELECT kind, signal FROM failure") == [("timeout", 9)]


def test_the_limit_can_be_a_setting(program: MakeProgram) -> None:
    """A stage without a limit of its own takes the setting's."""
    script = program(HANGS.format(options="max_crashes=1", way="hang").replace("timeout=0.1, ", ""))
    ended = script.run(PERSISTQ_TIMEOUT="0.05", **ONE_BY_ONE)
    assert ended.code == 6, ended.err
    assert "it ran for more than 0.05 s" in ended.err
    assert script.rows("SELECT kind, signal FROM failure") == [("timeout", 15)]


HALTS = """
    pipeline = Pipeline("demo", workers=1)
    pipeline.source(lambda: range(40))

    @pipeline.stage(halt={rule!r})
    def work(number):
        note(number)
        if number % 2 and not (HERE / "fixed").exists():
            raise ValueError("odd")

    pipeline.run()
"""


@pytest.mark.parametrize(
    ("rule", "begun", "reason"),
    [
        ("soon,fail=3", 6, "3 of 6 items of stage 'work' failed, and the rule is soon,fail=3"),
        ("now,fail=3", 6, "3 of 6 items of stage 'work' failed, and the rule is now,fail=3"),
        ("soon,fail=40%", 6, "3 of 6 items of stage 'work' failed, and the rule is soon,fail=40%"),
        ("soon,success=2", 3, "2 of 3 items of stage 'work' succeeded"),
        ("soon,done=5", 5, "5 of 5 items of stage 'work' finished"),
    ],
)
def test_a_halt_rule_ends_the_load_and_it_is_carried_on(
    program: MakeProgram, rule: str, begun: int, reason: str
) -> None:
    """Exit code 3 with the numbers; what failed is parked, the rest is outstanding."""
    script = program(HALTS.format(rule=rule))
    ended = script.run(**ONE_BY_ONE)
    assert ended.code == 3, ended.err
    assert reason in ended.err
    assert script.counts == {str(number): 1 for number in range(begun)}
    assert script.queues() == [(40, (begun + 1) // 2, 0, begun // 2)]


def test_a_resumed_load_gets_a_new_chance(program: MakeProgram) -> None:
    """What failed in earlier runs does not break the rule again."""
    script = program(HALTS.format(rule="soon,fail=3"))
    assert script.run(**ONE_BY_ONE).code == 3
    script.touch("fixed")
    assert script.run().code == 6
    assert script.queues() == [(40, 37, 0, 3)]


@pytest.mark.parametrize(("when", "finished"), [("soon", 1), ("now", 0)])
def test_soon_lets_items_in_flight_finish_and_now_does_not(
    program: MakeProgram, when: str, finished: int
) -> None:
    """Nobody is blamed for what was cut off; it is outstanding."""
    script = program(
        f"""
        pipeline = Pipeline("demo", workers=2)
        pipeline.source(lambda: ["slow", "bad"])

        @pipeline.stage(halt="{when},fail=1")
        def work(item):
            note(item)
            if item == "slow":
                await_file("go")
                return
            while not noted("slow"):
                time.sleep(0.002)
            raise ValueError("bad")

        pipeline.run(shutdown_grace=30.0)
        """
    )
    process = script.start(env=ONE_BY_ONE)
    script.await_note("bad")
    if when == "soon":
        script.touch("go")
    ended = script.wait(process)
    assert ended.code == 3, ended.err
    assert script.queues() == [(2, finished, 0, 1)]
    assert script.rows("SELECT kind FROM failure") == ["exception"]
