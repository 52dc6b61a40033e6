"""Families of processes: who may repeat what, and who gets no more work."""

from __future__ import annotations

from persistq.broker.roster import Roster
from persistq.broker.span import Span
from persistq.items import item_id_of
from persistq.journal.queuerow import QueueRow
from persistq.peer import Peer
from persistq.site.processes import peer_here, this_process


def peer(pid: int) -> Peer:
    """Return a program of another host."""
    return Peer("elsewhere", pid)


def new_row(queue_id: int = 1) -> QueueRow:
    """Return an empty queue."""
    return QueueRow(queue_id, 1, 0, "load")


def write(roster: Roster, family: str, row: QueueRow, count: int) -> None:
    """Let a family put items."""
    row.next_n += count
    roster.wrote(family, row, count)


def test_first_program_is_remembered() -> None:
    """Whoever opened the load first is known, also when it is gone."""
    roster = Roster()
    assert roster.first() is None
    roster.add("a", peer(1), absorbs=False)
    roster.add("b", peer(2), absorbs=False)
    assert roster.first() == (peer(1), False)
    roster.take_leave("a")
    assert roster.first() == (peer(1), True)


def test_stranger_absorbs_nothing_and_is_not_dead() -> None:
    """A family that nobody opened the load for has no rights and no past."""
    roster = Roster()
    assert not roster.absorbs("nobody")
    assert roster.dead("nobody") is None
    roster.repeats("nobody")
    write(roster, "nobody", new_row(), 3)
    assert not roster.absorbs("nobody")


def test_right_to_absorb_is_settled_at_the_opening() -> None:
    """Unless a part of the family starts again."""
    roster = Roster()
    roster.add("old", peer(1), absorbs=True)
    roster.add("new", peer(2), absorbs=False)
    assert (roster.absorbs("old"), roster.absorbs("new")) == (True, False)
    roster.repeats("new")
    assert roster.absorbs("new")


def test_only_death_is_told_to_children() -> None:
    """A program that took leave lets its children go on."""
    roster = Roster()
    roster.add("left", peer(1), absorbs=False)
    roster.add("died", peer(2), absorbs=False)
    roster.take_leave("left")
    roster.lose("died")
    assert (roster.dead("left"), roster.dead("died")) == (None, 2)
    assert roster.first() == (peer(1), True)


def test_dead_family_leaves_exactly_what_it_wrote() -> None:
    """Consecutive puts are one range, puts of others between them split it."""
    roster, row = Roster(), new_row()
    roster.add("a", peer(1), absorbs=False)
    roster.add("b", peer(2), absorbs=False)
    for family, count in (("a", 2), ("a", 1), ("b", 4), ("a", 1)):
        write(roster, family, row, count)
    spans = [
        (1, Span(item_id_of(1, 0), item_id_of(1, 3))),
        (1, Span(item_id_of(1, 7), item_id_of(1, 8))),
    ]
    assert roster.lose("a") == spans
    assert roster.lose("b") == [(1, Span(item_id_of(1, 3), item_id_of(1, 7)))]


def test_queues_are_kept_apart() -> None:
    """A family may put on several queues."""
    roster = Roster()
    roster.add("a", peer(1), absorbs=False)
    write(roster, "a", new_row(1), 2)
    write(roster, "a", new_row(2), 3)
    assert roster.lose("a") == [
        (1, Span(item_id_of(1, 0), item_id_of(1, 2))),
        (2, Span(item_id_of(2, 0), item_id_of(2, 3))),
    ]


def test_family_that_put_nothing_leaves_nothing() -> None:
    """Its death changes no absorber."""
    roster = Roster()
    roster.add("a", peer(1), absorbs=False)
    assert roster.lose("a") == []


def test_program_is_looked_for_where_it_can_be_seen() -> None:
    """Its own number for itself may be somebody else's here, or nobody's."""
    roster = Roster()
    nobody, myself = peer_here(1 << 30), this_process()
    roster.add("seen", nobody, absorbs=False, seen=myself)
    roster.add("unseen", nobody, absorbs=False)
    assert (roster.dying("seen"), roster.hidden("seen")) == (False, False)
    assert (roster.dying("unseen"), roster.hidden("unseen")) == (False, True)
    roster.add("ended", myself, absorbs=False, seen=nobody)
    assert roster.dying("ended")
