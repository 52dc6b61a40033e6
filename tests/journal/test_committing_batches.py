"""A batch is recorded whole or not at all, whatever happens."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from feed import COMMAND, Feed

from persistq import failpoints
from persistq.errors import JournalCorrupt, JournalUnavailable
from persistq.items import Failure, FailureKind, Item
from persistq.journal.base import Attempts, Batch, Ending, LoadState, RunResult, WorkerRecord
from persistq.journal.sqlite import SqliteJournal, open_journal
from persistq.journal.sqlite_reader import SqliteReader
from persistq.site.processes import peer_here


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    """Look at a journal from outside."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def test_runs_and_loads_are_remembered(journal: SqliteJournal, path: Path) -> None:
    """Commands come back as they were, also where they are not UTF-8."""
    assert journal.latest_load() is None
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
    assert journal.latest_load() == load


def test_abandoned_load_stays(journal: SqliteJournal) -> None:
    """An abandoned load is still the latest one, and has an end."""
    journal.abandon_load(journal.begin_load("queue").load_id)
    load = journal.latest_load()
    assert load is not None
    assert load.state is LoadState.ABANDONED
    assert load.ended_at is not None


def test_commit_records_everything_of_a_batch(feed: Feed, path: Path) -> None:
    """Logs, parked, failures and counters are written by one commit."""
    failure = Failure(
        feed.id(4), FailureKind.CRASH, "SIGSEGV", "bad\udcff", pid=7, signal=11, peak_rss=9
    )
    feed.row.next_n, feed.row.done, feed.row.dropped, feed.row.parked = 6, 2, 1, 1
    feed.journal.commit(
        Batch(
            puts=[Item(feed.id(n), 2, bytes([n])) for n in range(1, 6)],
            done=[feed.id(1), feed.id(2)],
            dropped=[feed.id(3)],
            parked=[feed.id(4)],
            failures=[failure],
            queues={feed.row.queue_id: feed.row},
        )
    )
    assert feed.outstanding() == [5]
    assert feed.journal.queues(feed.load.load_id) == [feed.row]
    assert feed.journal.put_page(feed.id(1), feed.id(3), 9, 1 << 20) == [
        Item(feed.id(2), 2, b"\x02"),
        Item(feed.id(3), 2, b"\x03"),
    ]
    assert rows(path, "SELECT outcome FROM done_log ORDER BY item_id") == [(0,), (0,), (1,)]
    assert rows(path, "SELECT run_id, message, forgiven FROM failure") == [
        (feed.run_id, "bad\\udcff", 0)
    ]


def test_item_done_twice_rolls_the_whole_batch_back(feed: Feed, path: Path) -> None:
    """A contradiction is refused together with all that came with it, and work goes on after."""
    feed.put(3)
    feed.done(1)
    with pytest.raises(JournalCorrupt, match="contradicts"):
        feed.journal.commit(Batch(puts=[Item(feed.id(4), 1, b"")], done=[feed.id(2), feed.id(1)]))
    assert feed.outstanding() == [2, 3]
    assert rows(path, "SELECT count(*) FROM put_log") == [(3,)]
    feed.done(2)
    assert feed.outstanding() == [3]


def test_reused_id_is_refused(feed: Feed) -> None:
    """The put-log never takes the same id twice."""
    items = feed.put(2)
    with pytest.raises(JournalCorrupt):
        feed.journal.commit(Batch(puts=[items[1]]))


def test_counters_that_cannot_be_are_refused(feed: Feed) -> None:
    """More ends than puts, or a queue that is not there, roll the batch back."""
    feed.put(1)
    feed.row.done = 2
    with pytest.raises(JournalCorrupt):
        feed.journal.commit(Batch(done=[feed.id(1)], queues={feed.row.queue_id: feed.row}))
    feed.row.done, feed.row.queue_id = 1, 99
    with pytest.raises(JournalCorrupt, match="queue 99"):
        feed.journal.commit(Batch(queues={99: feed.row}))
    feed.row.queue_id = 1
    assert feed.outstanding() == [1]


