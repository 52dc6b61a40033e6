"""How far long items have come: kept for the next attempt, until the item ends."""

from __future__ import annotations

from persistq.blocks import block_of
from persistq.journal.batch import Batch
from persistq.testing.contract import same
from persistq.testing.journals.place import JournalPlace, journal_rules

RULES = journal_rules()


@RULES.check
def last_checkpoint_is_kept_until_its_item_ends(place: JournalPlace) -> None:
    """Of each item its own, also one that is recorded in the batch in which the item ends."""
    feed = place.feed()
    feed.put(3)
    feed.commit(Batch(checkpoints={feed.id(1): block_of(0, [b"1"])}))
    last, other = block_of(1, [b"pickled"]), block_of(0, [b"[2]"])
    feed.commit(Batch(checkpoints={feed.id(1): last, feed.id(2): other}))
    for one in place.now_and_later_fed(feed):
        same([one.journal.checkpoint(one.id(n)) for n in (1, 2, 3)], [last, other, None])
    later = feed.carried_on(place.reopen())
    later.row.done += 1
    batch = Batch(done=later.ranges([1]), checkpoints={later.id(1): last})
    batch.queues[later.row.queue_id] = later.row
    later.commit(batch)
    for one in place.now_and_later_fed(later):
        same([one.journal.checkpoint(one.id(n)) for n in (1, 2)], [None, other])
