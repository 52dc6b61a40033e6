"""Blocks and ranges: what belongs together is recorded together, and nothing twice."""

from __future__ import annotations

from persistq.blocks import Block, Origin, block_of
from persistq.errors import JournalCorrupt
from persistq.items import IdRange
from persistq.journal.batch import Batch, Put
from persistq.testing.contract import refused, same
from persistq.testing.journals.feed import Feed
from persistq.testing.journals.place import JournalPlace, journal_rules

RULES = journal_rules()

TWICE = {"same": (1, 5), "within": (2, 3), "left": (0, 1), "right": (5, 9), "around": (0, 9)}


@RULES.check_each(TWICE)
def range_over_one_that_is_done_is_refused(place: JournalPlace, case: str) -> None:
    """Whichever part of it is done already, and as what; nothing of the batch is recorded."""
    first, last = TWICE[case]
    feed = place.feed()
    feed.put_together(20)
    feed.done(*range(7, 12))
    before = feed.outstanding()
    ids = IdRange(feed.id(first + 6), feed.id(last + 6))
    for batch in (Batch(done=[ids]), Batch(dropped=[ids])):
        with refused(JournalCorrupt):
            feed.journal.commit(batch)
    same(feed.outstanding(), before)


@RULES.check
def ranges_of_one_batch_must_not_overlap(place: JournalPlace) -> None:
    """An item ends once, also within a batch, and as one thing."""
    feed = place.feed()
    feed.put_together(9)
    one, two = IdRange(feed.id(1), feed.id(5)), IdRange(feed.id(5), feed.id(6))
    for batch in (Batch(done=[one, two]), Batch(done=[one], dropped=[two]), Batch(done=[two, two])):
        with refused(JournalCorrupt):
            feed.journal.commit(batch)
    same(feed.outstanding(), list(range(1, 10)))


@RULES.check
def range_over_a_parked_item_is_refused(place: JournalPlace) -> None:
    """An item is parked, or it has ended."""
    feed = place.feed()
    feed.put_together(9)
    feed.park(4)
    for first, last in ((4, 4), (1, 4), (4, 9), (3, 5)):
        with refused(JournalCorrupt):
            feed.journal.commit(Batch(done=[IdRange(feed.id(first), feed.id(last))]))
    same(feed.outstanding(), [1, 2, 3, 5, 6, 7, 8, 9])


@RULES.check
def item_that_has_ended_is_not_parked(place: JournalPlace) -> None:
    """Neither in the same batch nor later; nor is one parked twice."""
    feed = place.feed()
    feed.put_together(9)
    feed.done(3, 4, 5)
    feed.park(7)
    for n in (3, 4, 5, 7):
        with refused(JournalCorrupt):
            feed.journal.commit(Batch(parked=[feed.id(n)]))
    with refused(JournalCorrupt):
        feed.journal.commit(Batch(done=feed.ranges([8]), parked=[feed.id(8)]))
    same((feed.outstanding(), feed.parked()), ([1, 2, 6, 8, 9], [7]))


@RULES.check
def block_over_another_is_refused(place: JournalPlace) -> None:
    """No id is given twice, wherever the blocks overlap."""
    feed = place.feed()
    items = feed.put_together(5)
    for n, count in ((1, 1), (3, 1), (5, 1), (5, 9), (1, 9)):
        with refused(JournalCorrupt):
            feed.journal.commit(Batch(puts=[Put(feed.id(n), block_of(1, [b"x"] * count))]))
    same(feed.everything_put(), items)


@RULES.check
def gap_between_blocks_is_refused(place: JournalPlace) -> None:
    """Numbers are given without gaps, from 1 on, in each queue."""
    feed = place.feed()
    other = Feed(feed.journal, 1, feed.load)
    items = feed.put_together(5)
    for one, n in ((feed, 7), (feed, 100), (other, 2)):
        with refused(JournalCorrupt):
            one.journal.commit(Batch(puts=[Put(one.id(n), block_of(1, [b"x"]))]))
    same((feed.everything_put(), other.everything_put()), (items, []))


@RULES.check
def blocks_of_one_batch_may_come_in_any_order(place: JournalPlace) -> None:
    """They are recorded in the order of their ids, and pages return them so."""
    feed = place.feed()
    second = Feed(feed.journal, 1, feed.load)
    puts = [*second.singles(1), *feed.singles(2), *second.blocks([b"a", b"b"]), *feed.singles(1)]
    batch = Batch(puts=puts[::-1])
    batch.queues[second.row.queue_id] = second.row
    feed.commit(batch)
    same((feed.outstanding(), second.outstanding()), ([1, 2, 3], [1, 2, 3]))


@RULES.check
def blocks_come_back_as_they_were(place: JournalPlace) -> None:
    """Count, codec, bytes and checksum; where its items came from changes nothing about them."""
    feed = place.feed()
    blocks = [
        block_of(0, [b"1", b'"x"', b"[]"]),
        block_of(2, [bytes([n]) for n in range(256)]),
        Block(1, 1, b"", 0),
        Block(1, 0, b"1", (1 << 32) - 1),
    ]
    origins = [None, Origin(feed.id(1)), Origin(feed.id(2), b"\1"), Origin(feed.id(3), b"\0\2")]
    puts = []
    for block, origin in zip(blocks, origins, strict=True):
        puts.append(Put(feed.id(feed.row.next_n), block, origin))
        feed.row.next_n += block.count
    feed.commit(Batch(puts=puts))
    for one in place.now_and_later_fed(feed):
        page = one.journal.put_page(one.id(0), one.id(1 << 20), 1 << 20, 1 << 30)
        same([part.block for part in page], blocks)
        same([part.first_id for part in page], [put.first_id for put in puts])
