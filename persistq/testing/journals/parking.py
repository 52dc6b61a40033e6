"""Parked items, made outstanding again by hand."""

from __future__ import annotations

from persistq.items import FailureKind
from persistq.journal.base import LoadState
from persistq.testing.contract import same, true
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
    same(feed.unpark(), 1)
    for one in place.now_and_later_fed(feed):
        same(one.outstanding(), [2])
        same((one.row.outstanding, one.row.parked), (1, 0))
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
    feed.unpark()
    feed.fail(1)
    (attempts,) = feed.journal.failed_attempts(feed.load.load_id)
    same(attempts.count, 1)


@RULES.check
def unparking_nothing_changes_nothing(place: JournalPlace) -> None:
    """A load without parked items has nothing to be opened for."""
    feed = place.feed()
    feed.settle()
    same(feed.unpark(), 0)
    load = place.reopen().latest_load()
    true(load is not None and load.state is LoadState.SETTLED, f"it is {load}")


@RULES.check
def stages_behind_what_is_unparked_are_open_again(place: JournalPlace) -> None:
    """What is tried again may have outputs, so only its own queue and those before stay sealed."""
    first = place.feed()
    second, third = (Feed(first.journal, at, first.load) for at in (1, 2))
    second.put(1)
    second.park(1)
    for feed in (first, second):
        feed.seal()
    third.settle()
    second.unpark()
    rows = place.reopen().queues(first.load.load_id)
    same([row.sealed_total for row in rows], [0, 1, None])


@RULES.check
def items_are_unparked_in_one_load_only(place: JournalPlace) -> None:
    """Parked items of another load stay parked."""
    feed = place.feed()
    other = Feed(feed.journal)
    for one in (feed, other):
        one.put(1)
        one.park(1)
    same(feed.unpark(), 1)
    other.reread()
    same((feed.outstanding(), other.outstanding(), other.row.parked), ([1], [], 1))
