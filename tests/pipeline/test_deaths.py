"""What happens when a process of a running pipeline dies."""

from __future__ import annotations

import signal

import pytest

from persistq import ItemsFailed

from .conftest import MakeProgram
from .program import kill, until


def test_a_killed_worker_is_replaced_and_its_item_redone(
    program: MakeProgram, start_method: str
) -> None:
    """The death is said and recorded, the item is run by another process, nothing else is."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def numbers():
            yield from range(200)

        @pipeline.stage
        def work(number):
            if number == 77 and noted("stuck") == 0:
                note("stuck")
                note("pid", os.getpid())
                await_file("never")
            note(number)

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    process = script.start(
        env={"PERSISTQ_START_METHOD": start_method, "PERSISTQ_ACK_INTERVAL": "0"}
    )
    kill(script.pid("pid"))
    ended = script.wait(process)
    assert ended.code == 0, ended.err
    assert "was killed by SIGKILL; starting another one" in ended.err
    assert script.queues() == [(200, 200, 0, 0)]
    assert all(script.counts[str(number)] == 1 for number in range(200))
    assert script.rows("SELECT kind, item_id & 0xffff FROM failure") == [("crash", 78)]


@pytest.mark.parametrize("way", ["os.abort()", "os._exit(0)", "os._exit(1)", "os.kill(0, 9)"])
def test_an_item_that_kills_its_worker_twice_is_parked(program: MakeProgram, way: str) -> None:
    """However it kills, also with exit status 0: it is parked as a crash, and the rest goes on."""
    script = program(
        f"""
        pipeline = Pipeline("demo", workers=2)
        pipeline.source(lambda: range(200))

        @pipeline.stage
        def work(number):
            note(number)
            if number == 99:
                {way}

        pipeline.run()
        """
    )
    ended = script.run(PERSISTQ_ACK_INTERVAL="0")
    assert ended.code == 6, ended.err
    assert script.queues() == [(200, 199, 0, 1)]
    assert script.counts == {str(number): 2 if number == 99 else 1 for number in range(200)}
    assert script.rows("SELECT kind, item_id & 0xffff FROM failure") == [("crash", 100)] * 2
    assert ": work:100 failed: " in ended.err


def test_many_poisonous_items_do_not_end_the_load(program: MakeProgram) -> None:
    """Each is parked after two deaths, also if they come one after the other at one post."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: range(20))

        @pipeline.stage
        def work(number):
            if number in (3, 4, 5, 6):
                os.abort()
            note(number)

        pipeline.run()
        """
    )
    ended = script.run(PERSISTQ_ACK_INTERVAL="0")
    assert ended.code == 6, ended.err
    assert script.queues() == [(20, 16, 0, 4)]
    assert script.counts == {str(number): 1 for number in range(20) if number not in {3, 4, 5, 6}}


POISON = """
    from persistq.pool import supervisor
    supervisor.FUTILE_DEATHS_PER_PLACE = 4
    pipeline = Pipeline("demo", workers=1)
    pipeline.source(lambda: range(20))

    @pipeline.stage(max_crashes={max_crashes})
    def work(number):
        if number < {poison}:
            os.abort()
        note(number)

    pipeline.run()
