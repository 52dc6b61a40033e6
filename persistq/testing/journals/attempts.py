"""Failed attempts at items that are outstanding."""

from __future__ import annotations

from persistq.items import FailureKind
from persistq.journal.attempts import Attempts
from persistq.testing.contract import same
from persistq.testing.journals.place import JournalPlace, journal_rules

RULES = journal_rules()


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


@RULES.check
def failures_in_the_middle_of_what_has_ended_are_found(place: JournalPlace) -> None:
    """An item between two ends is outstanding, the ends themselves are not."""
    feed = place.feed()
    feed.put_together(9)
    for n in (3, 4, 5, 9):
        feed.fail(n)
    feed.done(1, 2, 3)
    feed.drop(5, 6, 7, 8, 9)
    found = feed.journal.failed_attempts(feed.load.load_id)
    same([one.item_id for one in found], [feed.id(4)])


@RULES.check
def time_of_the_next_attempt_is_kept(place: JournalPlace) -> None:
    """Across openings; it is what the latest failure said, of whatever kind the earlier ones."""
    feed = place.feed()
    feed.put(3)
    feed.fail(1, retry_at=2e9)
    feed.fail(2, FailureKind.CRASH, retry_at=2e9)
    feed.fail(2, retry_at=2e9 + 0.25)
    feed.fail(3, retry_at=2e9)
    feed.fail(3)
    later = feed.carried_on(place.reopen())
    found = later.journal.failed_attempts(feed.load.load_id)
    expected = [2e9, 2e9 + 0.25, 2e9 + 0.25, None]
    same([one.retry_at for one in found], expected)


@RULES.check
def an_item_that_is_put_off_has_one_failure_for_that(place: JournalPlace) -> None:
    """The last one replaces the others, and says when the item is tried again.

    Whatever else has happened to the item since says that instead.
    """
    feed = place.feed()
    feed.put(2)
    for seconds in range(5):
        feed.fail(1, FailureKind.DEFERRED, retry_at=2e9 + seconds)
    feed.fail(2, FailureKind.DEFERRED, retry_at=2e9)
    feed.fail(2)
    later = feed.carried_on(place.reopen())
    expected = [
        Attempts(feed.id(1), FailureKind.DEFERRED, 1, 2e9 + 4),
        Attempts(feed.id(2), FailureKind.DEFERRED, 1),
        Attempts(feed.id(2), FailureKind.EXCEPTION, 1),
    ]
    same(later.journal.failed_attempts(feed.load.load_id), expected)
    later.fail(2, FailureKind.DEFERRED, retry_at=2e9 + 9)
    found = later.journal.failed_attempts(feed.load.load_id)
    same([one.retry_at for one in found], [2e9 + 4, 2e9 + 9, 2e9 + 9])


@RULES.check
def time_beyond_all_calendars_is_kept_as_late(place: JournalPlace) -> None:
    """A retry in ten thousand years is no error."""
    feed = place.feed()
    feed.put(1)
    feed.fail(1, retry_at=1e30)
    (found,) = feed.journal.failed_attempts(feed.load.load_id)
    same(found.retry_at is not None and found.retry_at > 1e11, True)
