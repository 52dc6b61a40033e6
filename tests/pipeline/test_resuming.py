"""Carrying a load on: nothing is lost, and nothing is done twice without need."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from .conftest import MakeProgram
from .program import kill, until

RAISES = """
    pipeline = Pipeline("demo", workers=2)

    @pipeline.source
    def numbers():
        note("source")
        for number in range(3000):
            if number == 1500 and not (HERE / "fixed").exists():
                raise ConnectionError("the other side hung up")
            yield number % 100

    @pipeline.stage
    def work(number):
        return number

    @pipeline.stage
    def store(number):
        note(number)

    if __name__ == "__main__":
        pipeline.run()
"""


def test_a_source_that_raises_ends_the_load_and_is_called_again_without_doubling(
    program: MakeProgram, start_method: str
) -> None:
    """The run ends with exit code 3 and the sentence of the source; the next one completes it."""
    script = program(RAISES)
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 3
    assert "source 'numbers' raised ConnectionError: the other side hung up" in ended.err
    assert script.queues()[0][0] == 1500, "what it had put is in the journal"
    script.touch("fixed")
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 0, ended.err
    assert "carrying on load 1" in ended.err
    assert script.counts["source"] == 2
    assert script.queues() == [(3000, 3000, 0, 0), (3000, 3000, 0, 0)]
    # Equal values are items of their own: each of a hundred values comes thirty times.
    assert {script.counts[str(number)] for number in range(100)} == {30}


def test_a_source_in_another_order_is_absorbed_too(program: MakeProgram) -> None:
    """A re-run need not repeat the order of the first time: items are known by their value."""
    script = program(
        """
        import random
        pipeline = Pipeline("demo", workers=2)

        @pipeline.source
        def numbers():
            again = (HERE / "fixed").exists()
            values = [number % 400 for number in range(2000)]
            random.Random(again).shuffle(values)
            for position, value in enumerate(values):
                if position == 1200 and not again:
                    raise ConnectionError
                yield value

        @pipeline.stage
        def store(number): note(number)

        pipeline.run()
        """
    )
    assert script.run().code == 3
    script.touch("fixed")
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.queues() == [(2000, 2000, 0, 0)]
    assert script.counts == {str(number): 5 for number in range(400)}


def test_a_killed_source_is_called_again_without_doubling(
    program: MakeProgram, start_method: str
) -> None:
    """The run goes on with another source process, which repeats what the first had put."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=2)

        @pipeline.source
        def numbers():
            note("source", os.getpid())
            for number in range(2000):
                if number == 1000 and noted("half") == 0:
                    note("half")
                    await_file("never")
                yield number

        @pipeline.stage
        def store(number): note("stored", number)

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    process = script.start(env={"PERSISTQ_START_METHOD": start_method})
    script.await_note("half")
    kill(script.pid("source"))
    ended = script.wait(process)
    assert ended.code == 0, ended.err
    assert "source numbers was killed by SIGKILL; starting another one" in ended.err
    assert script.queues() == [(2000, 2000, 0, 0)]
    counts = script.counts
    assert all(counts[f"stored {number}"] == 1 for number in range(2000))
    assert sum(line.startswith("source") for line in script.notes) == 2


def test_a_source_killed_right_after_its_seal_changes_nothing(
    program: MakeProgram, tmp_path: Path
) -> None:
    """The seal is what counts: the source is not called again, and the load ends well."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def numbers():
            note("source")
            yield from range(10)

        @pipeline.stage
        def store(number): note(number)

        pipeline.run()
        """
    )
    hits = tmp_path / "hits"
    hits.mkdir()
    ended = script.run(
        PERSISTQ_FAILPOINT="source.after_seal:kill", PERSISTQ_FAILPOINT_HITS=str(hits)
    )
    assert ended.code == 0, ended.err
    assert (hits / "source.after_seal").exists()
    assert script.counts["source"] == 1
    assert script.queues() == [(10, 10, 0, 0)]