def test_failed_commit_is_rolled_back(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    """An I/O error before COMMIT leaves nothing behind, and the journal stays usable."""
    monkeypatch.setattr(failpoints, "_armed", failpoints._parse("journal.before_commit:error:EIO"))
    with pytest.raises(JournalUnavailable):
        feed.journal.commit(Batch(puts=[Item(feed.id(1), 1, b"")]))
    assert feed.outstanding() == []
    feed.put(1)
    assert feed.outstanding() == [1]


CRASHER = """
import sys
from pathlib import Path
from persistq.items import Item
from persistq.journal.base import Batch
from persistq.journal.sqlite import open_journal
journal = open_journal(Path(sys.argv[1]))
row = journal.queues(1)[0]
row.next_n += 1
item = Item(row.queue_id << 40 | row.put, 1, b"new")
journal.commit(Batch(puts=[item], queues={row.queue_id: row}))
"""


@pytest.mark.parametrize(("instant", "recorded"), [("before", 2), ("after", 3)])
def test_killed_process_leaves_all_of_a_batch_or_nothing(
    feed: Feed, path: Path, instant: str, recorded: int
) -> None:
    """A kill right before COMMIT loses the batch, one right after it loses nothing."""
    feed.put(2)
    feed.journal.close()
    armed = os.environ | {"PERSISTQ_FAILPOINT": f"journal.{instant}_commit:kill"}
    process = subprocess.run([sys.executable, "-c", CRASHER, path], env=armed, check=False)
    assert process.returncode == -signal.SIGKILL
    with closing(open_journal(path)) as journal:
        (row,) = journal.queues(feed.load.load_id)
        assert row.put == recorded
        page = journal.put_page(feed.id(0), feed.id(99), 99, 1 << 20)
        assert len(page) == recorded


def test_full_disk_rolls_back_and_later_commits_work(feed: Feed) -> None:
    """Nothing half-written stays after SQLITE_FULL, and the work goes on once there is room."""
    feed.put(2)
    connection = feed.journal._writer._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    big = [Item(feed.id(n), 1, bytes(3000)) for n in range(3, 33)]
    with pytest.raises(JournalUnavailable, match="disk is full: free space"):
        feed.journal.commit(Batch(done=[feed.id(1)], puts=big))
    assert feed.outstanding() == [1, 2]
    connection.execute("PRAGMA max_page_count = 1000000")
    feed.put(30, bytes(3000))
    feed.done(1)
    assert feed.outstanding() == list(range(2, 33))


def test_settling_ends_the_load_once(feed: Feed) -> None:
    """When it was settled for the first time stays."""
    second = Feed(feed.journal, 1, feed.load)
    feed.put(1)
    feed.done(1)
    second.row.sealed_total = 0
    feed.journal.commit(Batch(queues={second.row.queue_id: second.row}))
    feed.settle()
    load = feed.journal.latest_load()
    assert load is not None
    assert load.state is LoadState.SETTLED
    assert load.ended_at is not None
    feed.settle()
    assert feed.journal.latest_load() == load


def test_unpark_makes_items_outstanding_and_forgives(feed: Feed) -> None:
    """Retrying by hand reopens the load, corrects counters and stops counting old failures."""
    feed.put(3)
    feed.done(1)
    feed.park(2)
    crash = Failure(feed.id(2), FailureKind.CRASH, "SIGKILL", "")
    error = Failure(feed.id(3), FailureKind.EXCEPTION, "ValueError", "no")
    feed.journal.commit(Batch(failures=[crash, error, error]))
    expected = Attempts(feed.id(3), FailureKind.EXCEPTION, 2)
    assert feed.journal.failed_attempts(feed.load.load_id) == [expected]
    feed.done(3)
    assert feed.journal.failed_attempts(feed.load.load_id) == []
    feed.settle()

    assert feed.journal.parked_ids(feed.row.queue_id) == [feed.id(2)]
    feed.unpark(2)
    assert feed.outstanding() == [2]
    load = feed.journal.latest_load()
    assert load is not None
    assert (load.state, load.ended_at) == (LoadState.REOPENED, None)
    assert feed.journal.queues(feed.load.load_id)[0].outstanding == 1
    assert feed.journal.failed_attempts(feed.load.load_id) == []
    with SqliteReader(Path(feed.journal.path)) as reader:
        assert reader.failures(feed.id(2)) == [crash]


def test_unpark_of_what_is_not_parked_rolls_the_whole_batch_back(feed: Feed) -> None:
    """Its counters would be wrong."""
    feed.put(2)
    feed.park(1)
    feed.settle()
    with pytest.raises(JournalCorrupt, match="was not parked"):
        feed.journal.commit(
            Batch(unparked=[feed.id(1), feed.id(2)], reopened_load=feed.load.load_id)
        )
    load = feed.journal.latest_load()
    assert load is not None
    assert load.state is LoadState.SETTLED
    assert feed.journal.parked_ids(feed.row.queue_id) == [feed.id(1)]


def test_why_an_item_was_dropped_is_kept(feed: Feed, path: Path) -> None:
    """In the transaction that drops it, and whatever characters it is written in."""
    feed.put(2)
    feed.row.dropped = 2
    dropped = [feed.id(1), feed.id(2)]
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


def test_digests_are_a_multiset(feed: Feed) -> None:
    """Each digest is taken as often as it was added, also within one call, and per queue."""
    queue_id = feed.row.queue_id
    feed.journal.add_digests(queue_id, iter([b"a", b"a", b"b"]))
    feed.journal.add_digests(queue_id + 1, [b"c"])
    taken = feed.journal.take_digests(queue_id, [b"a", b"c", b"a", b"a", b"b"])
    assert taken == [True, False, True, False, True]
    feed.journal.add_digests(queue_id, [b"a"])
    assert feed.journal.take_digests(queue_id, [b"a"]) == [True]
    feed.journal.add_digests(queue_id, [b"a"])
    feed.journal.clear_digests(queue_id)
    assert feed.journal.take_digests(queue_id, [b"a"]) == [False]
    assert feed.journal.take_digests(queue_id + 1, [b"c"]) == [True]
