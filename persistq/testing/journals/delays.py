"""Items that were put to wait, and the ranks of those that are handed out in an order."""

from __future__ import annotations

import time

from persistq.journal.attempts import Delay
from persistq.journal.batch import Batch
from persistq.testing.contract import same
from persistq.testing.journals.feed import Feed
from persistq.testing.journals.place import JournalPlace, journal_rules

RULES = journal_rules()


def put_to_wait(feed: Feed, seconds: float, count: int = 1) -> float:
    """Put items as one block that waits from now on; return until when."""
    due = int((time.time() + seconds) * 1000)
    [put] = feed.blocks([b"x"] * count)
    feed.commit(Batch(puts=[put._replace(block=put.block._replace(due=due))]))
    return due / 1000


@RULES.check
def what_was_put_to_wait_is_found(place: JournalPlace) -> None:
    """By any later run, as long as it is outstanding and not due; what waits for nothing is not."""
    feed = place.feed()
    other = Feed(feed.journal, 1, feed.load)
    feed.put(2)
    due = put_to_wait(feed, 3600.0, count=3)
    put_to_wait(feed, 0.0)
    later = put_to_wait(other, 60.0)
    expected = [
        Delay(feed.ranges([3, 4, 5])[0], due),
        Delay(other.ranges([1])[0], later),
    ]
    for journal in place.now_and_later(feed.journal):
        same(journal.delays(feed.load.load_id), expected)


@RULES.check
def what_was_put_to_wait_and_has_ended_is_not_found(place: JournalPlace) -> None:
    """A clock that was set back makes it due again, and it stays as it ended."""
    feed = place.feed()
    due = put_to_wait(feed, 3600.0, count=4)
    feed.done(2)
    feed.park(4)
    expected = [Delay(feed.ranges([n])[0], due) for n in (1, 3)]
    same(feed.journal.delays(feed.load.load_id), expected)


@RULES.check
def ranks_come_back_with_their_items(place: JournalPlace) -> None:
    """In pages of what is outstanding, and of all that was put; most blocks have none."""
    feed = place.feed()
    puts = [*feed.blocks([b"a", b"b"]), *feed.blocks([b"c"]), *feed.blocks([b"d"])]
    ranks = [7, -(1 << 63), None]
    feed.commit(
        Batch(
            puts=[
                put._replace(block=put.block._replace(rank=rank))
                for put, rank in zip(puts, ranks, strict=True)
            ]
        )
    )
    feed.done(1)
    for journal in place.now_and_later(feed.journal):
        for read in (journal.put_page, journal.outstanding_page):
            same([part.block.rank for part in read(feed.id(0), feed.id(9), 9, 1 << 20)], ranks)