def test_a_sealed_source_is_not_called_again(program: MakeProgram, start_method: str) -> None:
    """When all is put, carrying on means working off what is outstanding, and nothing else."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=2)

        @pipeline.source
        def numbers():
            note("source")
            yield from range(100)

        @pipeline.stage
        def store(number):
            note(number)
            if number >= 50 and not (HERE / "go").exists():
                await_file("never")

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    # Reported at once, so that the kill below costs nothing but the items in hand.
    at_once = {"PERSISTQ_START_METHOD": start_method, "PERSISTQ_ACK_INTERVAL": "0"}
    process = script.start(env=at_once)
    script.await_note("50")
    while script.rows("SELECT sealed_total FROM queue") != [100]:
        assert process.poll() is None
    process.kill()
    script.wait(process)
    script.touch("go")
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 0, ended.err
    assert script.counts["source"] == 1
    assert all(script.counts[str(number)] == 1 for number in range(50))
    assert script.queues() == [(100, 100, 0, 0)]


def test_carrying_on_says_so_in_one_line(program: MakeProgram) -> None:
    """The user sees what is outstanding, what was done before, and which file it is."""
    script = program(RAISES)
    assert script.run().err.count("load 1 begins") == 1
    script.touch("fixed")
    ended = script.run()
    done = script.rows("SELECT count(*) FROM item WHERE state = 'done'")
    assert done == [6000]
    [line] = [line for line in ended.err.splitlines() if "carrying on" in line]
    assert "outstanding" in line
    assert "done before" in line
    assert str(script.home / "journal" / "demo.db") in line


def test_fresh_abandons_the_unfinished_load(program: MakeProgram) -> None:
    """The old load stays in the journal, marked as abandoned; the new one does everything."""
    script = program(RAISES)
    assert script.run().code == 3
    script.touch("fixed")
    before = script.counts
    ended = script.run(PERSISTQ_FRESH="1")
    assert ended.code == 0, ended.err
    assert "load 2 begins" in ended.err
    assert script.rows("SELECT state FROM load ORDER BY load_id") == ["abandoned", "settled"]
    assert {script.counts[str(n)] - before[str(n)] for n in range(100)} == {30}
    assert script.queues() == [(3000, 3000, 0, 0), (3000, 3000, 0, 0)]


def test_changed_stages_are_refused_while_a_load_is_unfinished(program: MakeProgram) -> None:
    """Outstanding items belong to stages by name, so renaming one is not guessed at."""
    script = program(RAISES)
    assert script.run().code == 3
    script.write(RAISES.replace("def store", "def save"))
    ended = script.run()
    assert ended.code not in {0, -6, -9}
    assert "has the stages work, store; this program has work, save" in ended.err
    script.touch("fixed")
    script.write(RAISES)
    assert script.run().code == 0


@pytest.mark.parametrize("moment", [1, 2, 3, 5, 8, 13, 21, 34])
def test_outputs_and_their_done_record_are_one_transaction(
    program: MakeProgram, moment: int
) -> None:
    """However many commits the broker survives, no output is lost and none is doubled."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: range(100))

        @pipeline.stage
        def split(number):
            note("split", number)
            yield number * 2
            yield number * 2 + 1

        @pipeline.stage
        def store(number): note("store", number)

        pipeline.run()
        """
    )
    slow = {"PERSISTQ_WINDOW_TIME": "0", "PERSISTQ_ACK_INTERVAL": "0"}
    for place in ("broker.before_commit", "broker.after_commit"):
        ended = script.run(PERSISTQ_FAILPOINT=f"{place}@{moment}:kill", **slow)
        assert ended.code == 3, "the broker was to die at this commit"
        assert "the broker of 'demo' is gone" in ended.err
    ended = script.run(**slow)
    assert ended.code == 0, ended.err
    # One row for each output and one effect for each row: doubled outputs would show in both.
    assert script.queues() == [(100, 100, 0, 0), (200, 200, 0, 0)]
    assert script.rows("SELECT count(DISTINCT value) FROM item WHERE item_id >> 40 = 2") == [200]
    stored = {line: n for line, n in script.counts.items() if line.startswith("store")}
    assert set(stored) == {f"store {number}" for number in range(200)}
    # Each death costs at most the item in the worker's hand and the one in the lost commit.
    assert sum(n - 1 for n in stored.values()) <= 2 * 2


def test_a_run_that_died_in_every_phase_is_completed(program: MakeProgram) -> None:
    """Kill the script again and again while it works: the sum of all runs is one whole load."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=2)
        pipeline.source(lambda: range(400))

        @pipeline.stage
        def store(number):
            note(number)

        pipeline.run()
        """
    )
    for goal in (1, 100, 200, 300):
        process = script.start()
        while len(script.notes) < goal and process.poll() is None:
            pass
        kill(process.pid, signal.SIGKILL)
        assert script.wait(process).code in {-9, 0}
    ended = script.run()
    assert ended.code == 0, ended.err
    assert set(script.counts) == {str(number) for number in range(400)}
    assert script.rows("SELECT sum(done) FROM queue WHERE queue_id = 1") == [400]


def test_a_retry_that_waits_for_its_time_waits_in_the_next_run_as_well(
    program: MakeProgram,
) -> None:
    """The moment is kept with the failure; the other items do not wait for it."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: range(3))

        @pipeline.stage(retries=1)
        def store(number):
            note(number, time.time())
            if number == 1 and not noted("fixed"):
                note("fixed")
                raise Retry(delay=5)

        pipeline.run()
        """
    )
    process = script.start()
    until(lambda: script.counts["fixed"] == 1)
    until(lambda: script.rows("SELECT count(*) FROM failure WHERE retry_at > at") == [1])
    kill(process.pid, signal.SIGKILL)
    script.wait(process)
    ended = script.run()
    assert ended.code == 0, ended.err
    first, again = (float(line.split()[1]) for line in script.notes if line.startswith("1 "))
    assert 5 - 0.1 <= again - first < 20
