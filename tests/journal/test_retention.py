"""What is given up of a journal in a file: its space, a little at a time, and no more than that."""

from __future__ import annotations

import fcntl
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from persistq.blocks import block_of
from persistq.broker.alone import alone
from persistq.broker.tidying import Tidying
from persistq.errors import JournalBusy, JournalMissing
from persistq.journal import retention
from persistq.journal.batch import LINES_MAX, Batch, Line
from persistq.journal.holding import held, remove_if_bare
from persistq.journal.keeping import Keep
from persistq.journal.sqlite import SqliteJournal, open_journal
from persistq.journal.sqlite_reader import SqliteReader
from persistq.site.finding import site_of
from persistq.testing import check_journal
from persistq.testing.journals.feed import Feed
from persistq.timings import Sample, SlowItem, StageSample, StageTimes

LOADS = 400
ITEMS = 5000
VALUE = b'"%030d"'


def night(journal: SqliteJournal) -> Feed:
    """Settle one load, half of it in order."""
    feed = Feed(journal)
    feed.put_blocks(feed.blocks([VALUE % n for n in range(ITEMS)], codec=0))
    feed.done(*range(1, ITEMS // 2 + 1))
    feed.done(*range(ITEMS // 2 + 1, ITEMS + 1))
    feed.settle()
    return feed


def test_the_file_stays_as_it_is_over_hundreds_of_loads(path: Path) -> None:
    """Of 5,000 rows each, and 20 of them kept; the space goes back to the file system."""
    sizes = []
    for _ in range(LOADS):
        with closing(open_journal(path)) as journal:
            night(journal)
            Tidying(journal, Keep(20, 1 << 30), time.monotonic).finish(lambda: False)
        sizes.append(path.stat().st_size)
    assert max(sizes[30:]) <= 1.1 * max(sizes[:30])
    assert sizes[-1] < 30 * ITEMS * len(VALUE % 0)
    assert check_journal(path) == []


def test_a_step_does_little(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of one is some blocks; others can be served between two of them."""
    monkeypatch.setattr(retention, "_SECONDS", 0.0)
    with closing(open_journal(path)) as journal:
        for _ in range(20):
            night(journal)
    with closing(open_journal(path)) as journal, closing(sqlite3.connect(path)) as reader:
        for load in journal.ended_loads():
            journal.purge_load(load.load_id)
        count = "SELECT count(*) FROM put_block"
        [(before,)] = reader.execute(count)
        while journal.tidy(1):
            [(after,)] = reader.execute(count)
            assert before - after <= retention._BLOCKS
            before = after
    assert before == 0


def test_what_was_changed_by_hand_is_kept_until_its_load_has_ended_again(path: Path) -> None:
    """Then all of it is given up; what was done by hand, and without a run, stays on record."""
    with closing(open_journal(path)) as journal:
        feed = Feed(journal)
        feed.put_blocks(feed.blocks([VALUE % n for n in range(600)], codec=0))
        for n in (1, 2, 3):
            feed.fail(n)
        feed.park(1, 2, 3)
        feed.done(*range(4, 601))
        feed.settle()
        night(journal)
    with alone(str(path), feed.load.load_id, fence_timeout=1.0) as hand:
        assert hand.retry(feed.ranges([1])) == 1
        assert hand.discard(feed.ranges([2]), "a test") == 1
        assert hand.replace(feed.id(3), block_of(0, [b"4"]), "") == feed.id(601)
    with closing(open_journal(path)) as journal:
        night(journal)
    with closing(open_journal(path)) as journal:
        assert [load.load_id for load in journal.ended_loads()] == [2, 3]
        assert not journal.purge_load(feed.load.load_id)
        journal.abandon_load(feed.load.load_id)
        Tidying(journal, Keep(0, 0), time.monotonic).finish(lambda: False)
        assert [load.load_id for load in journal.ended_loads()] == [1]
        assert check_journal(path) == []
        assert journal.purge_load(feed.load.load_id)
        Tidying(journal, Keep(0, 0), time.monotonic).finish(lambda: False)
    assert check_journal(path) == []
    with closing(sqlite3.connect(path)) as connection:
        [(blocks, deeds)] = connection.execute(
            "SELECT (SELECT count(*) FROM put_block), (SELECT count(*) FROM by_hand)"
        )
    assert (blocks, deeds) == (0, 3)


def test_what_handlers_have_printed_is_given_up_with_its_load(path: Path) -> None:
    """But for that of parked items; a journal keeps the newest lines of all of them."""
    with closing(open_journal(path)) as journal:
        feed = Feed(journal)
        feed.put_blocks(feed.blocks([VALUE % n for n in range(3)], codec=0))
        feed.fail(2)
        feed.park(2)
        feed.commit(Batch(printed=[Line(feed.id(n), 1, f"of {n}") for n in (1, 2, 3)]))
        feed.done(1, 3)
        feed.settle()
        last = night(journal)
        last.commit(Batch(printed=[Line(last.id(7), 2, str(n)) for n in range(5)]))
        assert journal.purge_load(feed.load.load_id)
        Tidying(journal, Keep(20, 1 << 30), time.monotonic).finish(lambda: False)
        with closing(SqliteReader(path)) as reader:
            found = [[line.text for line in reader.printed(feed.id(n))] for n in (1, 2, 3)]
            assert found == [[], ["of 2"], []]
            assert reader.printed(last.id(7))[-1] == Line(last.id(7), 2, "4")
        last.commit(Batch(printed=[Line(last.id(8), 1, "")] * (LINES_MAX - 2)))
        with closing(SqliteReader(path)) as reader:
            assert [line.text for line in reader.printed(last.id(7))] == ["3", "4"]
            assert reader.printed(feed.id(2)) == []
    assert check_journal(path) == []


def test_where_runs_have_stood_is_given_up_with_their_load(path: Path) -> None:
    """Slow items too, of which no payload is left; how long stages took is kept."""
    with closing(open_journal(path)) as journal:
        for _ in range(2):
            feed = Feed(journal)
            feed.put_blocks(feed.blocks([VALUE % 1], codec=0))
            feed.done(1)
            queue_id = feed.row.queue_id
            stage = StageSample(queue_id, 1, 1, 0, 0, 2.0, 0.0, 1 << 20)
            times = {queue_id: StageTimes(queue_id, 2.0, 0.0, Counter({36: 1}))}
            sample = Sample(0, 1_790_000_000.5, 1 << 24, (stage,))
            feed.commit(Batch(times=times, slow={feed.id(1): 2.0}, sample=sample))
            feed.settle()
        assert journal.purge_load(1)
        while journal.tidy(1):
            pass
    with closing(SqliteReader(path)) as reader:
        [old], [new] = (reader.runs(load_id) for load_id in (1, 2))
        assert (reader.samples(old.run_id), reader.samples(new.run_id)) == ([], [sample])
        assert (reader.slow_items(1), reader.slow_items(2)) == ([], [SlowItem(feed.id(1), 2.0)])
        assert [len(reader.times(run.run_id)) for run in (old, new)] == [1, 1]
        assert reader.times(new.run_id) == [*times.values()]
    assert check_journal(path) == []


def test_a_damaged_block_with_parked_items_stays_as_it_is(path: Path) -> None:
    """Nobody can take them out; whoever looks at them is told so, and nothing else is."""
    with closing(open_journal(path)) as journal:
        feed = Feed(journal)
        feed.put_blocks(feed.blocks([VALUE % n for n in range(600)], codec=0))
        feed.fail(3)
        feed.park(3)
        feed.done(1, 2, *range(4, 601))
        feed.settle()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE put_block SET data = x'5b5d' WHERE count = 512")
        connection.commit()
    with closing(open_journal(path)) as journal:
        journal.purge_load(feed.load.load_id)
        while journal.tidy(1):
            pass
        page = journal.outstanding_page(feed.id(0), feed.id(600), 600, 1 << 30)
        assert page == []
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count FROM put_block").fetchall() == [(512,)]


def bare(path: Path) -> None:
    """Make a journal of which nothing is left but counters."""
    with closing(open_journal(path)) as journal:
        feed = Feed(journal)
        feed.put(1)
        feed.done(1)
        feed.settle()
    with held(site_of(str(path))) as journal:
        journal.purge_load(feed.load.load_id)
        while journal.tidy(1):
            pass
        assert journal.is_bare()


def test_a_journal_that_somebody_reads_is_not_removed(path: Path) -> None:
    """It is as soon as nobody does, and with it what lies beside it."""
    bare(path)
    site = site_of(str(path))
    with SqliteReader(path) as reader, held(site) as journal:
        assert not remove_if_bare(site, journal)
        assert reader.loads()
    with held(site) as journal:
        assert remove_if_bare(site, journal)
    assert [*path.parent.iterdir()] == []


def test_a_journal_with_anything_left_is_not_removed(path: Path) -> None:
    """Not even with a failure that was made good."""
    with closing(open_journal(path)) as journal:
        feed = Feed(journal)
        feed.put(1)
        feed.fail(1)
        feed.done(1)
        feed.settle()
    site = site_of(str(path))
    with held(site) as journal:
        journal.purge_load(feed.load.load_id)
        while journal.tidy(1):
            pass
        assert not remove_if_bare(site, journal)
        assert journal.latest_load() is not None


def test_what_a_run_holds_is_not_held(path: Path) -> None:
    """Nor by two at once; and where there is no journal none is made."""
    site = site_of(str(path))
    with pytest.raises(JournalMissing), held(site):
        pass
    assert not path.exists()
    open_journal(path).close()
    with held(site), pytest.raises(JournalBusy), held(site):
        pass
    with held(site) as journal:
        journal.commit(Batch())


def test_who_has_waited_for_a_lock_that_was_removed_gets_another(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One may have been made in its place: both would think they are alone."""
    open_journal(path).close()
    file, flock = path.with_suffix(".lock"), fcntl.flock
    left = [file]

    def late(descriptor: int, operation: int) -> None:
        flock(descriptor, operation)
        while left:
            left.pop().unlink()

    monkeypatch.setattr(fcntl, "flock", late)
    lock = site_of(str(path)).lock()
    assert lock.acquire()
    assert site_of(str(path)).is_held()
    lock.release()
    assert not site_of(str(path)).is_held()
