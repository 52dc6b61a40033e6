"""Who has put what: the sources of a load, their spans and their ends."""

from __future__ import annotations

from persistq.items import IdRange
from persistq.journal.batch import Batch
from persistq.journal.sourcerow import SourceRow, SourceSpan
from persistq.testing.contract import same
from persistq.testing.journals.feed import Feed
from persistq.testing.journals.place import JournalPlace, journal_rules

RULES = journal_rules()

LONG_AGO = 0.0
NEVER = 4e9
"""A time that has not come, in seconds since 1970."""


@RULES.check
def sources_stay_as_they_were_recorded(place: JournalPlace) -> None:
    """With their numbers, in the order in which they were added; they may be renamed."""
    feed = place.feed()
    other = Feed(feed.journal, 1, feed.load)
    first = feed.journal.add_source(feed.row.queue_id, "files")
    second = feed.journal.add_source(other.row.queue_id, "late")
    feed.journal.rename_source(second.source_id, "extras")
    second.name = "extras"
    for journal in place.now_and_later(feed.journal):
        same(journal.sources(feed.load.load_id), [first, second])


@RULES.check
def end_of_a_source_is_recorded(place: JournalPlace) -> None:
    """Of that one only."""
    feed = place.feed()
    first = feed.journal.add_source(feed.row.queue_id, "files")
    second = feed.journal.add_source(feed.row.queue_id, "extras")
    feed.commit(Batch(ended_sources=[first.source_id], synced=True))
    for journal in place.now_and_later(feed.journal):
        ended = SourceRow(first.source_id, first.queue_id, first.name, ended=True)
        same(journal.sources(feed.load.load_id), [ended, second])


@RULES.check
def spans_tell_which_source_has_put_what(place: JournalPlace) -> None:
    """From the span that an item is in; before the first one it was the first source."""
    feed = place.feed()
    first = feed.journal.add_source(feed.row.queue_id, "files").source_id
    second = feed.journal.add_source(feed.row.queue_id, "extras").source_id
    feed.put(2)
    _put(feed, SourceSpan(feed.id(3), second), 3)
    _put(feed, SourceSpan(feed.id(6), first), 1)
    both = [SourceSpan(feed.id(3), second), SourceSpan(feed.id(6), first)]
    for journal in place.now_and_later(feed.journal):
        same(journal.source_spans(feed.id(0), feed.id(6), 9), both)
        same(journal.source_spans(feed.id(0), feed.id(6), 1), both[:1])
        same(journal.source_spans(feed.id(4), feed.id(6), 9), both)
        same(journal.source_spans(feed.id(6), feed.id(6), 9), both[1:])
        same(journal.source_spans(feed.id(0), feed.id(2), 9), [])


@RULES.check
def what_was_put_lately_is_told_with_its_time(place: JournalPlace) -> None:
    """All of it if it was; nothing if that would be later."""
    feed = place.feed()
    feed.put(2)
    feed.put_together(3)
    queue_id = feed.row.queue_id
    for journal in place.now_and_later(feed.journal):
        found = journal.put_since(queue_id, LONG_AGO)
        ranges = [IdRange(feed.id(n), feed.id(last)) for n, last in ((1, 1), (2, 2), (3, 5))]
        same([ids for ids, _ in found], ranges)
        same(journal.put_since(queue_id, NEVER), [])


def _put(feed: Feed, span: SourceSpan, count: int) -> None:
    feed.commit(Batch(puts=feed.singles(count), source_spans=[span]))
