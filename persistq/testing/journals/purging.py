"""Loads that have ended give up their rows, and keep what people may still want."""

from __future__ import annotations

from persistq.blocks import Origin, block_of, items_of
from persistq.items import IdRange, Item
from persistq.journal.base import Journal
from persistq.journal.batch import Batch, Published, Spooled, Streamed
from persistq.journal.load import LoadState
from persistq.testing.contract import same, true
from persistq.testing.journals.feed import Feed
from persistq.testing.journals.place import JournalPlace, journal_rules

RULES = journal_rules()

ITEMS = 1500
PARKED = (1, 3, 700, 701, ITEMS)


def _ended(journal: Journal, *parked: int) -> tuple[Feed, list[Item]]:
    """Settle a load with blocks of JSON in it; return its parked items too."""
    feed = Feed(journal)
    items = feed.put_blocks(feed.blocks([b"%d" % n for n in range(ITEMS)], codec=0))
    for n in parked:
        feed.fail(n)
    feed.park(*parked)
    done = [n for n in range(1, ITEMS) if n not in parked]
    feed.done(*done[: ITEMS // 2])
    feed.drop(*done[ITEMS // 2 :])
    if ITEMS not in parked:
        feed.done(ITEMS)
    feed.settle()
    return feed, [items[n - 1] for n in parked]


def _at_work(journal: Journal) -> Feed:
    """Begin a load of which some items have ended."""
    feed = Feed(journal)
    feed.put_together(600)
    feed.done(1, 2, 4)
    feed.fail(3)
    feed.park(3)
    return feed


def _tidy(journal: Journal) -> None:
    """Delete all that there is to delete."""
    spools_before = journal.next_spool_id()
    while journal.tidy(spools_before):
        pass


def _purge(feed: Feed, journal: Journal) -> None:
    true(journal.purge_load(feed.load.load_id), "it was not purged")
    _tidy(journal)


@RULES.check
def ended_loads_are_known_with_their_bytes(place: JournalPlace) -> None:
    """Oldest first, with the bytes of all their items; what is unfinished is not among them."""
    journal = place.open()
    first, _ = _ended(journal, *PARKED)
    abandoned = Feed(journal)
    abandoned.put(2, b"four")
    journal.abandon_load(abandoned.load.load_id)
    Feed(journal).put(1)
    for opened in place.now_and_later(journal):
        settled, other = opened.ended_loads()
        same((settled.load_id, settled.state), (first.load.load_id, LoadState.SETTLED))
        same((settled.bytes, settled.outstanding), (first.row.bytes, 0))
        same((other.load_id, other.bytes, other.outstanding), (abandoned.load.load_id, 8, 2))


@RULES.check
def purged_load_keeps_counters_failures_and_parked_items(place: JournalPlace) -> None:
    """All else is gone, and nothing of it is outstanding; the mark is there before that."""
    feed, parked = _ended(place.open(), *PARKED)
    journal = place.reopen()
    true(journal.purge_load(feed.load.load_id), "it was not purged")
    load = journal.load(feed.load.load_id)
    true(load is not None and load.purged_at is not None, "it has no mark")
    _tidy(journal)
    for one in place.now_and_later_fed(feed.carried_on(journal)):
        same((one.row, one.everything_put(), one.outstanding()), (feed.row, parked, []))
        same(tuple(one.parked()), PARKED)
        same(one.journal.ended_loads(), [])


@RULES.check
def what_is_purged_is_not_purged_again(place: JournalPlace) -> None:
    """Nor is what has not ended, nor what does not exist."""
    feed, _ = _ended(place.open())
    journal = place.reopen()
    other = Feed(journal)
    for load_id in (other.load.load_id, 99):
        true(not journal.purge_load(load_id), f"load {load_id} was purged")
    true(journal.purge_load(feed.load.load_id), "it was not purged")
    true(not journal.purge_load(feed.load.load_id), "it was purged twice")


@RULES.check
def load_that_is_served_is_left_alone(place: JournalPlace) -> None:
    """The broker has its counters in memory, and may put its parked items back to work."""
    feed, _ = _ended(place.open(), *PARKED)
    true(not feed.journal.purge_load(feed.load.load_id), "it was purged")
    _tidy(feed.journal)
    same(len(feed.everything_put()), ITEMS)


@RULES.check
def other_loads_keep_everything(place: JournalPlace) -> None:
    """Settled, abandoned or at work: they are as they were."""
    feed, _ = _ended(place.open(), *PARKED)
    journal = place.reopen()
    others = [_at_work(journal) for _ in range(3)]
    journal.abandon_load(others[0].load.load_id)
    before = [(other.everything_put(), other.outstanding()) for other in others]
    _purge(feed, journal)
    same([(other.everything_put(), other.outstanding()) for other in others], before)


@RULES.check
def parked_items_of_a_purged_load_are_retried(place: JournalPlace) -> None:
    """They are outstanding, with their payloads, and the only ones; the load ends once more."""
    feed, parked = _ended(place.open(), *PARKED)
    journal = place.reopen()
    _purge(feed, journal)
    again = feed.carried_on(journal)
    again.unpark(*PARKED)
    page = journal.outstanding_page(feed.id(0), feed.id(ITEMS), ITEMS, 1 << 30)
    same(list(items_of(page)), parked)
    _tidy(journal)
    again.done(*PARKED)
    again.commit(Batch(settled_load=feed.load.load_id))
    later = place.reopen()
    _tidy(later)
    same(later.put_page(feed.id(0), feed.id(ITEMS), ITEMS, 1 << 30), [])


@RULES.check
def item_that_fails_again_is_kept_again(place: JournalPlace) -> None:
    """One of a purged load that was retried, and parked once more."""
    feed, parked = _ended(place.open(), 5, 9)
    journal = place.reopen()
    _purge(feed, journal)
    again = feed.carried_on(journal)
    again.unpark(5, 9)
    again.done(5)
    again.fail(9)
    again.park(9)
    again.commit(Batch(settled_load=feed.load.load_id))
    later = place.reopen()
    _tidy(later)
    page = later.put_page(feed.id(0), feed.id(ITEMS), ITEMS, 1 << 30)
    same(list(items_of(page)), parked[1:])


@RULES.check
def outstanding_items_of_an_abandoned_load_are_dropped_with_it(place: JournalPlace) -> None:
    """It is settled then, and its queue sealed, so that its parked items can be retried."""
    feed = place.feed()
    feed.put_together(1200)
    feed.done(*range(1, 600), 700)
    feed.fail(650)
    feed.park(650)
    feed.journal.abandon_load(feed.load.load_id)
    journal = place.reopen()
    _purge(feed, journal)
    (row,) = journal.queues(feed.load.load_id)
    same((row.done, row.dropped, row.parked, row.outstanding), (600, 599, 1, 0))
    same(row.sealed_total, 1200)
    load = journal.load(feed.load.load_id)
    same(load and load.state, LoadState.SETTLED)
    [left] = journal.left_by_others(0)
    same((left.parked, left.outstanding), (1, 0))


@RULES.check
def parked_outputs_that_were_spooled_are_kept(place: JournalPlace) -> None:
    """Also where they are items of two queues; what an attempt has spooled goes after both."""
    feed = place.feed()
    feed.put(1)
    targets = [Feed(feed.journal, position, feed.load) for position in (1, 2)]
    blocks = [block_of(0, [b"1", b"22", b"333"]), block_of(0, [b"4", b"5"])]
    for before, block in zip((0, 3), blocks, strict=True):
        feed.commit(Batch(spooled=[Spooled(1, before, block, feed.id(1))]))
    feed.row.done = 1
    batch = Batch(done=feed.ranges([1]))
    for target in targets:
        target.row.next_n, target.row.bytes = 6, sum(len(block.data) for block in blocks)
        batch.queues[target.row.queue_id] = target.row
        batch.published.append(Published(target.id(1), 5, 1, feed.id(1)))
    feed.commit(batch)
    feed.seal()
    for target in targets:
        target.done(1, 3, 5)
        for n in (2, 4):
            target.fail(n)
        target.park(2, 4)
        target.seal()
    feed.settle()
    journal = place.reopen()
    _purge(feed, journal)
    same(journal.next_spool_id(), 1)
    for target in targets:
        one = target.carried_on(journal)
        same([item.payload for item in one.everything_put()], [b"22", b"4"])
        same(one.outstanding(), [])


@RULES.check
def what_a_parked_item_has_streamed_is_kept(place: JournalPlace) -> None:
    """Another attempt at it would put the same once more, and has to see that it is there."""
    feed = place.feed()
    feed.put(2)
    target = Feed(feed.journal, 1, feed.load)
    for n in (1, 2):
        first = target.row.next_n
        puts = [
            put._replace(origin=Origin(feed.id(n)))
            for put in target.blocks([b"%d" % n, b"0"], codec=0)
        ]
        ids = IdRange(target.id(first), target.id(first + 1))
        target.commit(Batch(puts=puts, streamed=[Streamed(feed.id(n), ids)]))
    feed.done(1)
    feed.fail(2)
    feed.park(2)
    target.done(*range(1, 5))
    feed.seal()
    target.settle()
    journal = place.reopen()
    _purge(feed, journal)
    one = target.carried_on(journal)
    same(journal.streamed(feed.id(2)), [IdRange(target.id(3), target.id(4))])
    same([item.payload for item in one.everything_put()], [b"2", b"0"])
    same(one.outstanding(), [])


@RULES.check
def spools_of_dead_attempts_are_given_up(place: JournalPlace) -> None:
    """Those from the given number on may be in use, and stay; numbers are not given twice."""
    feed = place.feed()
    feed.put(2)
    block = block_of(0, [b"1", b"2"])
    for spool_id in (1, 2):
        feed.commit(Batch(spooled=[Spooled(spool_id, 0, block, feed.id(1))]))
    while feed.journal.tidy(2):
        pass
    feed.commit(Batch(spooled=[Spooled(2, 2, block, feed.id(1))]))
    feed.commit(Batch(spooled=[Spooled(1, 0, block, feed.id(2))]))
    same(feed.journal.next_spool_id(), 3)
