"""What is made of one item may be more than memory holds: it is spooled, or streamed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from .conftest import MakeProgram
from .program import Program, until

ROWS = 2000
PADDED = """
    pipeline = Pipeline("demo", workers=1)

    @pipeline.source
    def files():
        yield from (1, 2)

    def rows(number):
        for n in range(1000):
            yield [number, n, "x" * 1000]

    {decorated}

    @pipeline.stage
    def store(row):
        note("row", *row[:2])

    if __name__ == "__main__":
        pipeline.run()
"""
PLAIN = """@pipeline.stage(retries=1, backoff=0)
    def read(number, item):
        yield from rows(number)"""
STREAM = """@pipeline.stage(retries=1, backoff=0, stream=True)
    def read(number, item):
        yield from rows(number)"""
FAILS_LATE = """
        if not (HERE / "fixed").exists() and item.attempt == 1:
            raise ValueError("in the last row")"""
EACH_ONCE = {f"row {number} {n}": 1 for number in (1, 2) for n in range(1000)}
DIES_HERE = [
    "client.after_spool@3",
    "broker.before_spool@3",
    "journal.before_spool@2",
    "broker.before_publish@1",
    "broker.before_publish@2",
    "journal.before_publish@2",
]
STREAM_DIES_HERE = ["client.after_stream@3", "broker.before_stream@5", "journal.before_stream@2"]


def peak_of(pid: int) -> int:
    """Return the most memory that a living process ever had, in MB."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return int(status["VmHWM"].split()[0]) >> 10


def require_all_after_a_death(script: Program, point: str) -> None:
    """A worker that dies is replaced; for a broker that does, the script is started again."""
    hits = script.home / "hits"
    hits.mkdir()
    armed = {"PERSISTQ_FAILPOINT": f"{point}:kill", "PERSISTQ_FAILPOINT_HITS": str(hits)}
    ended = script.run(**armed)
    if not point.startswith("client"):
        assert ended.code == 3, ended.err
        ended = script.run()
    assert ended.code == 0, ended.err
    assert script.queues() == [(2, 2, 0, 0), (ROWS, ROWS, 0, 0)]
    put = script.rows("SELECT value FROM item WHERE stage = 'store'")
    assert len(set(put)) == len(put) == ROWS


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peaks are read from /proc")
def test_memory_does_not_grow_with_what_one_item_makes(program: MakeProgram) -> None:
    """Neither of its worker nor of the broker, where all of it would be 60 MB and more."""
    peaks = []
    for rows in (1, 300_000):
        script = program(
            f"""
            pipeline = Pipeline("demo", workers=1)

            @pipeline.source
            def files():
                yield "one.csv"

            @pipeline.stage
            def read(path):
                for n in range({rows}):
                    yield f"{{n:0100}}"
                note("read", os.getpid())
                await_file("done")

            @pipeline.stage
            def store(row):
                if int(row) == {rows} - 1:
                    note("stored", os.getpid())
                    await_file("done")

            if __name__ == "__main__":
                pipeline.run()
            """,
            home=f"rows{rows}",
        )
        process = script.start(env={"PERSISTQ_READY_BYTES_MAX": "4000000"})
        worker, broker = script.pid("read"), script.broker()
        if rows > 1:
            until(lambda script=script: script.rows("SELECT sum(count) FROM spool_block") != [None])
        peaks.append((peak_of(worker), peak_of(broker)))
        script.touch("done")
        assert script.wait(process).code == 0
        assert script.queues() == [(1, 1, 0, 0), (rows, rows, 0, 0)]
    (worker, broker), (worker_of_many, broker_of_many) = peaks
    assert worker_of_many < worker + 12
    assert broker_of_many < broker + 40


@pytest.mark.parametrize("workers", ["0", "1"])
def test_an_attempt_that_fails_late_leaves_nothing_of_what_it_made(
    program: MakeProgram, workers: str
) -> None:
    """Its spool is void; the next one begins anew."""
    script = program(PADDED.format(decorated=PLAIN + FAILS_LATE))
    ended = script.run(PERSISTQ_WORKERS=workers)
    assert ended.code == 0, ended.err
    assert script.counts == EACH_ONCE
    assert script.rows("SELECT count FROM spool ORDER BY item_id, spool_id") == [None, 1000] * 2
    assert script.queues() == [(2, 2, 0, 0), (ROWS, ROWS, 0, 0)]


def test_an_item_that_is_dropped_late_makes_nothing(program: MakeProgram) -> None:
    """As if it had yielded nothing before."""
    script = program(PADDED.format(decorated=PLAIN + "\n        raise Drop"))
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.queues() == [(2, 0, 2, 0), (0, 0, 0, 0)]
    assert script.rows("SELECT count FROM spool") == [None, None]


