"""Workers that are replaced in good order: after so many items, or so much memory."""

from __future__ import annotations

import signal
from collections import Counter

from .conftest import MakeProgram

RECYCLED = """
    pipeline = Pipeline("demo", workers={workers})

    @pipeline.source
    def numbers(): yield from range({items})

    @pipeline.context
    def connect():
        note("up")
        yield []
        note("down")

    @pipeline.stage({options})
    def work(number, ctx):
        {work}

    if __name__ == "__main__":
        pipeline.run()
    """
NOTE = "note('item', number, os.getpid())"


def pids(script_notes: list[str]) -> Counter[str]:
    """Return how many items each worker has worked on."""
    return Counter(line.split()[2] for line in script_notes if line.startswith("item "))


def test_a_worker_is_replaced_after_so_many_items(program: MakeProgram, start_method: str) -> None:
    """Nothing is lost, done twice or blamed, and each context is cleaned up."""
    script = program(
        RECYCLED.format(workers=1, items=20, options="max_items_per_worker=7", work=NOTE)
    )
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 0, ended.err
    assert sorted(pids(script.notes).values()) == [6, 7, 7]
    assert sorted(line.split()[1] for line in script.notes if "item" in line) == sorted(
        map(str, range(20))
    )
    assert (script.counts["up"], script.counts["down"]) == (3, 3)
    assert script.rows("SELECT * FROM failure") == []
    assert script.rows("SELECT DISTINCT ending FROM worker") == ["left"]
    assert "starting another one" not in ended.err


def test_a_share_of_one_item_is_no_series_of_deaths(program: MakeProgram) -> None:
    """However many processes that takes: it is progress."""
    script = program(
        RECYCLED.format(workers=2, items=60, options="max_items_per_worker=1", work=NOTE)
    )
    ended = script.run(PERSISTQ_START_METHOD="fork")
    assert ended.code == 0, ended.err
    assert set(pids(script.notes).values()) == {1}
    assert script.queues() == [(60, 60, 0, 0)]


def test_a_batch_counts_its_items(program: MakeProgram) -> None:
    """It is not taken apart for that."""
    script = program(
        RECYCLED.format(
            workers=1,
            items=12,
            options="batch=4, linger=60, max_items_per_worker=5",
            work="[note('item', n, os.getpid()) for n in number]",
        )
    )
    ended = script.run()
    assert ended.code == 0, ended.err
    assert sorted(pids(script.notes).values()) == [4, 8]


def test_a_worker_is_replaced_when_it_takes_too_much_memory(program: MakeProgram) -> None:
    """Its resident set is looked at between items."""
    script = program(
        RECYCLED.format(
            workers=1,
            items=4,
            options="max_rss_mb=300",
            work=f"ctx.append(bytearray(120_000_000)); {NOTE}",
        )
    )
    ended = script.run()
    assert ended.code == 0, ended.err
    assert sum(pids(script.notes).values()) == 4
    assert max(pids(script.notes).values()) < 4
    assert script.rows("SELECT * FROM failure") == []


def test_a_worker_that_dies_before_it_is_replaced_is_blamed_for_nothing_it_has_done(
    program: MakeProgram,
) -> None:
    """Its last item is reported, or worked on again."""
    script = program(
        RECYCLED.format(workers=1, items=6, options="max_items_per_worker=3", work=NOTE)
    )
    ended = script.run(PERSISTQ_FAILPOINT="worker.before_recycling:kill")
    assert ended.code in {0, 3}, ended.err
    assert script.rows("SELECT * FROM parked") == []
    assert script.rows("SELECT kind FROM failure") == []


def test_a_clean_up_that_hangs_holds_no_place_for_ever(program: MakeProgram) -> None:
    """The worker has said that it leaves; after the grace it is killed, and another goes on."""
    script = program(
        RECYCLED.format(workers=1, items=4, options="max_items_per_worker=3", work=NOTE).replace(
            'note("down")', 'noted("hung") or (note("hung"), await_file("never"))'
        )
    )
    ended = script.run(PERSISTQ_SHUTDOWN_GRACE="0.2")
    assert ended.code == 0, ended.err
    assert sum(pids(script.notes).values()) == 4
    assert "has done its work, but not cleaned up: was killed by SIGKILL" in ended.err


def test_a_worker_yields_to_other_processes(program: MakeProgram) -> None:
    """As the command ``nice`` has it; the script and its other stages do not."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: [1])

        @pipeline.stage(nice=7)
        def first(number):
            note("first", os.nice(0))
            return number

        @pipeline.stage
        def second(number): note("second", os.nice(0))

        note("script", os.nice(0))
        pipeline.run()
        """
    )
    assert script.run(PERSISTQ_START_METHOD="fork").code == 0
    found = {line.split()[0]: int(line.split()[1]) for line in script.notes}
    assert found["second"] == found["script"]
    assert found["first"] == min(19, found["script"] + 7)


def test_processes_are_called_by_what_they_do(program: MakeProgram) -> None:
    """Where setproctitle is installed; what stands for it here says what it was told."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def numbers(): yield 1

        @pipeline.stage
        def work(number): note(number)

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    (script.home / "setproctitle.py").write_text(
        "from pathlib import Path\n"
        "def setproctitle(title): Path(__file__).with_name(title.replace(' ', '_')).touch()\n"
    )
    assert script.run().code == 0
    titles = {path.name for path in script.home.glob("persistq:*")}
    assert titles == {"persistq:_source_numbers", "persistq:_worker_work-1"}


def test_a_run_is_stopped_while_workers_are_being_replaced(program: MakeProgram) -> None:
    """Nobody is left, and the rest is carried on."""
    script = program(
        RECYCLED.format(
            workers=2,
            items=400,
            options="max_items_per_worker=2",
            work=f"{NOTE}; time.sleep(0.002)",
        )
    )
    process = script.start(env={"PERSISTQ_START_METHOD": "fork"})
    script.await_note("item", 20)
    process.send_signal(signal.SIGINT)
    assert script.wait(process).code == 130
    assert script.counts["up"] == script.counts["down"]
    assert script.run(PERSISTQ_START_METHOD="fork").code == 0
    assert script.rows("SELECT kind FROM failure") == []
    assert len({line.split()[1] for line in script.notes if line.startswith("item")}) == 400
