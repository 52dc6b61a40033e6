"""Sources that are asked again and again, with the number of items that are wanted."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from .conftest import MakeProgram
from .program import kill, until

FROM_FILE = """
    pipeline = Pipeline("demo", workers=2)

    def rows(): return (HERE / "rows").read_text().split()

    @pipeline.source(poll=True, interval=0.01, {options})
    def pending(wanted):
        note("asked", wanted)
        done = int((HERE / "taken").read_text())
        (HERE / "taken").write_text(str(done + min(wanted, len(rows()) - done)))
        yield from rows()[done : done + wanted]

    @pipeline.stage
    def store(row): note("stored", row)

    if __name__ == "__main__":
        (HERE / "rows").exists() or (HERE / "rows").write_text("")
        (HERE / "taken").exists() or (HERE / "taken").write_text("0")
        pipeline.run()
"""


@pytest.mark.parametrize(
    ("start_method", "number"),
    [("fork", signal.SIGINT), ("spawn", signal.SIGTERM), ("forkserver", signal.SIGTERM)],
)
def test_a_run_that_is_told_to_end_works_off_what_was_yielded(
    program: MakeProgram, start_method: str, number: int
) -> None:
    """Nothing is left then, so it is done, and says so with 0; the next start begins a load."""
    script = program(FROM_FILE.format(options="max_outstanding=10"))
    (script.home / "rows").write_text(" ".join(map(str, range(50))))
    process = script.start(env={"PERSISTQ_START_METHOD": start_method})
    script.await_note("stored", 50)
    kill(process.pid, number)
    ended = script.wait(process)
    assert ended.code == 0, ended.err
    assert "asking for no more, and working off what is there" in ended.err
    assert script.queues() == [(50, 50, 0, 0)]
    assert script.rows("SELECT state FROM load") == ["settled"]
    assert script.rows("SELECT ended FROM source") == [1]


def test_an_idle_run_ends_within_a_second(program: MakeProgram) -> None:
    """However long its source would have waited. The quickest of three, on a busy machine."""
    script = program(FROM_FILE.format(options="interval_max=60").replace("0.01", "60"))
    took = []
    for _ in range(3):
        asked = len(script.notes)
        process = script.start()
        script.await_note("asked", asked + 1)
        began = time.monotonic()
        kill(process.pid, signal.SIGTERM)
        ended = script.wait(process)
        took.append(time.monotonic() - began)
        assert ended.code == 0, ended.err
    assert min(took) < 1.0, took


def test_what_cannot_be_worked_off_in_time_is_left_and_said(program: MakeProgram) -> None:
    """The load is carried on then, and its source asked again."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source(poll=True, interval=0.01)
        def numbers(wanted):
            note("asked")
            return [1, 2] if noted("asked") == 1 else None

        @pipeline.stage
        def store(number):
            note("begun", number)
            await_file("go")
            note("stored", number)

        pipeline.run(shutdown_grace=0.2)
        """
    )
    process = script.start()
    script.await_note("begun")
    kill(process.pid, signal.SIGTERM)
    ended = script.wait(process)
    assert ended.code == 143, ended.err
    assert "interrupted by SIGTERM; 2 outstanding; carry on with" in ended.err
    script.touch("go")
    asked = script.counts["asked"]
    process = script.start()
    script.await_note("stored", 2)
    script.await_note("asked", asked + 2)
    kill(process.pid, signal.SIGTERM)
    assert script.wait(process).code == 0
    assert script.queues() == [(2, 2, 0, 0)]


def test_a_second_signal_ends_at_once(program: MakeProgram) -> None:
    """As with any run."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source(poll=True)
        def numbers(): return [1] if not noted("begun") else []

        @pipeline.stage
        def store(number):
            note("begun")
            await_file("never")

        pipeline.run()
        """
    )
    process = script.start()
    script.await_note("begun")
    kill(process.pid, signal.SIGTERM)
    until(lambda: "working off" in script.said(process))
    kill(process.pid, signal.SIGTERM)
    ended = script.wait(process)
    assert ended.code == 143, ended.err
    assert "SIGTERM again: ending at once" in ended.err


def test_parked_items_are_told_by_the_exit_code(program: MakeProgram) -> None:
    """What was yielded is worked off, and one of it has failed."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source(poll=True, exhausted_after=1)
        def numbers(wanted):
            note("asked")
            return [1, 0] if noted("asked") == 1 else None

        @pipeline.stage
        def store(number): 1 / number

        pipeline.run()
        """
    )
    assert script.run().code == 6
    assert script.queues() == [(2, 1, 0, 1)]


@pytest.mark.parametrize(
    "source",
    [
        "def numbers(wanted): return range(3) if noted('called') == 1 else None",
        "def numbers(): yield from range(3 if noted('called') == 1 else 0)",
        "def numbers():\n    for n in (0, None, 1, 2): yield n if noted('called') == 1 else None",
        "async def numbers(wanted): return [0, 1, 2] if noted('called') == 1 else None",
        "async def numbers():\n    for n in range(3 if noted('called') == 1 else 0): yield n",
        "def numbers(): return iter([0, 1, 2] if noted('called') == 1 else ())",
    ],
)
def test_a_polled_source_may_be_of_any_form(program: MakeProgram, source: str) -> None:
    """Also without processes. It is exhausted after the answers that it says."""
    workers = "0" if source.startswith("async") else "1"
    first, _, rest = source.partition(":")
    script = program(
        f"""
