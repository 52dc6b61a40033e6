"""Outputs of attempts that go on: spooled until their item is done, or streamed at once."""

from __future__ import annotations

from persistq.blocks import Block, block_of, items_of, whole
from persistq.errors import JournalCorrupt
from persistq.items import IdRange
from persistq.journal.batch import Batch, Published, Spooled, Streamed
from persistq.testing.contract import refused, same
from persistq.testing.journals.feed import ALL_BYTES, Feed
from persistq.testing.journals.place import JournalPlace, journal_rules

RULES = journal_rules()

BLOCKS = [block_of(0, [b"1", b"22", b"333"]), block_of(1, [b"p"]), block_of(0, [b"4", b"5"])]
COUNT = 6


def _spool(feed: Feed, blocks: list[Block] = BLOCKS, spool_id: int | None = None) -> int:
    """Spool outputs of the first item, each block in a commit of its own."""
    number = feed.journal.next_spool_id() if spool_id is None else spool_id
    before = 0
    for block in blocks:
        feed.commit(Batch(spooled=[Spooled(number, before, block, feed.id(1))]))
        before += block.count
    return number


def _publish(feed: Feed, target: Feed, spool_id: int, count: int = COUNT) -> None:
    """Record the first item as done, and what it has spooled as items."""
    published = Published(target.id(target.row.next_n), count, spool_id, feed.id(1))
    target.row.next_n += count
    target.row.bytes += sum(len(block.data) for block in BLOCKS)
    feed.row.done += 1
    batch = Batch(done=feed.ranges([1]), published=[published])
    batch.queues[target.row.queue_id] = target.row
    feed.commit(batch)


def _two(place: JournalPlace) -> tuple[Feed, Feed]:
    first = place.feed()
    first.put(2)
    return first, Feed(first.journal, 1, first.load)


@RULES.check
def what_is_spooled_is_no_item(place: JournalPlace) -> None:
    """Neither now nor after the process has died; the attempt is made again."""
    first, second = _two(place)
    _spool(first)
    same((second.everything_put(), first.outstanding()), ([], [1, 2]))
    later = first.carried_on(place.reopen())
    same(later.outstanding(), [1, 2])


@RULES.check
def what_is_published_is_items(place: JournalPlace) -> None:
    """All of it, in its order, after what was put before, and more can be put behind it."""
    first, second = _two(place)
    second.put(1)
    _publish(first, second, _spool(first))
    second.put(1)
    same(second.outstanding(), list(range(1, 9)))
    payloads = [item.payload for item in second.everything_put()]
    same(payloads, [b"payload", b"1", b"22", b"333", b"p", b"4", b"5", b"payload"])


@RULES.check
def published_items_end_like_others(place: JournalPlace) -> None:
    """Pages go around those that are done, and have bounds and limits."""
    first, second = _two(place)
    _publish(first, second, _spool(first))
    second.done(2, 4)
    second.park(5)
    same(second.outstanding(), [1, 3, 6])
    same(second.outstanding(limit=2), [1, 3])
    page = second.journal.put_page(second.id(2), second.id(5), 9, ALL_BYTES)
    same([part.first_id for part in page], second.ids([1, 4, 5]))
    same([item.item_id for item in items_of(page)], second.ids([3, 4, 5]))
    same(page[1], whole(second.id(4), BLOCKS[1]))


@RULES.check
def void_spool_is_not_read(place: JournalPlace) -> None:
    """Of two attempts, the second of which has ended well, only its outputs are items."""
    first, second = _two(place)
    void = _spool(first, [block_of(0, [b"0"] * 500)])
    spool_id = _spool(first)
    same(spool_id > void, True)
    _publish(first, second, spool_id)
    payloads = [item.payload for item in second.everything_put()]
    same(payloads, [b"1", b"22", b"333", b"p", b"4", b"5"])


@RULES.check
def numbers_of_spools_never_come_again(place: JournalPlace) -> None:
    """The next number is above all that have been used, also across openings."""
    first, _ = _two(place)
    same(first.journal.next_spool_id(), 1)
    _spool(first)
    for one in place.now_and_later_fed(first):
        same(one.journal.next_spool_id(), 2)
        with refused(JournalCorrupt):
            _spool(one, spool_id=1)


@RULES.check_each([COUNT - 1, COUNT + 1])
def spool_is_published_whole(place: JournalPlace, count: int) -> None:
    """A number of items that it has not takes the batch back."""
    first, second = _two(place)
    spool_id = _spool(first)
    with refused(JournalCorrupt):
        _publish(first, second, spool_id, count)
    same(first.outstanding(), [1, 2])


@RULES.check
def spool_is_published_once(place: JournalPlace) -> None:
    """Its outputs become items once, of the item that they were made of, or not at all."""
    first, second = _two(place)
    spool_id = _spool(first)
    other = Published(second.id(1), COUNT, spool_id, first.id(2))
    with refused(JournalCorrupt):
        first.journal.commit(Batch(published=[other]))
    with refused(JournalCorrupt):
        first.journal.commit(Batch(published=[other._replace(spool_id=99, item_id=first.id(1))]))
    _publish(first, second, spool_id)
    again = Published(second.id(second.row.next_n), COUNT, spool_id, first.id(1))
    with refused(JournalCorrupt):
        first.journal.commit(Batch(published=[again]))


@RULES.check
def spool_may_feed_several_queues(place: JournalPlace) -> None:
    """Published in one batch, it is items of each of them, of one and the same bytes."""
    first, second = _two(place)
    third = Feed(first.journal, 2, first.load)
    spool_id = _spool(first)
    batch = Batch(done=first.ranges([1]))
    first.row.done += 1
    for feed in (second, third):
        batch.published.append(Published(feed.id(1), COUNT, spool_id, first.id(1)))
        feed.row.next_n += COUNT
        feed.row.bytes += sum(len(block.data) for block in BLOCKS)
        batch.queues[feed.row.queue_id] = feed.row
    first.commit(batch)
    payloads = [[item.payload for item in feed.everything_put()] for feed in (second, third)]
    same(payloads, [[b"1", b"22", b"333", b"p", b"4", b"5"]] * 2)


@RULES.check
def what_is_streamed_is_known_until_its_item_has_ended(place: JournalPlace) -> None:
    """Its outputs are items at once; an attempt that comes again is told which they are."""
    first, second = _two(place)
    for _ in range(2):
        puts = second.blocks([b"1", b"2"], codec=0)
        ids = IdRange(puts[0].first_id, puts[0].first_id + 1)
        batch = Batch(puts=puts, streamed=[Streamed(first.id(1), ids)])
        batch.queues[second.row.queue_id] = second.row
        first.commit(batch)
    same(second.outstanding(), [1, 2, 3, 4])
    for one in place.now_and_later_fed(first):
        same(one.journal.streamed(one.id(1)), [IdRange(second.id(1), second.id(4))])
        same(one.journal.streamed(one.id(2)), [])
        same(
            [
                one.journal.has_streamed(one.row.queue_id),
                one.journal.has_streamed(second.row.queue_id),
            ],
            [True, False],
        )
    later = first.carried_on(place.reopen())
    later.done(1, 2)
    same(later.journal.streamed(later.id(1)), [])
    same(later.journal.has_streamed(later.row.queue_id), False)
