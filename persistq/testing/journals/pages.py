"""Pages of outstanding items and of the put-log."""

from __future__ import annotations

from persistq.items import FailureKind
from persistq.journal.base import Attempts
from persistq.testing.contract import same
from persistq.testing.journals.feed import ALL_BYTES, Feed
from persistq.testing.journals.place import JournalPlace, journal_rules

RULES = journal_rules()


@RULES.check
def outstanding_items_are_those_that_have_not_ended(place: JournalPlace) -> None:
    """What is neither done, dropped nor parked is outstanding, in the order of the puts."""
    feed = place.feed()
    feed.put(6)
    feed.done(5)
    feed.drop(2)
    feed.park(4)
    for one in place.now_and_later_fed(feed):
        same(one.outstanding(), [1, 3, 6])
        same((one.row.put, one.row.outstanding), (6, 3))


@RULES.check
def everything_put_stays_in_the_put_log(place: JournalPlace) -> None:
    """The put-log keeps what has ended, and its pages have the same bounds."""
    feed = place.feed()
    items = feed.put(5)
    feed.done(1, 3)
    feed.park(2)
    same(feed.everything_put(), items)
    same(feed.journal.put_page(feed.id(1), feed.id(4), 2, ALL_BYTES), items[1:3])


@RULES.check
def page_stays_within_its_bounds(place: JournalPlace) -> None:
    """The first bound is excluded, the last included, and the limit kept."""
    feed = place.feed()
    feed.put(9)
    page = feed.journal.outstanding_page(feed.id(2), feed.id(6), 100, ALL_BYTES)
    same([item.item_id for item in page], feed.ids([3, 4, 5, 6]))
    same(feed.outstanding(limit=2), [1, 2])
    same(feed.journal.outstanding_page(feed.id(9), feed.id(99), 9, ALL_BYTES), [])


@RULES.check_each([(1, 1), (100, 1), (101, 2), (250, 3)])
def page_ends_with_the_item_that_reaches_its_bytes(
    place: JournalPlace, case: tuple[int, int]
) -> None:
    """There is always one item, so that one of any size can be read."""
    bytes_max, count = case
    feed = place.feed()
    feed.put(5, bytes(100))
    same(len(feed.outstanding(bytes_max=bytes_max)), count)
    page = feed.journal.put_page(feed.id(0), feed.id(5), 100, bytes_max)
    same(len(page), count)


@RULES.check
def page_that_ends_early_keeps_nobody_waiting(place: JournalPlace) -> None:
    """After a page that stopped at its bytes, commits and pages go on as before."""
    feed = place.feed()
    feed.put(50, bytes(1000))
    feed.outstanding(bytes_max=1)
    feed.done(1)
    feed.put(1, synced=True)
    same(feed.outstanding(limit=2), [2, 3])


@RULES.check
def queues_do_not_mix(place: JournalPlace) -> None:
    """Items of one queue are in no page of another, of the same load or of another one."""
    first = place.feed()
    second = Feed(first.journal, 1, first.load)
    other = Feed(first.journal)
    for count, feed in enumerate((first, second, other), start=1):
        feed.put(count)
    first.done(1)
    same([feed.outstanding() for feed in (first, second, other)], [[], [1, 2], [1, 2, 3]])
    same([len(feed.everything_put()) for feed in (first, second, other)], [1, 2, 3])


@RULES.check
def failures_are_counted_of_outstanding_items(place: JournalPlace) -> None:
    """Failures are counted by item and kind, across openings, until the item has ended."""
    feed = place.feed()
    feed.put(3)
    for n, kind in ((2, FailureKind.CRASH), (3, FailureKind.EXCEPTION), (3, FailureKind.EXCEPTION)):
        feed.fail(n, kind)
    later = feed.carried_on(place.reopen())
    expected = [
        Attempts(feed.id(2), FailureKind.CRASH, 1),
        Attempts(feed.id(3), FailureKind.EXCEPTION, 2),
    ]
    same(later.journal.failed_attempts(feed.load.load_id), expected)
    later.done(3)
    same(later.journal.failed_attempts(feed.load.load_id), expected[:1])
    later.park(2)
    same(later.journal.failed_attempts(feed.load.load_id), [])
