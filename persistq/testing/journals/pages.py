"""Pages of outstanding items and of the put-log."""

from __future__ import annotations

from persistq.blocks import Block, Slice, count_of, items_of
from persistq.journal.batch import Batch, Put
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
    page = feed.journal.put_page(feed.id(1), feed.id(4), 2, ALL_BYTES)
    same(list(items_of(page)), items[1:3])


@RULES.check
def page_stays_within_its_bounds(place: JournalPlace) -> None:
    """The first bound is excluded, the last included, and the limit kept."""
    feed = place.feed()
    feed.put(9)
    page = feed.journal.outstanding_page(feed.id(2), feed.id(6), 100, ALL_BYTES)
    same([item.item_id for item in items_of(page)], feed.ids([3, 4, 5, 6]))
    same(feed.outstanding(limit=2), [1, 2])
    same(feed.journal.outstanding_page(feed.id(9), feed.id(99), 9, ALL_BYTES), [])


@RULES.check_each([(1, 1), (100, 1), (101, 2), (250, 3)])
def page_ends_with_the_slice_that_reaches_its_bytes(
    place: JournalPlace, case: tuple[int, int]
) -> None:
    """There is always one slice, so that an item of any size can be read."""
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
def pages_go_around_what_has_ended(place: JournalPlace) -> None:
    """Gaps within a block, between blocks and across them are all found, page by page."""
    feed = place.feed()
    feed.put_together(20)
    feed.put(3)
    feed.put_together(20)
    feed.done(*range(2, 10), 21, 22, 40)
    feed.drop(12, 43)
    feed.park(11, 24)
    ended = {*range(2, 10), 21, 22, 40, 12, 43, 11, 24}
    left = [n for n in range(1, 44) if n not in ended]
    for one in place.now_and_later_fed(feed):
        for limit in (1, 3, 1000):
            same(_all_pages(one, limit), left, f"pages of {limit}")


@RULES.check
def slices_share_the_block_that_they_are_of(place: JournalPlace) -> None:
    """Items that were put together are handed out as slices of what was put, byte for byte."""
    feed = place.feed()
    (put,) = feed.blocks([b"1", b"22", b"333", b"4444"], codec=0)
    feed.put_blocks([put])
    feed.done(2)
    page = feed.journal.outstanding_page(feed.id(0), feed.id(9), 9, ALL_BYTES)
    first, second = Slice(put.first_id, put.block, 0, 1), Slice(put.first_id, put.block, 2, 4)
    same(page, [first, second])
    same(feed.journal.outstanding_page(feed.id(1), feed.id(3), 9, ALL_BYTES), [second.split(1)[0]])
    same(
        feed.journal.put_page(feed.id(1), feed.id(3), 9, ALL_BYTES),
        [Slice(put.first_id, put.block, 1, 3)],
    )


@RULES.check
def limit_cuts_a_block(place: JournalPlace) -> None:
    """A page has no more items than asked for, however they were put."""
    feed = place.feed()
    feed.put_together(10)
    feed.done(1)
    same(feed.outstanding(limit=4), [2, 3, 4, 5])
    page = feed.journal.put_page(feed.id(0), feed.id(10), 4, ALL_BYTES)
    same(count_of(page), 4)


@RULES.check
def block_whose_bytes_are_damaged_is_handed_out(place: JournalPlace) -> None:
    """Whether bytes are those that were encoded is judged by whoever decodes them."""
    feed = place.feed()
    damaged = Block(3, 1, b"no array", 1)
    feed.commit(Batch(puts=[Put(feed.id(1), damaged)]))
    feed.row.next_n = 4
    feed.commit(Batch())
    (part,) = feed.journal.outstanding_page(feed.id(1), feed.id(9), 9, ALL_BYTES)
    same((part.block, part.start, part.stop), (damaged, 1, 3))


def _all_pages(feed: Feed, limit: int) -> list[int]:
    numbers: list[int] = []
    position = feed.id(0)
    while page := feed.journal.outstanding_page(position, feed.id(1 << 30), limit, ALL_BYTES):
        position = page[-1].ids.last
        numbers += [item.item_id - feed.id(0) for item in items_of(page)]
    return numbers
