"""What a batch is in SQLite, and that it is recorded whole or not at all at its fail-points."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from persistq import failpoints
from persistq.blocks import Origin, block_of, count_of
from persistq.errors import JournalCorrupt, JournalUnavailable
from persistq.items import Failure, FailureKind
from persistq.journal.batch import Batch, Put
from persistq.journal.run import Ending, RunResult, WorkerRecord
from persistq.journal.sqlite import SqliteJournal, open_journal
from persistq.journal.sqlite_reader import SqliteReader
from persistq.site.processes import peer_here
from persistq.testing.journals.feed import COMMAND, Feed


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    """Look at a journal from outside."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def test_runs_are_remembered(journal: SqliteJournal, path: Path) -> None:
    """Commands come back as they were, also where they are not UTF-8."""
    load = journal.begin_load("queue")
    run_id = journal.begin_run(load.load_id, COMMAND)
    with SqliteReader(path) as reader:
        (living,) = reader.runs(load.load_id)
        journal.end_run(run_id, RunResult.FAILED, "stage 'x' gave up: caf\udce9")
        (ended,) = reader.runs(load.load_id)
    assert living.command == COMMAND
    assert (living.result, living.ended_at) == (None, None)
    assert ended.result is RunResult.FAILED
    assert ended.reason == "stage 'x' gave up: caf\\udce9"
    assert ended.ended_at is not None
    assert ended.ended_at >= ended.started_at
    assert ended.started_at.utcoffset() is not None


def test_outcomes_and_failures_are_rows(feed: Feed, path: Path) -> None:
    """Done and dropped are told apart, and a failure says of which run and whether it counts."""
    failure = Failure(
        feed.id(4), FailureKind.CRASH, "SIGSEGV", "bad\udcff", pid=7, signal=11, peak_rss=9
    )
    feed.row.next_n, feed.row.done, feed.row.dropped, feed.row.parked = 6, 2, 1, 1
    feed.journal.commit(
        Batch(
            puts=[Put(feed.id(1), block_of(2, [bytes([n]) for n in range(1, 6)]))],
            done=feed.ranges([2, 1]),
            dropped=feed.ranges([3]),
            parked=[feed.id(4)],
            failures=[failure],
            queues={feed.row.queue_id: feed.row},
        )
    )
    ends = rows(path, "SELECT first_id, last_id, outcome FROM done_range")
    assert ends == [(feed.id(1), feed.id(2), 0), (feed.id(3), feed.id(3), 1)]
    assert rows(path, "SELECT run_id, message, forgiven FROM failure") == [
        (feed.run_id, "bad\\udcff", 0)
    ]


