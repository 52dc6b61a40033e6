"""Parked items, made outstanding again by hand."""

from __future__ import annotations

from persistq.errors import JournalCorrupt
from persistq.items import FailureKind
from persistq.journal.batch import Batch
from persistq.journal.load import LoadState
from persistq.testing.contract import refused, same, true
from persistq.testing.journals.feed import Feed
from persistq.testing.journals.place import JournalPlace, journal_rules

RULES = journal_rules()


@RULES.check
def unparked_items_are_outstanding_and_forgiven(place: JournalPlace) -> None:
    """Unparking reopens a settled load, corrects counters, and counts old failures no more."""
    feed = place.feed()
    feed.put(3)
    feed.done(1, 3)
    feed.fail(2, FailureKind.CRASH)
    feed.park(2)
    feed.settle()
    same(feed.parked(), [2])
    feed.unpark(2)
    for one in place.now_and_later_fed(feed):
        same(one.outstanding(), [2])
        same((one.row.outstanding, one.row.parked, one.parked()), (1, 0, []))
        same(one.journal.failed_attempts(feed.load.load_id), [])
        load = one.journal.latest_load()
        true(load is not None, "the load is gone")
        same(load and (load.state, load.ended_at), (LoadState.REOPENED, None))


@RULES.check
def new_failures_are_counted_after_the_forgiven_ones(place: JournalPlace) -> None:
    """An item that was forgiven begins to be counted from nothing."""
    feed = place.feed()
    feed.put(1)
    feed.fail(1)
    feed.park(1)
    feed.unpark(1)
    feed.fail(1)
    (attempts,) = feed.journal.failed_attempts(feed.load.load_id)
    same(attempts.count, 1)


@RULES.check
def some_parked_items_can_be_unparked(place: JournalPlace) -> None:
    """Those that are not named stay parked, and are known in the order of their ids."""
    feed = place.feed()
    feed.put(4)
    feed.park(4, 1, 2)
    same(feed.parked(), [1, 2, 4])
    feed.unpark(2)
    for one in place.now_and_later_fed(feed):
        same((one.parked(), one.outstanding()), ([1, 4], [2, 3]))


@RULES.check
def unparking_what_is_not_parked_takes_the_whole_batch_back(place: JournalPlace) -> None:
    """It is a contradiction, which is refused with all that came with it."""
    feed = place.feed()
    feed.put(2)
    feed.park(1)
    feed.done(2)
    feed.settle()
    with refused(JournalCorrupt):
        feed.journal.commit(Batch(unparked=feed.ids([1, 2]), reopened_load=feed.load.load_id))
    same(feed.parked(), [1])
    load = place.reopen().latest_load()
    true(load is not None and load.state is LoadState.SETTLED, f"it is {load}")


@RULES.check
def open_load_stays_open_when_items_are_unparked(place: JournalPlace) -> None:
    """Only a load that had ended is reopened."""
    feed = place.feed()
    feed.put(1)
    feed.park(1)
    feed.unpark(1)
    same(feed.journal.open_load(), feed.load)


@RULES.check
def items_are_unparked_in_one_load_only(place: JournalPlace) -> None:
    """Parked items of another load stay parked."""
    feed = place.feed()
    other = Feed(feed.journal)
    for one in (feed, other):
        one.put(1)
        one.park(1)
    feed.unpark(1)
    other.reread()
    same((feed.outstanding(), other.outstanding(), other.row.parked), ([1], [], 1))
    same((feed.parked(), other.parked()), ([], [1]))
