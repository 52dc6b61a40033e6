"""Natural keys: kept with their items, and noted when a load has done them."""

from __future__ import annotations

from collections.abc import Sequence

from persistq.blocks import Origin, with_digests
from persistq.journal.base import Journal
from persistq.journal.batch import Batch, Put
from persistq.testing.contract import same
from persistq.testing.journals.feed import Feed
from persistq.testing.journals.place import JournalPlace, journal_rules

RULES = journal_rules()

_ALL = 1 << 30


def digest(number: int) -> bytes:
    """Return the digest of a key."""
    return bytes([number]) * 16


def keyed(feed: Feed, *numbers: int, origin: Origin | None = None) -> None:
    """Put items with natural keys, as one block."""
    feed.journal.key_queue(feed.row.queue_id, keyed=True, once=True)
    feed.row.keyed = feed.row.once = True
    [put] = feed.blocks([b"%d" % number for number in numbers])
    [block] = with_digests([put.block], [*map(digest, numbers)])
    feed.commit(Batch(puts=[Put(put.first_id, block, origin)]))


def noted(journal: Journal, *names: str, but_load: int = 0) -> list[int]:
    """Note all that is done, and return the numbers of its keys."""
    while journal.note_done_keys():
        continue
    pages = journal.done_keys(names or ("stage0",), but_load, 0, 1000)
    joined = b"".join(digests for _, digests in pages)
    return sorted(joined[n] for n in range(0, len(joined), 16))


def chain(place: JournalPlace, stages: int) -> list[Feed]:
    """Begin a load of some stages."""
    first = place.feed()
    return [first, *(Feed(first.journal, n, first.load) for n in range(1, stages))]


def settle(feeds: Sequence[Feed]) -> None:
    """Seal the queues of a load, and settle it."""
    for feed in feeds[:-1]:
        feed.seal()
    feeds[-1].settle()


@RULES.check
def natural_keys_lie_with_their_items(place: JournalPlace) -> None:
    """Found by block, and by item; items without any have none."""
    [feed, other] = chain(place, 2)
    keyed(feed, 1, 2, 3)
    keyed(feed, 4)
    other.put_together(2)
    for journal in place.now_and_later(feed.journal):
        digests = [(feed.id(1), digest(1) + digest(2) + digest(3)), (feed.id(4), digest(4))]
        same(journal.digests(feed.id(0), feed.id(_ALL), 10), digests)
        same(journal.digests(feed.id(0), feed.id(_ALL), 1), digests[:1])
        same(journal.digests(feed.id(1), feed.id(_ALL), 10), digests[1:])
        same(journal.digest(feed.id(3)), digest(3))
        same([journal.digest(other.id(1)), journal.digest(feed.id(5))], [None, None])
        row = next(row for row in journal.queues(feed.load.load_id) if row.keyed)
        same((row.queue_id, row.once), (feed.row.queue_id, True))


@RULES.check
def what_was_left_out_is_counted(place: JournalPlace) -> None:
    """Counters are recorded with the batch, like all others."""
    feed = place.feed()
    keyed(feed, 1)
    feed.row.duplicates, feed.row.skipped = 3, 4
    feed.commit(Batch())
    for journal in place.now_and_later(feed.journal):
        [row] = journal.queues(feed.load.load_id)
        same((row.duplicates, row.skipped), (3, 4))


@RULES.check
def keys_are_noted_when_their_load_is_settled(place: JournalPlace) -> None:
    """Not before; of the items that are done, and of queues with one of the names."""
    feed = place.feed()
    keyed(feed, 1, 2, 3, 4)
    feed.done(1, 2)
    feed.park(3)
    feed.fail(3)
    same(noted(feed.journal), [])
    feed.drop(4)
    feed.settle()
    for journal in place.now_and_later(feed.journal):
        same(noted(journal), [1, 2])
        same(noted(journal, "another"), [])
        same(noted(journal, but_load=feed.load.load_id), [])


@RULES.check
def what_comes_of_an_item_counts_as_well(place: JournalPlace) -> None:
    """An item is done with all that was made of it, over several stages."""
    first, second, third = feeds = chain(place, 3)
    keyed(first, 1, 2, 3, 4, 5)
    first.done(1, 2, 3, 4, 5)
    _made(second, 5, Origin(first.id(1), b"\1"))
    second.done(1, 3, 4, 5)
    second.drop(2)
    _made(third, 4, Origin(second.id(1), b"\2\1\0"))
    third.done(1, 2, 4)
    third.park(3)
    third.fail(3)
    settle(feeds)
    for journal in place.now_and_later(first.journal):
        same(noted(journal), [1, 3, 5])


@RULES.check
def what_is_retried_is_noted_when_it_is_done(place: JournalPlace) -> None:
    """A load that is worked on again is looked at again."""
    feed = place.feed()
    keyed(feed, 1, 2)
    feed.done(1)
    feed.park(2)
    feed.fail(2)
    feed.settle()
    same(noted(feed.journal), [1])
    feed.unpark(2)
    feed.done(2)
    feed.settle()
    for journal in place.now_and_later(feed.journal):
        same(noted(journal), [1, 2])


@RULES.check
def edited_item_keeps_its_key(place: JournalPlace) -> None:
    """It counts as what was put for it."""
    feed = place.feed()
    keyed(feed, 1, 2, 3)
    feed.done(1)
    feed.park(2, 3)
    feed.fail(2)
    feed.fail(3)
    _edit(feed, 2)
    _edit(feed, 3)
    feed.done(4)
    feed.park(5)
    feed.fail(5)
    feed.settle()
    for journal in place.now_and_later(feed.journal):
        same(noted(journal), [1, 2])


@RULES.check
def noted_keys_outlive_their_load_and_can_be_forgotten(place: JournalPlace) -> None:
    """A purge notes first what is not noted yet."""
    feed = place.feed()
    keyed(feed, 1, 2)
    feed.done(1, 2)
    feed.settle()
    later = Feed(feed.journal)
    same(feed.journal.purge_load(feed.load.load_id), True)
    while feed.journal.tidy(1):
        continue
    same(noted(feed.journal), [1, 2])
    same(feed.journal.is_bare(), False)
    keyed(later, 3)
    later.done(1)
    later.settle()
    same(feed.journal.forget_done_keys(), 2)
    for journal in place.now_and_later(feed.journal):
        same(noted(journal), [])


def _made(feed: Feed, count: int, origin: Origin) -> None:
    [put] = feed.blocks([b"made"] * count)
    feed.commit(Batch(puts=[Put(put.first_id, put.block, origin)]))


def _edit(feed: Feed, n: int) -> None:
    """Put an item by hand for a parked one, with the same key."""
    feed.replace(n, digest=feed.journal.digest(feed.id(n)))
