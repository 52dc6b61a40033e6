"""How far sources have come: recorded with what they put, or not at all."""

from __future__ import annotations

from persistq.blocks import Block, block_of
from persistq.errors import JournalCorrupt
from persistq.journal.batch import Batch
from persistq.journal.sourcerow import Cursor
from persistq.testing.contract import refused, same
from persistq.testing.journals.feed import Feed
from persistq.testing.journals.place import JournalPlace, journal_rules

RULES = journal_rules()


def _put(feed: Feed, value: Block) -> Cursor:
    """Put two items, and say how far their source has come with them."""
    puts = feed.singles(2)
    cursor = Cursor(feed.row.put, value)
    feed.commit(Batch(puts=puts, cursors={feed.source.source_id: cursor}))
    return cursor


@RULES.check
def last_cursor_is_kept(place: JournalPlace) -> None:
    """Of each source its own, with its codec; none where none was recorded."""
    first = place.feed()
    second, third = (Feed(first.journal, position, first.load) for position in (1, 2))
    _put(first, block_of(0, [b'"an earlier one"']))
    latest = _put(first, block_of(0, [b'["a.csv",17]']))
    other = _put(second, block_of(1, [b"pickled"]))
    for journal in place.now_and_later(first.journal):
        found = [journal.cursor(feed.source.source_id) for feed in (first, second, third)]
        same(found, [latest, other, None])


@RULES.check
def cursor_is_not_recorded_without_its_items(place: JournalPlace) -> None:
    """A batch that is refused moves no cursor."""
    feed = place.feed()
    before = _put(feed, block_of(0, [b"2"]))
    puts = feed.singles(1)
    batch = Batch(puts=[*puts, *puts])
    batch.cursors[feed.source.source_id] = Cursor(3, block_of(0, [b"3"]))
    with refused(JournalCorrupt):
        feed.commit(batch)
    for journal in place.now_and_later(feed.journal):
        same(journal.cursor(feed.source.source_id), before)