def test_failed_commit_is_rolled_back(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    """An I/O error before COMMIT leaves nothing behind, and the journal stays usable."""
    monkeypatch.setattr(failpoints, "_armed", failpoints._parse("journal.before_commit:error:EIO"))
    with pytest.raises(JournalUnavailable):
        feed.journal.commit(Batch(puts=[Put(feed.id(1), block_of(1, [b""]))]))
    assert feed.outstanding() == []
    feed.put(1)
    assert feed.outstanding() == [1]


CRASHER = """
import sys
from pathlib import Path
from persistq.blocks import block_of
from persistq.journal.batch import Batch, Put
from persistq.journal.sqlite import open_journal
from persistq.testing.journals.feed import COMMAND
journal = open_journal(Path(sys.argv[1]))
row = journal.queues(1)[0]
journal.begin_run(1, COMMAND)
row.next_n += 1
put = Put(row.queue_id << 40 | row.put, block_of(1, [b"new"]))
journal.commit(Batch(puts=[put], queues={row.queue_id: row}))
"""


@pytest.mark.parametrize(("instant", "recorded"), [("before", 2), ("after", 3)])
def test_killed_process_leaves_all_of_a_batch_or_nothing(
    feed: Feed, path: Path, instant: str, recorded: int
) -> None:
    """A kill right before COMMIT loses the batch, one right after it loses nothing."""
    feed.put(2)
    feed.journal.close()
    armed = os.environ | {"PERSISTQ_FAILPOINT": f"journal.{instant}_commit@2:kill"}
    process = subprocess.run([sys.executable, "-c", CRASHER, path], env=armed, check=False)
    assert process.returncode == -signal.SIGKILL
    with closing(open_journal(path)) as journal:
        (row,) = journal.queues(feed.load.load_id)
        assert row.put == recorded
        page = journal.put_page(feed.id(0), feed.id(99), 99, 1 << 20)
        assert count_of(page) == recorded


THINNER = """
import sys
from pathlib import Path
from persistq.journal.batch import Batch
from persistq.journal.sqlite import open_journal
from persistq.testing.journals.feed import COMMAND
from persistq.timings import Sample, StageSample
journal = open_journal(Path(sys.argv[1]))
journal.begin_run(1, COMMAND)
for tick in range(3):
    stage = StageSample(1, 2, 0, 0, 0, 0.0, 0.0, 0)
    journal.commit(Batch(sample=Sample(tick, 0.0, 0, (stage,)), samples_every=2 * (tick == 2)))
"""


@pytest.mark.parametrize(("instant", "recorded"), [("thinning", [0, 1]), ("commit@9", [0, 2])])
def test_a_kill_while_samples_are_thinned_out_leaves_those_before(
    feed: Feed, path: Path, instant: str, recorded: list[int]
) -> None:
    """Those that go, go with the one that comes."""
    feed.put(2)
    feed.journal.close()
    armed = os.environ | {"PERSISTQ_FAILPOINT": f"journal.before_{instant}:kill"}
    process = subprocess.run([sys.executable, "-c", THINNER, path], env=armed, check=False)
    assert process.returncode == (-signal.SIGKILL if instant == "thinning" else 0)
    assert [tick for (tick,) in rows(path, "SELECT tick FROM sample ORDER BY tick")] == recorded
    assert rows(path, "SELECT DISTINCT tick FROM stage_sample ORDER BY tick") == [
        (tick,) for tick in recorded
    ]


def test_full_disk_rolls_back_and_later_commits_work(feed: Feed) -> None:
    """Nothing half-written stays after SQLITE_FULL, and the work goes on once there is room."""
    feed.put(2)
    connection = feed.journal._writer._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    big = [Put(feed.id(n), block_of(1, [bytes(3000)])) for n in range(3, 33)]
    with pytest.raises(JournalUnavailable, match="disk is full: free space"):
        feed.journal.commit(Batch(done=feed.ranges([1]), puts=big))
    assert feed.outstanding() == [1, 2]
    connection.execute("PRAGMA max_page_count = 1000000")
    feed.put(30, bytes(3000))
    feed.done(1)
    assert feed.outstanding() == list(range(2, 33))


def test_neighbours_that_end_together_are_one_row(feed: Feed, path: Path) -> None:
    """In whatever order they come; those of another outcome or another commit are others."""
    feed.put_together(20)
    feed.row.done, feed.row.dropped = 8, 1
    done = [*feed.ranges([9, 8, 7]), *feed.ranges([1, 2]), *feed.ranges([5, 4, 3])]
    feed.commit(Batch(done=done, dropped=feed.ranges([6])))
    feed.done(10)
    ends = rows(path, "SELECT first_id, last_id, outcome FROM done_range")
    expected = [(1, 5, 0), (6, 6, 1), (7, 9, 0), (10, 10, 0)]
    assert ends == [(feed.id(first), feed.id(last), way) for first, last, way in expected]


def turns(path: Path) -> list[tuple[object, ...]]:
    """Return the turn of each block and of each range."""
    return rows(path, "SELECT turn_id FROM put_block UNION ALL SELECT turn_id FROM done_range")


def test_commits_of_a_moment_share_their_turn(
    feed: Feed, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row says when and in which run; commits of later have another, and so has a run."""
    moment = 100.0
    monkeypatch.setattr("persistq.journal.turns.time.monotonic", lambda: moment)
    feed.put(1)
    feed.put(1)
    moment += 0.1
    feed.commit(Batch())
    feed.done(1)
    feed.journal.begin_run(feed.load.load_id, COMMAND)
    feed.done(2)
    assert turns(path) == [(1,), (1,), (2,), (3,)]
    runs = rows(path, "SELECT run_id FROM turn")
    assert runs == [(feed.run_id,), (feed.run_id,), (feed.run_id + 1,)]


def put_and_contradict(feed: Feed) -> None:
    """Commit a batch, and one that cannot be."""
    put = Put(feed.id(1), block_of(1, [b""]))
    feed.journal.commit(Batch(puts=[put]))
    feed.journal.abandon_load(feed.load.load_id)
    feed.journal.add_queue(feed.load.load_id, feed.row.position, "second at one position")


def test_turn_that_was_rolled_back_is_not_named_again(
    feed: Feed, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither one of a batch that was refused, nor one of a block of `together`."""
    monkeypatch.setattr("persistq.journal.turns.time.monotonic", lambda: 100.0)
    with pytest.raises(JournalCorrupt):
        feed.journal.commit(Batch(puts=[Put(feed.id(2), block_of(1, [b""]))]))
    with pytest.raises(JournalCorrupt), feed.journal.together():
        put_and_contradict(feed)
    feed.put(1)
    assert turns(path) == rows(path, "SELECT turn_id FROM turn") == [(1,)]


def test_origin_of_a_block_is_kept(feed: Feed, path: Path) -> None:
    """What its first item was made of, and how far on it is from there to the others'."""
    origin = Origin(feed.id(1), b"\0\1")
    puts = [*feed.blocks([b"1"], 0), Put(feed.id(2), block_of(0, [b"2", b"3"]), origin)]
    feed.row.next_n += 2
    feed.commit(Batch(puts=puts))
    assert rows(path, "SELECT origin, steps FROM put_block") == [(None, None), tuple(origin)]


def test_forgiven_failures_are_kept_for_reading(feed: Feed, path: Path) -> None:
    """Retrying by hand counts old failures no more, and forgets none."""
    feed.put(1)
    crash = Failure(feed.id(1), FailureKind.CRASH, "SIGKILL", "")
    feed.journal.commit(Batch(failures=[crash]))
    feed.park(1)
    feed.unpark(1)
    with SqliteReader(path) as reader:
        assert reader.failures(feed.id(1)) == [crash]


def test_why_an_item_was_dropped_is_kept(feed: Feed, path: Path) -> None:
    """In the transaction that drops it, and whatever characters it is written in."""
    feed.put(2)
    feed.row.dropped = 2
    dropped = feed.ranges([1, 2])
    reasons = {feed.id(2): "seen \udce9 before"}
    feed.journal.commit(
        Batch(dropped=dropped, reasons=reasons, queues={feed.row.queue_id: feed.row})
    )
    assert rows(path, "SELECT * FROM drop_reason") == [(feed.id(2), "seen \\udce9 before")]


def test_how_a_process_ended_is_kept_with_all_that_it_is_blamed_for(feed: Feed, path: Path) -> None:
    """Of an attempt of several items too, in the batch of its failures or in a later one."""
    feed.put(3)
    assert feed.journal.next_worker_id() == 1
    workers = [WorkerRecord(n, feed.row.queue_id, peer_here(76 + n)) for n in (1, 2)]
    feed.journal.commit(Batch(workers=workers))
    assert feed.journal.next_worker_id() == 3
    suspects = [Failure(feed.id(n), FailureKind.SUSPECT, "WorkerDied", "", pid=77) for n in (1, 2)]
    error = Failure(feed.id(3), FailureKind.EXCEPTION, "ValueError", "no", pid=77)
    ending = Ending(77, -9, 9, 123, out_of_memory=True)
    feed.journal.commit(Batch(failures=[*suspects, error], departures={1: "died"}))
    feed.journal.commit(Batch(endings=[ending]))
    told = rows(path, "SELECT signal, exit_code, peak_rss, out_of_memory FROM failure")
    assert told == [(9, -9, 123, 1), (9, -9, 123, 1), (None, None, None, None)]
    assert rows(path, "SELECT ending FROM worker") == [("signal 9",), (None,)]
