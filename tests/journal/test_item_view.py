"""The view that shows items one by one to people with any SQLite tool."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from persistq.blocks import Block, block_of
from persistq.journal.batch import Batch, Published, Put, Spooled
from persistq.testing.journals.feed import COMMAND, Feed

if TYPE_CHECKING:
    from pathlib import Path


def look(path: Path, sql: str) -> list[Any]:
    """Ask a journal from outside; single columns come without tuples."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute(sql).fetchall()
    return [row[0] if len(row) == 1 else row for row in rows]


def test_values_are_shown_as_json(feed: Feed, path: Path) -> None:
    """Each as it was put, whatever it is, and in whatever block it lies."""
    values = [b"1", b'"text"', b"null", b"true", b"false", b'{"a":[1,{"b":null}]}', b"[]", b"-2.5"]
    feed.put_blocks(feed.blocks(values, codec=0))
    feed.put_blocks([put for value in values for put in feed.blocks([value], codec=0)])
    shown = look(path, "SELECT value FROM item ORDER BY item_id")
    assert [text.encode() for text in shown] == values * 2


def test_what_is_no_json_is_shown_without_a_value(feed: Feed, path: Path) -> None:
    """Pickles, and blocks that are damaged: their items are there all the same."""
    feed.put_together(3)
    feed.put(1)
    for n, data in enumerate((b"[1,", b"\xff\xfe", b"")):
        feed.row.next_n += 2
        feed.commit(Batch(puts=[Put(feed.id(5 + 2 * n), Block(2, 0, data, 0))]))
    shown = look(path, "SELECT number, codec, value FROM item ORDER BY item_id")
    assert shown == [(n, 1 if n < 5 else 0, None) for n in range(1, 11)]


def test_states_are_those_of_the_item(feed: Feed, path: Path) -> None:
    """Of one block there may be items in each."""
    feed.put_together(6)
    feed.done(2, 3)
    feed.drop(4)
    feed.park(6)
    shown = look(path, "SELECT number, stage, state FROM item ORDER BY item_id")
    states = ["outstanding", "done", "done", "dropped", "outstanding", "parked"]
    assert shown == [(n, "stage0", state) for n, state in enumerate(states, start=1)]


def test_times_and_runs_are_shown(feed: Feed, path: Path) -> None:
    """When it was put and when it was done, and in which run."""
    before = datetime.now(UTC).timestamp() - 0.1
    feed.put_together(2)
    run_id = feed.journal.begin_run(feed.load.load_id, COMMAND)
    feed.done(1)
    first, second = look(
        path, "SELECT put_at, done_at, seconds, put_run, done_run FROM item ORDER BY item_id"
    )
    put_at, done_at = map(datetime.fromisoformat, first[:2])
    assert before <= put_at.timestamp() <= done_at.timestamp() <= before + 60
    assert abs((done_at - put_at).total_seconds() - first[2]) < 0.01
    assert first[3:] == (feed.run_id, run_id)
    assert second[1:] == (None, None, feed.run_id, None)


def test_spooled_outputs_are_shown_once_they_are_items(feed: Feed, path: Path) -> None:
    """With what they were made of; before, they are nothing."""
    target = Feed(feed.journal, 1, feed.load)
    feed.put(1)
    for n in (0, 2):
        block = block_of(0, [b"%d" % n, b"%d" % (n + 1)])
        feed.commit(Batch(spooled=[Spooled(1, n, block, feed.id(1))]))
    query = f"SELECT number, value, origin FROM item WHERE item_id > {target.id(0)} ORDER BY 1"
    assert look(path, query) == []
    published = Published(target.id(1), 4, 1, feed.id(1))
    feed.row.done, target.row.next_n = 1, 5
    queues = {target.row.queue_id: target.row}
    feed.commit(Batch(done=feed.ranges([1]), published=[published], queues=queues))
    assert look(path, query) == [(n, str(n - 1), feed.id(1)) for n in range(1, 5)]
