"""Loads: begun, abandoned, reopened, with their parameters."""

from __future__ import annotations

from persistq.journal.base import Journal
from persistq.journal.load import Left, Load, LoadState, Param
from persistq.testing.contract import same, true
from persistq.testing.journals.feed import COMMAND, Feed
from persistq.testing.journals.place import JournalPlace, journal_rules

RULES = journal_rules()

PARAMS = [
    Param("day", 1, b'"2024-01-01"', "2024-01-01", given=True),
    Param("secret key", 2, bytes(range(256)), "***", given=False),
    Param("leer", 1, b"", "", given=True),
]


@RULES.check
def new_journal_has_no_load(place: JournalPlace) -> None:
    """Nothing has begun in a new journal, and nothing is to be carried on."""
    journal = place.open()
    same(journal.latest_load(), None)
    same(journal.open_load(), None)
    same(journal.load(1), None)


@RULES.check
def load_that_began_is_the_latest_and_the_open_one(place: JournalPlace) -> None:
    """A load is open from its beginning, and the same when the journal is opened again."""
    journal = place.open()
    load = journal.begin_load("queue")
    same((load.kind, load.state, load.ended_at), ("queue", LoadState.OPEN, None))
    true(load.created_at.utcoffset() is not None, "its time has no time zone")
    for opened in place.now_and_later(journal):
        same(opened.latest_load(), load)
        same(opened.open_load(), load)
        same(opened.load(load.load_id), load)


@RULES.check
def each_load_has_a_number_of_its_own(place: JournalPlace) -> None:
    """Numbers of loads rise, also across openings, and the latest load is the last one begun."""
    first = place.open().begin_load("queue").load_id
    again = place.reopen()
    again.abandon_load(first)
    second = again.begin_load("pipeline")
    true(second.load_id > first, f"load {second.load_id} came after load {first}")
    same(again.latest_load(), second)


@RULES.check
def abandoned_load_stays(place: JournalPlace) -> None:
    """An abandoned load is still the latest one and has an end, but no start carries it on."""
    journal = place.open()
    journal.abandon_load(journal.begin_load("queue").load_id)
    for opened in place.now_and_later(journal):
        load = _latest(opened)
        same(load.state, LoadState.ABANDONED)
        true(load.ended_at is not None, "it has no end")
        same(opened.open_load(), None)


@RULES.check
def reopened_load_has_no_end_and_is_not_the_open_one(place: JournalPlace) -> None:
    """A load that had ended and is reopened is worked on again, only by a start that names it."""
    journal = place.open()
    load_id = journal.begin_load("queue").load_id
    journal.abandon_load(load_id)
    journal.reopen_load(load_id)
    for opened in place.now_and_later(journal):
        load = _latest(opened)
        same((load.state, load.ended_at), (LoadState.REOPENED, None))
        same(opened.open_load(), None)


@RULES.check
def open_load_is_not_reopened(place: JournalPlace) -> None:
    """Only what has ended can be reopened; an open load stays open."""
    journal = place.open()
    load = journal.begin_load("queue")
    journal.reopen_load(load.load_id)
    same(_latest(place.reopen()), load)


@RULES.check
def parameters_come_back_as_they_were(place: JournalPlace) -> None:
    """Parameters keep every byte and whether they were given, each load its own."""
    journal = place.open()
    with_some = journal.begin_load("pipeline", iter(PARAMS)).load_id
    journal.abandon_load(with_some)
    without = journal.begin_load("pipeline").load_id
    journal = place.reopen()
    same(journal.params(with_some), {param.name: param for param in PARAMS})
    same(journal.params(without), {})


@RULES.check
def left_by_others_are_parked_and_outstanding_items(place: JournalPlace) -> None:
    """Of other loads those are told that have parked or outstanding items, oldest first."""
    journal = place.open()
    old, finished, older = Feed(journal), Feed(journal), Feed(journal)
    for feed in (old, older):
        feed.put(4)
        feed.done(1)
        journal.abandon_load(feed.load.load_id)
    old.park(2, 3)
    finished.put(1)
    finished.done(1)
    finished.settle()
    left = [
        Left(old.load.load_id, LoadState.ABANDONED, 2, 1),
        Left(older.load.load_id, LoadState.ABANDONED, 0, 3),
    ]
    same(journal.left_by_others(finished.load.load_id), left)
    same(journal.left_by_others(old.load.load_id), left[1:])


@RULES.check
def what_is_recorded_together_is_recorded_whole(place: JournalPlace) -> None:
    """Everything in a block of `together` is there afterwards, also to those who open it again."""
    journal = place.open()
    with journal.together():
        load = journal.begin_load("pipeline", PARAMS)
        row = journal.add_queue(load.load_id, 0, "first")
        journal.begin_run(load.load_id, COMMAND)
    for opened in place.now_and_later(journal):
        same(opened.queues(load.load_id), [row])
        same(len(opened.params(load.load_id)), len(PARAMS))


@RULES.check
def what_is_recorded_together_is_taken_back_whole(place: JournalPlace) -> None:
    """If a block of `together` raises, nothing of it is recorded, and work goes on after it."""
    feed = place.feed()
    before = feed.journal.queues(feed.load.load_id)
    try:
        with feed.journal.together():
            feed.journal.abandon_load(feed.load.load_id)
            other = feed.journal.begin_load("queue")
            feed.journal.add_queue(other.load_id, 0, "stage")
            raise KeyError
    except KeyError:
        pass
    same(feed.journal.latest_load(), feed.load)
    same(feed.journal.queues(feed.load.load_id), before)
    feed.put(1)
    same(feed.outstanding(), [1])


def _latest(journal: Journal) -> Load:
    load = journal.latest_load()
    if load is None:
        raise AssertionError("there is no load.")
    return load
