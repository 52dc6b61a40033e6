"""What people do to parked items, with its trace."""

from __future__ import annotations

from collections.abc import Callable

from persistq.errors import JournalCorrupt
from persistq.items import IdRange
from persistq.journal.base import Journal
from persistq.journal.batch import Batch, ByHand, Deed, Streamed
from persistq.journal.load import LoadState
from persistq.testing.contract import refused, same, true
from persistq.testing.journals.feed import Feed
from persistq.testing.journals.place import JournalPlace, journal_rules

RULES = journal_rules()


def _night(place: JournalPlace) -> Feed:
    """Settle a load of three items, two of them parked."""
    feed = place.feed()
    feed.put(3)
    feed.done(3)
    for n in (1, 2):
        feed.fail(n)
    feed.park(1, 2)
    feed.settle()
    return feed


@RULES.check
def item_dropped_by_hand_is_dropped_for_good(place: JournalPlace) -> None:
    """It is parked no more, nor outstanding, and its load stays settled."""
    feed = _night(place)
    feed.discard(1)
    for one in place.now_and_later_fed(feed):
        same((one.parked(), one.outstanding()), ([2], []))
        same((one.row.parked, one.row.dropped), (1, 1))
        load = one.journal.latest_load()
        true(load is not None and load.state is LoadState.SETTLED, f"it is {load}")


@RULES.check
def edited_item_is_dropped_and_put_at_once(place: JournalPlace) -> None:
    """The item that was put for it is outstanding, and known as such in every later run."""
    feed = _night(place)
    same(feed.journal.replacements(feed.row.queue_id), [])
    feed.replace(1)
    for one in place.now_and_later_fed(feed):
        same((one.parked(), one.outstanding(), one.row.dropped), ([2], [4], 1))
        same(one.journal.replacements(one.row.queue_id), [one.id(4)])
        same(one.journal.open_load(), None)


@RULES.check
def killed_process_leaves_an_edit_whole(place: JournalPlace) -> None:
    """The two halves of it are in one transaction."""
    feed = _night(place)

    def edit(journal: Journal, say: Callable[[], object]) -> None:
        feed.carried_on(journal).replace(1)
        say()

    place.in_a_process_that_is_killed(edit)
    one = feed.carried_on(place.open())
    same((one.parked(), one.outstanding(), one.row.put), ([2], [4], 4))


@RULES.check
def dropping_what_is_not_parked_takes_the_whole_batch_back(place: JournalPlace) -> None:
    """It may be at work at this moment, so that nobody could promise that it is not run."""
    feed = place.feed()
    feed.put(3)
    feed.park(1)
    deeds = [ByHand(item_id, Deed.DROPPED) for item_id in feed.ids([1, 2])]
    with refused(JournalCorrupt):
        feed.journal.commit(
            Batch(dropped=feed.ranges([1, 2]), discarded=feed.ids([1, 2]), by_hand=deeds)
        )
    for one in place.now_and_later_fed(feed):
        same((one.parked(), one.outstanding()), ([1], [2, 3]))


@RULES.check
def item_is_dropped_by_hand_once(place: JournalPlace) -> None:
    """A second order is refused with all that came with it."""
    feed = _night(place)
    feed.discard(1)
    with refused(JournalCorrupt):
        feed.discard(1)
    same(place.reopen().parked_ids(feed.row.queue_id), [feed.id(2)])


@RULES.check
def what_a_dropped_item_has_streamed_stays_and_is_nobodys(place: JournalPlace) -> None:
    """It is items of their own; what is put for an edited item is not compared with it."""
    first = place.feed()
    second = Feed(first.journal, 1, first.load)
    first.put(2)
    for n in (1, 2):
        [put] = second.blocks([b"1"])
        ids = IdRange(put.first_id, put.first_id)
        second.commit(Batch(puts=[put], streamed=[Streamed(first.id(n), ids)]))
        first.fail(n)
    first.park(1, 2)
    first.discard(1)
    first.replace(2)
    for one in place.now_and_later_fed(first):
        same([one.journal.streamed(one.id(n)) for n in (1, 2, 3)], [[], [], []])
        same(one.journal.has_streamed(one.row.queue_id), False)
    same(place.reopen().queues(first.load.load_id)[1].outstanding, 2)