from persistq import Pipeline
pipeline = Pipeline("demo")

@pipeline.source(poll=True, exhausted_after=2, interval=0.01)
{first}:
    note("called")
    {rest.strip()}

@pipeline.stage
def store(number): note("stored", number)

if __name__ == "__main__":
    pipeline.run()
"""
    )
    ended = script.run(PERSISTQ_WORKERS=workers)
    assert ended.code == 0, ended.err
    assert sorted(line for line in script.notes if line.startswith("stored")) == [
        "stored 0",
        "stored 1",
        "stored 2",
    ]
    assert script.counts["called"] == 3


def test_a_source_is_asked_for_what_is_missing(program: MakeProgram) -> None:
    """Never for more than its limit allows, one at a time if that is one."""
    script = program(FROM_FILE.format(options="max_outstanding=1, exhausted_after=1"))
    (script.home / "rows").write_text("a b c")
    ended = script.run()
    assert ended.code == 0, ended.err
    assert {line for line in script.notes if line.startswith("asked")} == {"asked 1"}
    assert script.queues() == [(3, 3, 0, 0)]


def test_a_full_queue_holds_the_source_until_there_is_room(program: MakeProgram) -> None:
    """What it yields beyond the number that is wanted is taken all the same."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source(poll=True, max_outstanding=4, interval=0.01)
        def numbers(wanted):
            note("asked", wanted, noted("stored"))
            return range(6)

        @pipeline.stage
        def store(number):
            note("begun")
            await_file("go")
            note("stored")

        pipeline.run()
        """
    )
    process = script.start()
    script.await_note("begun")
    until(lambda: script.queues() == [(6, 0, 0, 0)])
    script.touch("go")
    script.await_note("stored", 30)
    kill(process.pid, signal.SIGTERM)
    ended = script.wait(process)
    assert ended.code == 0, ended.err
    asked = [line.split()[1:] for line in script.notes if line.startswith("asked")]
    assert asked[0] == ["4", "0"]
    for calls, (wanted, stored) in enumerate(asked):
        assert 6 * calls - int(stored) + int(wanted) <= 4


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_whoever_knows_of_more_wakes_the_source(program: MakeProgram, start_method: str) -> None:
    """A handler does, and a thread of the program; the source would have waited for a minute."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source(poll=True, interval=60, interval_max=60)
        def numbers(wanted):
            note("asked")
            return [noted("asked")] if noted("asked") in (2, 4) else None

        @pipeline.stage
        def store(number):
            note("stored", number)
            if number == 2:
                note("woken", pipeline.wake())

        def outside():
            while not noted("asked"): time.sleep(0.01)
            note("woken", pipeline.wake())
            while noted("asked") < 3: time.sleep(0.01)
            note("woken", pipeline.wake())
            while not noted("stored", 4): time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGTERM)

        if __name__ == "__main__":
            note("woken", pipeline.wake())
            threading.Thread(target=outside).start()
            pipeline.run()
            note("woken", pipeline.wake())
        """
    )
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 0, ended.err
    assert script.counts["stored 2"] == script.counts["stored 4"] == 1
    assert script.counts["woken True"] == 3
    assert script.counts["woken False"] == 2


def test_a_command_wakes_the_source(program: MakeProgram) -> None:
    """Of a live run; where nobody is at work it says so."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source(poll=True, interval=60, interval_max=60, exhausted_after=2)
        def numbers(wanted):
            note("asked")

        pipeline.stage(abs)
        pipeline.run()
        """
    )

    def wake() -> subprocess.CompletedProcess[str]:
        typed = [sys.executable, "-m", "persistq", "wake", "demo"]
        typed += ["--journal", str(script.home / "journal")]
        return subprocess.run(typed, capture_output=True, text=True, check=False)

    process = script.start()
    script.await_note("asked")
    woken = wake()
    assert (woken.returncode, woken.stderr) == (
        0,
        "persistq: demo: its sources are asked for items\n",
    )
    assert script.wait(process).code == 0
    refused = wake()
    assert refused.returncode == 2
    assert "no run of 'demo' is at work here" in refused.stderr


REPEATING = """
    pipeline = Pipeline("demo", workers=1)
    WINDOW = (HERE / "window").read_text()

    @pipeline.source(poll=True, interval=0.01, requeue_after=WINDOW)
    def pending():
        note("asked")
        yield from ({"id": number} for number in range(1, 4) if number < 3 or noted("third"))

    @pipeline.stage
    def store(row): note("stored", row["id"])

    if __name__ == "__main__":
        pipeline.run()
