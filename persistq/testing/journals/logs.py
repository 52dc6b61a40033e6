"""The two logs: what a batch records, and what is refused."""

from __future__ import annotations

from persistq.blocks import block_of
from persistq.errors import JournalCorrupt
from persistq.items import Item
from persistq.journal.batch import Batch, Put
from persistq.journal.load import LoadState
from persistq.testing.contract import refused, same, true
from persistq.testing.journals.feed import Feed
from persistq.testing.journals.place import JournalPlace, journal_rules

RULES = journal_rules()

PAYLOADS = {"empty": b"", "any byte": bytes(range(256)), "large": bytes(1 << 20)}


@RULES.check
def batch_is_recorded_with_everything_in_it(place: JournalPlace) -> None:
    """One commit records puts, ends, failures and counters, in the order of the ids."""
    feed = place.feed()
    row = feed.row
    row.next_n, row.done, row.dropped, row.parked = 6, 2, 1, 1
    items = [Item(feed.id(n), n % 3, bytes([n])) for n in range(1, 6)]
    puts = [Put(item_id, block_of(codec, [payload])) for item_id, codec, payload in items]
    done, dropped, parked = feed.ranges([1, 2]), feed.ranges([3]), feed.ids([4])
    feed.commit(Batch(puts=puts, done=done, dropped=dropped, parked=parked))
    feed.fail(5)
    later = feed.carried_on(place.reopen())
    same(later.row, row)
    same(later.outstanding(), [5])
    same(later.everything_put(), items)
    (attempts,) = later.journal.failed_attempts(feed.load.load_id)
    same((attempts.item_id, attempts.count), (feed.id(5), 1))


@RULES.check
def commit_that_is_not_synced_is_seen_by_the_next_to_open(place: JournalPlace) -> None:
    """A closed journal has all commits, whether they were synced or flushed or neither."""
    feed = place.feed()
    feed.put(1, synced=True)
    feed.put(1)
    feed.journal.flush()
    feed.journal.flush()
    feed.put(1)
    same(feed.carried_on(place.reopen()).outstanding(), [1, 2, 3])


@RULES.check
def outputs_are_recorded_with_the_end_of_their_item(place: JournalPlace) -> None:
    """An item of one queue is done, and items of another are put, in the same commit."""
    first = place.feed()
    second = Feed(first.journal, 1, first.load)
    first.put(1)
    first.row.done = 1
    batch = Batch(done=first.ranges([1]), puts=second.singles(2))
    batch.queues[second.row.queue_id] = second.row
    first.commit(batch)
    same(first.outstanding(), [])
    same(second.outstanding(), [1, 2])


@RULES.check_each(PAYLOADS)
def payload_comes_back_as_it_was(place: JournalPlace, kind: str) -> None:
    """Payloads are opaque: no byte is changed, whatever their size, and codecs are kept."""
    feed = place.feed()
    feed.row.next_n = 2
    item = Item(feed.id(1), 2, PAYLOADS[kind])
    put = Put(item.item_id, block_of(item.codec, [item.payload]))
    feed.commit(Batch(puts=[put], bulky=kind == "large"))
    same(feed.carried_on(place.reopen()).everything_put() == [item], True)


@RULES.check
def batch_of_many_items_is_recorded_whole(place: JournalPlace) -> None:
    """Thousands of puts and ends fit into one batch each."""
    feed = place.feed()
    feed.put_together(2_500)
    feed.put(2_503)
    feed.done(*range(5_000, 0, -1))
    same(feed.outstanding(), [5_001, 5_002, 5_003])
    same(len(feed.everything_put()), 5_003)


@RULES.check
def item_done_twice_takes_the_whole_batch_back(place: JournalPlace) -> None:
    """A contradiction is refused with all that came with it, and work goes on after it."""
    feed = place.feed()
    feed.put(3)
    feed.done(1)
    with refused(JournalCorrupt):
        put = Put(feed.id(4), block_of(1, [b""]))
        feed.journal.commit(Batch(puts=[put], done=feed.ranges([2, 1])))
    same(feed.outstanding(), [2, 3])
    same(len(feed.everything_put()), 3)
    feed.done(2)
    same(feed.outstanding(), [3])


@RULES.check
def id_is_never_used_again(place: JournalPlace) -> None:
    """The put-log does not take the same id twice, not even of an item that is done."""
    feed = place.feed()
    items = feed.put_together(3)
    feed.done(1)
    for item in items:
        with refused(JournalCorrupt):
            put = Put(item.item_id, block_of(item.codec, [item.payload]))
            feed.journal.commit(Batch(puts=[put]))
    same(feed.everything_put(), items)
    same(feed.outstanding(), [2, 3])


@RULES.check
def counters_that_cannot_be_are_refused(place: JournalPlace) -> None:
    """More ends than puts, or a queue that is not there, take the batch back."""
    feed = place.feed()
    feed.put(1)
    feed.row.done = 2
    with refused(JournalCorrupt):
        feed.commit(Batch(done=feed.ranges([1])))
    same(feed.outstanding(), [1])
    feed.reread()
    known, feed.row.queue_id = feed.row.queue_id, feed.row.queue_id + 98
    with refused(JournalCorrupt):
        feed.commit(Batch())
    feed.row.queue_id = known
    same(feed.outstanding(), [1])


@RULES.check
def seal_is_recorded_and_can_be_lifted(place: JournalPlace) -> None:
    """A sealed queue says how many items it has; it is open again when more are put."""
    feed = place.feed()
    feed.put(2)
    feed.seal()
    same(feed.carried_on(place.reopen()).row.sealed_total, 2)
    later = feed.carried_on(place.reopen())
    later.row.sealed_total = None
    later.put(1)
    same(later.carried_on(place.reopen()).row.sealed_total, None)


@RULES.check
def settling_ends_the_load(place: JournalPlace) -> None:
    """A settled load has an end, is no open one, and stays as it is when it is settled again."""
    feed = place.feed()
    feed.put(1)
    feed.done(1)
    feed.settle()
    journal = feed.journal
    settled = journal.latest_load()
    true(settled is not None and settled.state is LoadState.SETTLED, f"it is {settled}")
    true(settled is not None and settled.ended_at is not None, "it has no end")
    same(journal.open_load(), None)
    feed.settle()
    same(place.reopen().latest_load(), settled)