"""


@pytest.mark.parametrize(("max_crashes", "poison"), [(1, 6), (2, 6), (6, 3), (1, 20)])
def test_items_that_are_blamed_one_after_the_other_are_progress(
    program: MakeProgram, max_crashes: int, poison: int
) -> None:
    """However many poisonous items come first, each is parked, and the good ones get their turn."""
    script = program(POISON.format(max_crashes=max_crashes, poison=poison))
    # What the supervisor is shown now and then is older than what it decides by.
    ended = script.run(PERSISTQ_PROGRESS_INTERVAL="60", PERSISTQ_PROGRESS="plain")
    assert ended.code == ItemsFailed.exit_code, ended.err
    assert script.queues() == [(20, 20 - poison, 0, poison)]
    assert script.counts == {str(number): 1 for number in range(poison, 20)}
    assert script.rows("SELECT count(*) FROM failure") == [poison * max_crashes]


def test_workers_that_die_without_an_item_to_blame_end_the_run(program: MakeProgram) -> None:
    """Where nothing comes of it the items are not the reason, and they stay outstanding."""
    script = program(
        """
        from persistq.pool import supervisor, worker
        supervisor.FUTILE_DEATHS_PER_PLACE = 4
        worker.Worker.work = lambda self, limits: os.abort()
        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: range(20))

        @pipeline.stage
        def work(number): pass

        pipeline.run()
        """
    )
    ended = script.run()
    assert ended.code == 3
    assert "workers keep dying and nothing gets done (was killed by SIGABRT)" in ended.err
    assert script.queues() == [(20, 0, 0, 0)]


def test_a_source_that_gets_on_between_its_deaths_is_called_again(program: MakeProgram) -> None:
    """It begins anew each time, and what it repeats is absorbed, so it comes to its end."""
    script = program(
        """
        from persistq.pool import crew
        crew.RESTART_DELAY_S = 0.001
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def numbers():
            note("source")
            for number in range(9):
                yield number
                if noted("source") == number + 1:
                    await_file(f"done{number}")
                    os.abort()

        @pipeline.stage
        def work(number):
            (HERE / f"done{number}").touch()

        pipeline.run()
        """
    )
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.counts["source"] == 10
    assert script.queues() == [(9, 9, 0, 0)]


def test_a_worker_that_cannot_start_is_no_end_while_others_work(program: MakeProgram) -> None:
    """A want of memory or processes may pass; who is at work goes on."""
    script = program(
        """
        from persistq.pool import crew
        crew.RESTART_DELAY_S = 0.001
        pipeline = Pipeline("demo", workers=2)
        pipeline.source(lambda: range(20))

        @pipeline.context
        def context():
            try:
                os.close(os.open(HERE / "first", os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                note("refused")
                raise MemoryError("for now") from None

        @pipeline.stage
        def work(number, ctx):
            if number == 10:
                while noted("refused") < 8:
                    time.sleep(0.002)

        pipeline.run()
        """
    )
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.queues() == [(20, 20, 0, 0)]


def test_a_source_that_keeps_dying_ends_the_run(program: MakeProgram) -> None:
    """It is called again some times, and not for ever."""
    script = program(
        """
        from persistq.pool import crew
        crew.RESTART_DELAY_S = 0.001
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def numbers():
            note("source")
            yield 1
            os.abort()

        @pipeline.stage
        def work(number): pass

        pipeline.run()
        """
    )
    ended = script.run()
    assert ended.code == 3
    assert "source numbers keeps dying (the last one was killed by SIGABRT)" in ended.err
    assert script.counts["source"] in {5, 6}, "what it put last may be read a little later"
    assert script.queues()[0][0] <= 1


def test_workers_of_a_finished_stage_are_not_started_again(program: MakeProgram) -> None:
    """While a later stage works for hours, the earlier ones are simply over."""
    script = program(
        """
        pipeline = Pipeline("demo")
        pipeline.source(lambda: range(3))

        @pipeline.context
        def context():
            note("process", os.getpid())

        @pipeline.stage(workers=2)
        def first(number, ctx):
            return number

        @pipeline.stage(workers=1)
        def second(number, ctx):
            note("second")
            await_file("go")

        pipeline.run()
        """
    )
    process = script.start()
    script.await_note("second")
    broker = script.broker()
    # Both workers of the first stage have left when two processes and the broker remain.
    until(lambda: len(script.processes()) == 3)
    assert set(script.processes()) >= {broker, process.pid}
    script.touch("go")
    ended = script.wait(process)
    assert ended.code == 0, ended.err
    assert len({line for line in script.notes if line.startswith("process")}) == 3


def test_killing_the_supervisor_ends_everything(program: MakeProgram, start_method: str) -> None:
    """Workers, source and broker are gone soon, and nobody is blamed for the items in hand."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=2)

        @pipeline.source
        def numbers():
            yield from range(100)
            await_file("go")

        @pipeline.stage
        def work(number):
            note(number)
            if number in (10, 11):
                await_file("go")

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    # Items one by one, so that two workers get stuck.
    env = {"PERSISTQ_START_METHOD": start_method, "PERSISTQ_WINDOW_TIME": "0"}
    for _ in range(2):
        process = script.start(env=env)
        script.await_note("10")
        script.await_note("11")
        kill(process.pid)
        script.wait(process)
        assert script.vanish() == {}
        (script.home / "notes").unlink()
    script.touch("go")
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 0, ended.err
    assert script.queues() == [(100, 100, 0, 0)]
    assert script.rows("SELECT count(*) FROM failure") == [0]


def test_a_lost_broker_ends_the_script_with_a_sentence(
    program: MakeProgram, start_method: str
) -> None:
    """Exit code 3, no traceback, and the load is carried on by the next start."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=2)

        @pipeline.source
        def numbers():
            yield from range(500)

        @pipeline.stage
        def work(number):
            note(number)
            if number >= 250 and not (HERE / "go").exists():
                await_file("go")

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    process = script.start(env={"PERSISTQ_START_METHOD": start_method})
    script.await_note("250")
    kill(script.broker())
    ended = script.wait(process)
    assert ended.code == 3
    assert "Traceback" not in ended.err
    assert "the broker of 'demo' is gone" in ended.err
    assert "persistq resume demo" in ended.err
    script.touch("go")
    assert script.run(PERSISTQ_START_METHOD=start_method).code == 0
    assert set(script.counts) == {str(number) for number in range(500)}
    assert script.queues() == [(500, 500, 0, 0)]


def test_a_stopped_worker_holds_nothing_back_but_its_window(program: MakeProgram) -> None:
    """SIGSTOP is no death: the other worker goes on, and after SIGCONT all is done once."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=2)
        pipeline.source(lambda: range(200))

        @pipeline.stage
        def work(number):
            if number == 50:
                note("pid", os.getpid())
                await_file("stopped")
            note(number)

        pipeline.run()
        """
    )
    process = script.start(env={"PERSISTQ_WINDOW_TIME": "0"})
    stopped = script.pid("pid")
    kill(stopped, signal.SIGSTOP)
    script.touch("stopped")
    until(lambda: len(set(script.notes)) == 200)
    assert script.counts["50"] == 0
    kill(stopped, signal.SIGCONT)
    assert script.wait(process).code == 0
    assert all(script.counts[str(number)] == 1 for number in range(200))


def test_a_new_run_waits_for_workers_of_a_dead_one(program: MakeProgram) -> None:
    """No item is worked on twice at a time: the start is refused while an old worker lives."""
    script = program(
        """
        from persistq import JournalError
        pipeline = Pipeline("demo", workers=2)

        @pipeline.source
        def numbers():
            yield from range(10)

        @pipeline.stage
        def work(number):
            note("begin", number)
            if number == 3 and not (HERE / "go").exists():
                note("pid", os.getpid())
                await_file("go")
            note("end", number)

        if __name__ == "__main__":
            try:
                pipeline.run()
            except JournalError as error:
                print(error, file=sys.stderr)
                sys.exit(error.exit_code)
        """
    )
    process = script.start(env={"PERSISTQ_START_METHOD": "forkserver", "PERSISTQ_WINDOW_TIME": "0"})
    worker, broker = script.pid("pid"), script.broker()
    # A stopped process cannot notice that its supervisor is gone.
    kill(worker, signal.SIGSTOP)
    kill(broker)
    kill(process.pid)
    script.wait(process)
    until(lambda: not {broker, process.pid} & set(script.processes()))
    refused = script.run(PERSISTQ_FENCE_TIMEOUT="0.1")
    assert refused.code == 4
    assert "workers of an earlier run are still at work" in refused.err
    assert str(worker) in refused.err
    assert script.counts["begin 3"] == 1
    kill(worker, signal.SIGCONT)
    script.touch("go")
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.queues() == [(10, 10, 0, 0)]