"""


def test_an_item_that_comes_again_is_not_put_again_for_a_while(program: MakeProgram) -> None:
    """Also if everything was killed in between; an item need not be a key of a dict."""
    script = program(REPEATING)
    (script.home / "window").write_text("1h")
    process = script.start()
    script.await_note("stored", 2)
    script.await_note("asked", 5)
    assert script.queues()[0][0] == 2
    for pid in script.processes():
        kill(pid)
    process.wait()
    with (script.home / "notes").open("a") as notes:
        notes.write("third\n")
    asked = script.counts["asked"]
    process = script.start()
    script.await_note("stored 3")
    script.await_note("asked", asked + 3)
    assert script.queues()[0][0] == 3
    kill(process.pid, signal.SIGTERM)
    assert script.wait(process).code == 0


def test_an_item_that_comes_again_later_is_put_again(program: MakeProgram) -> None:
    """The window is over then."""
    script = program(REPEATING)
    (script.home / "window").write_text("0.05s")
    process = script.start()
    script.await_note("stored 1", 3)
    kill(process.pid, signal.SIGTERM)
    assert script.wait(process).code == 0


def test_a_source_that_raises_is_asked_again(program: MakeProgram) -> None:
    """As often in a row as it says; what it had yielded before is kept."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source(poll=True, retries=2, backoff=0.01, interval=0.01)
        def numbers():
            note("asked")
            times = noted("asked")
            yield times
            if times == 3:
                return
            raise Retry(0.01) if times == 2 else ConnectionError("the other side hung up")

        @pipeline.stage
        def store(number): note("stored", number)

        pipeline.run()
        """
    )
    ended = script.run()
    assert ended.code == 3
    told = "source 'numbers' raised ConnectionError: the other side hung up; it is asked again in"
    assert ended.err.count(told) == 3
    assert ended.err.count("it is asked again in 0.01 s") == 3
    assert script.counts["asked"] == 6
    assert script.queues()[0][0] == 6


def test_a_polled_source_goes_on_behind_its_cursor(program: MakeProgram) -> None:
    """It gets the last one that it has yielded, also in the same process; rows come once."""
    script = program(
        """
        from persistq import Put
        pipeline = Pipeline("demo", workers=2)

        @pipeline.source(poll=True, interval=0.01, max_outstanding=20, exhausted_after=1)
        def rows(wanted, cursor, last=500):
            note("source", os.getpid())
            first = cursor or 0
            for number in range(first, min(first + wanted, last)):
                if number == 230 and noted("half") == 0:
                    note("half")
                    await_file("never")
                yield Put(7, cursor=number + 1)

        @pipeline.stage
        def store(number): note("stored", number)

        pipeline.run()
        """
    )
    process = script.start()
    script.await_note("half")
    kill(script.pid("source"))
    ended = script.wait(process)
    assert ended.code == 0, ended.err
    assert script.queues() == [(500, 500, 0, 0)]


def test_everything_yielded_is_on_disk_when_the_source_is_asked_again(
    program: MakeProgram,
) -> None:
    """So whoever fetches may acknowledge then what it fetched before."""
    script = program(
        """
        import sqlite3
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source(poll=True, interval=0.01, exhausted_after=1)
        def numbers():
            journal = sqlite3.connect(f"file:{HERE}/journal/demo.db?mode=ro", uri=True)
            note("put", *journal.execute("SELECT next_n - 1 FROM queue").fetchone())
            journal.close()
            note("asked")
            return range(100) if noted("asked") < 4 else None

        @pipeline.stage
        def store(number): pass

        pipeline.run()
        """
    )
    ended = script.run()
    assert ended.code == 0, ended.err
    puts = [line for line in script.notes if line.startswith("put")]
    assert puts == ["put 0", "put 100", "put 200", "put 300"]


def test_ordinary_sources_are_interrupted_beside_a_polled_one(program: MakeProgram) -> None:
    """The load is not whole then, so it is carried on."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source(poll=True)
        def polled(): note("polled")

        @pipeline.source
        def plain():
            yield 1
            note("waits")
            await_file("go")

        @pipeline.stage
        def store(number): note("stored")

        pipeline.run()
        """
    )
    process = script.start()
    script.await_note("waits")
    script.await_note("polled")
    kill(process.pid, signal.SIGTERM)
    assert script.wait(process).code == 143
    script.touch("go")
    process = script.start()
    script.await_note("waits", 2)
    until(lambda: script.rows("SELECT count(*) FROM source WHERE ended") == [1])
    kill(process.pid, signal.SIGTERM)
    assert script.wait(process).code == 0
