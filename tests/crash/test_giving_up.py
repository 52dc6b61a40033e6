"""Die at every instant at which old loads are given up; go on; nothing that is kept is lost."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import persistq
from persistq import failpoints
from persistq.blocks import block_of
from persistq.journal.base import Journal
from persistq.journal.batch import Batch, Published, Spooled
from persistq.journal.sqlite import open_journal
from persistq.testing import check_journal
from persistq.testing.journals.feed import Feed

ITEMS = 1300

PURGE = """
import sys
from pathlib import Path
from persistq.journal import retention
from persistq.journal.sqlite import open_journal

retention._SECONDS = 0.0  # each part is a step
journal = open_journal(Path(sys.argv[1]))
for load in journal.ended_loads():
    journal.purge_load(load.load_id)
while journal.tidy(journal.next_spool_id()):
    pass
journal.close()
"""

REMOVE = """
import sys
from pathlib import Path
from persistq.journal import retention
from persistq.journal.siblings import Siblings
from persistq.site.finding import catalogue_of

retention._SECONDS = 0.0
siblings = Siblings(catalogue_of(Path(sys.argv[1]).parent), "sales-{day}")
beyond = {site: [load.load_id] for site, load in siblings.ended_loads()}
list(siblings.give_up(beyond, lambda: False))
"""

KEPT = """
    SELECT first_id, count, codec, data, crc, origin FROM put_block
    WHERE first_id IN (SELECT item_id FROM parked)"""
COUNTED = "SELECT queue_id, next_n, done, dropped, parked, bytes, sealed_total FROM queue"
REST = """
    SELECT (SELECT count(*) FROM put_block), (SELECT count(*) FROM done_range),
        (SELECT count(*) FROM drop_reason), (SELECT count(*) FROM spool),
        (SELECT count(*) FROM spool_block), (SELECT count(*) FROM turn)"""


def points() -> list[str]:
    """Return the names of all fail-points on the way."""
    code = Path(persistq.__file__).parent.rglob("*.py")
    found = re.findall(r'point\("(retention\.[^"]+)"', "".join(path.read_text() for path in code))
    return sorted(set(found))


def value(n: int) -> bytes:
    """Return an item so long that many of them fill pages."""
    return b'"%0100d"' % n


def fill(journal: Journal) -> None:
    """Leave a settled load with items in every place, and an abandoned one."""
    feed = Feed(journal)
    feed.put_blocks(feed.blocks([value(n) for n in range(ITEMS)], codec=0))
    feed.commit(Batch(spooled=[Spooled(1, 0, block_of(0, [b"0"] * 9), feed.id(1))]))
    target = Feed(journal, 1, feed.load)
    spooled = block_of(0, [b"1", b"22", b"333"])
    feed.commit(Batch(spooled=[Spooled(2, 0, spooled, feed.id(1))]))
    feed.row.done, target.row.next_n, target.row.bytes = 1, 4, len(spooled.data)
    queues = {target.row.queue_id: target.row}
    published = [Published(target.id(1), 3, 2, feed.id(1))]
    feed.commit(Batch(done=feed.ranges([1]), published=published, queues=queues))
    for one, parked in ((feed, (2, 700)), (target, (2,))):
        for n in parked:
            one.fail(n)
        one.park(*parked)
    reasons = {feed.id(n): "old" for n in range(3, 600)}
    feed.row.dropped = len(reasons)
    feed.commit(Batch(dropped=feed.ranges(range(3, 600)), reasons=reasons))
    feed.done(*range(600, 700), *range(702, ITEMS + 1, 2))
    feed.done(701, *range(703, ITEMS + 1, 2))
    target.done(1, 3)
    feed.seal()
    target.settle()
    other = Feed(journal)
    other.put_blocks(other.blocks([b"%d" % n for n in range(600)], codec=0))
    other.done(*range(1, 100))
    journal.abandon_load(other.load.load_id)


def look(path: Path, query: str) -> list[Any]:
    """Return all rows of a query."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def act(program: str, path: Path, failpoint: str = "") -> dict[str, int]:
    """Run a program on a journal; return how often each point was reached."""
    hits = path.parent / "hits"
    shutil.rmtree(hits, ignore_errors=True)
    hits.mkdir()
    armed = {failpoints.VARIABLE: failpoint, failpoints.HITS_VARIABLE: str(hits)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], env=os.environ | armed, timeout=60, check=False
    )
    assert done.returncode == (-9 if failpoint else 0)
    return {found.name: len(found.read_text().splitlines()) for found in hits.iterdir()}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal with much to give up."""
    path = tmp_path_factory.mktemp("full") / "sales-mon.db"
    with closing(open_journal(path)) as journal:
        fill(journal)
    return path


@pytest.fixture(scope="module")
def rehearsed(full: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """The same journal after all of it was given up, and how often each point was reached."""
    path = tmp_path_factory.mktemp("rehearsed") / full.name
    shutil.copy(full, path)
    return path, act(PURGE, path)


PURGING = [point for point in points() if "remov" not in point]


def test_there_are_points() -> None:
    """The lists are taken from the code; empty ones would test nothing."""
    assert {"retention.before_tidy", "retention.before_taking_out"} <= set(PURGING)
    assert {"retention.half_removed"} <= set(points())


@pytest.mark.parametrize("point", PURGING)
def test_a_process_that_dies_while_it_gives_up_rows_is_followed_by_the_next(
    point: str, full: Path, rehearsed: tuple[Path, dict[str, int]], tmp_path: Path
) -> None:
    """The journal is sound at each instant, and in the end as if nobody had died."""
    expected, hits = rehearsed
    before = look(full, "SELECT count(*), sum(parked) FROM load JOIN queue USING (load_id)")
    for hit in sorted({1, 2, hits[point] // 2, hits[point]} & {*range(1, hits[point] + 1)}):
        path = tmp_path / f"sales-{hit}.db"
        shutil.copy(full, path)
        act(PURGE, path, f"{point}@{hit}:kill")
        assert check_journal(path) == []
        assert look(path, "SELECT count(*), sum(parked) FROM load JOIN queue USING (load_id)") == (
            before
        )
        act(PURGE, path)
        assert check_journal(path) == []
        for query in (KEPT, COUNTED, REST):
            assert look(path, query) == look(expected, query)
        assert path.stat().st_size == expected.stat().st_size


def test_all_is_given_up_but_what_people_may_want(
    full: Path, rehearsed: tuple[Path, dict[str, int]]
) -> None:
    """Parked items lie in blocks of their own; nothing else is left, and the file is short."""
    path, _ = rehearsed
    assert [data for _, _, _, data, _, _ in look(path, KEPT)] == [value(1), value(699), b"22"]
    [(blocks, ranges, reasons, spools, spooled, turns)] = look(path, REST)
    assert (blocks, ranges, reasons, spools, spooled) == (3, 0, 0, 0, 0)
    assert turns <= 2
    assert look(path, "SELECT count(*) FROM failure") == [(3,)]
    assert path.stat().st_size < full.stat().st_size


@pytest.mark.parametrize("point", ["before_removal", "half_removed", "after_removal"])
def test_a_process_that_dies_while_it_removes_a_journal_leaves_it_whole_or_gone(
    point: str, tmp_path: Path
) -> None:
    """What is beside one that is gone says nothing: the next one of its name begins anew."""
    path = tmp_path / "sales-mon.db"
    with closing(open_journal(path)) as journal:
        journal.note_template("sales-{day}")
        feed = Feed(journal)
        feed.put(2)
        feed.done(1, 2)
        feed.settle()
    act(REMOVE, path, f"retention.{point}:kill")
    assert path.exists() is (point == "before_removal")
    if path.exists():
        assert check_journal(path) == []
        act(REMOVE, path)
    assert not path.exists()
    with closing(open_journal(path)) as journal:
        assert journal.latest_load() is None