@pytest.mark.parametrize("point", DIES_HERE)
def test_killed_at_any_instant_all_rows_go_on_once(program: MakeProgram, point: str) -> None:
    """Whoever dies, and whenever: a second start completes what is left, if anything is."""
    script = program(PADDED.format(decorated=PLAIN))
    require_all_after_a_death(script, point)
    assert set(script.counts) == set(EACH_ONCE)


def test_what_a_handler_forks_spools_nothing(program: MakeProgram) -> None:
    """The item is its parent's, and so is the connection."""
    decorated = PLAIN.replace(
        "yield from rows(number)",
        'yield [number, -1, "x"]; os.fork() or note("child"); yield from rows(number)',
    )
    script = program(PADDED.format(decorated=decorated))
    ended = script.run()
    assert ended.code == 0, ended.err
    assert "Traceback" not in ended.err
    assert script.counts == EACH_ONCE | {"row 1 -1": 1, "row 2 -1": 1, "child": 2}


# --- streaming ---


def test_what_is_streamed_goes_on_before_its_item_is_done(program: MakeProgram) -> None:
    """The handler waits here for what the next stage makes of its first row."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def numbers():
            yield 1

        @pipeline.stage(stream=True)
        def read(number):
            yield "first"
            await_file("first")
            yield "second"

        @pipeline.stage
        def store(row):
            note(row)
            (HERE / row).touch()

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.notes == ["first", "second"]
    assert script.rows("SELECT * FROM streamed") == []


@pytest.mark.parametrize("workers", ["0", "1"])
def test_another_attempt_absorbs_what_the_first_has_streamed(
    program: MakeProgram, workers: str
) -> None:
    """Each row goes on once, also where the first attempt fails at its end."""
    script = program(PADDED.format(decorated=STREAM + FAILS_LATE))
    ended = script.run(PERSISTQ_WORKERS=workers)
    assert ended.code == 0, ended.err
    assert script.counts == EACH_ONCE
    assert script.rows("SELECT * FROM streamed") == []


def test_equal_rows_of_a_stream_are_rows_of_their_own(program: MakeProgram) -> None:
    """An attempt absorbs what those before it have put, and nothing that it has put itself."""
    decorated = STREAM.replace("from rows(number)", "from ['x' * 1000] * 1000") + FAILS_LATE
    script = program(PADDED.format(decorated=decorated).replace('note("row", *row[:2])', "pass"))
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.queues() == [(2, 2, 0, 0), (ROWS, ROWS, 0, 0)]


@pytest.mark.parametrize("point", STREAM_DIES_HERE)
def test_killed_while_it_streams_all_rows_go_on_once(program: MakeProgram, point: str) -> None:
    """What is in the journal is known there as what its item has put."""
    script = program(PADDED.format(decorated=STREAM))
    require_all_after_a_death(script, point)


def test_rows_of_an_item_that_fails_for_good_have_gone_on(program: MakeProgram) -> None:
    """They stay, and when the item is retried by hand they absorb what it makes."""
    script = program(PADDED.format(decorated=STREAM.replace("retries=1", "retries=0") + FAILS_LATE))
    assert script.run().code == 6
    (of_files, (put, *_)) = script.queues()
    assert of_files == (2, 0, 0, 2)
    assert 0 < put <= ROWS, "the last ones were still waiting for company"
    script.touch("fixed")
    ended = script.run(PERSISTQ_RETRY_FAILED="1")
    assert ended.code == 0, ended.err
    assert script.queues() == [(2, 2, 0, 0), (ROWS, ROWS, 0, 0)]
    assert script.counts == EACH_ONCE


def test_a_stage_that_has_streamed_streams_until_its_items_are_done(program: MakeProgram) -> None:
    """A start that says otherwise is refused; it would put rows twice."""
    waits = STREAM.replace(
        "yield from rows(number)", 'yield from rows(number); await_file("never")'
    )
    script = program(PADDED.format(decorated=waits))
    process = script.start()
    script.await_note("row 1 0")
    os.kill(script.broker(), signal.SIGKILL)
    assert script.wait(process).code == 3
    script.write(PADDED.format(decorated=PLAIN))
    ended = script.run()
    assert ended.code == 2, ended.err
    assert "stage 'read' has put a part of what it makes of an item: say" in ended.err
    script.write(PADDED.format(decorated=STREAM))
    assert script.run().code == 0
    assert script.queues() == [(2, 2, 0, 0), (ROWS, ROWS, 0, 0)]
