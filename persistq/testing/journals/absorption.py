"""The digests of earlier puts, which absorb equal later ones."""

from __future__ import annotations

from persistq.testing.contract import same
from persistq.testing.journals.place import JournalPlace, journal_rules

RULES = journal_rules()


@RULES.check
def digests_are_a_multiset(place: JournalPlace) -> None:
    """Each digest is taken as often as it was added, also within one call, and per queue."""
    feed = place.feed()
    journal, queue_id = feed.journal, feed.row.queue_id
    journal.add_digests(queue_id, iter([b"a", b"a", b"b"]))
    journal.add_digests(queue_id + 1, [b"c"])
    taken = journal.take_digests(queue_id, [b"a", b"c", b"a", b"a", b"b"])
    same(taken, [True, False, True, False, True])
    journal.add_digests(queue_id, [b"a"])
    same(journal.take_digests(queue_id, [b"a"]), [True])
    same(journal.take_digests(queue_id + 1, [b"c"]), [True])


@RULES.check
def digests_of_a_queue_can_be_forgotten(place: JournalPlace) -> None:
    """Nothing is left of them, and those of another queue stay."""
    feed = place.feed()
    journal, queue_id = feed.journal, feed.row.queue_id
    journal.add_digests(queue_id, [b"a", b"b"])
    journal.add_digests(queue_id + 1, [b"a"])
    journal.clear_digests(queue_id)
    same(journal.take_digests(queue_id, [b"a", b"b"]), [False, False])
    same(journal.take_digests(queue_id + 1, [b"a"]), [True])


@RULES.check
def digests_are_bytes_of_any_kind(place: JournalPlace) -> None:
    """A digest that begins like another one, or has zero bytes, is another one."""
    feed = place.feed()
    digests = [b"", b"\0", b"\0\0", b"a", b"A", bytes(range(256))]
    feed.journal.add_digests(feed.row.queue_id, digests)
    same(feed.journal.take_digests(feed.row.queue_id, digests * 2), [True] * 6 + [False] * 6)
