"""Runs and queues of a load, and which run put which items."""

from __future__ import annotations

import re

from persistq.journal.route import Route, RouteKind
from persistq.journal.run import RunResult
from persistq.testing.contract import same, true
from persistq.testing.journals.feed import Feed
from persistq.testing.journals.place import JournalPlace, journal_rules

RULES = journal_rules()

UUID = re.compile(r"[0-9a-f]{32}")


@RULES.check
def each_run_has_a_number_of_its_own(place: JournalPlace) -> None:
    """Numbers of runs rise, and never come again when the journal is opened again."""
    feed = place.feed()
    later = feed.carried_on(place.reopen())
    true(later.run_id > feed.run_id, f"run {later.run_id} came after run {feed.run_id}")


@RULES.check
def end_of_a_run_can_be_recorded(place: JournalPlace) -> None:
    """A run's end is accepted whatever its reason says, and changes nothing about the items."""
    feed = place.feed()
    feed.put(2)
    feed.journal.end_run(feed.run_id, RunResult.FAILED, "stage 'x' gave up: caf\udce9 \0")
    same(feed.carried_on(place.reopen()).outstanding(), [1, 2])


@RULES.check
def queues_come_back_by_position(place: JournalPlace) -> None:
    """A load's queues are in the order of their positions, empty and open, apart from others'."""
    journal = place.open()
    load_id = journal.begin_load("pipeline").load_id
    second = journal.add_queue(load_id, 1, "second")
    first = journal.add_queue(load_id, 0, "first")
    other = Feed(journal)
    same((first.put, first.outstanding, first.sealed_total), (0, 0, None))
    journal = place.reopen()
    same(journal.queues(load_id), [first, second])
    same(journal.queues(other.load.load_id), [other.row])


@RULES.check
def what_holds_a_stage_up_is_kept(place: JournalPlace) -> None:
    """Why it waits is there for who looks, until it is over."""
    feed = place.feed()
    for held in ("its source waits", ""):
        feed.row.held = held
        feed.put(1)
        feed = feed.carried_on(place.reopen())
        same(feed.row.held, held)


@RULES.check
def ways_between_stages_are_kept(place: JournalPlace) -> None:
    """Those that were recorded last, of each load its own, also from a stage to itself."""
    journal = place.open()
    load_id = journal.begin_load("pipeline").load_id
    first, second, third = (journal.add_queue(load_id, n, f"s{n}").queue_id for n in range(3))
    other = journal.begin_load("pipeline").load_id
    elsewhere = [journal.add_queue(other, n, f"s{n}").queue_id for n in range(2)]
    of_other = [Route(elsewhere[0], elsewhere[1], RouteKind.FEEDS)]
    wanted = [
        Route(first, second, RouteKind.FEEDS),
        Route(first, third, RouteKind.ENDS),
        Route(second, second, RouteKind.PUTS),
    ]
    journal.set_routes(other, of_other)
    journal.set_routes(load_id, [Route(second, third, RouteKind.FEEDS)])
    journal.set_routes(load_id, reversed(wanted))
    for one in place.now_and_later(journal):
        same([one.routes(load_id), one.routes(other)], [wanted, of_other])


@RULES.check
def queues_can_take_each_others_names(place: JournalPlace) -> None:
    """Names are changed all at once, so that two queues can swap theirs."""
    journal = place.open()
    load_id = journal.begin_load("pipeline").load_id
    rows = [journal.add_queue(load_id, at, name) for at, name in enumerate(("a", "b", "c"))]
    journal.rename_queues({rows[0].queue_id: "b", rows[1].queue_id: "a"})
    same([row.name for row in place.reopen().queues(load_id)], ["b", "a", "c"])


@RULES.check
def workers_have_records_of_their_own(place: JournalPlace) -> None:
    """Processes can come, leave and die; each has a record, and items are as before."""
    feed = place.feed()
    feed.put(1)
    first, second = feed.begin_worker(11), feed.begin_worker(12)
    true(first < second, f"record {second} came after record {first}")
    feed.end_worker(first)
    feed.note_ending(12)
    same(feed.outstanding(), [1])


@RULES.check
def numbers_of_workers_never_come_again(place: JournalPlace) -> None:
    """The next number is above all that have a record, also across openings."""
    feed = place.feed()
    same(feed.journal.next_worker_id(), 1)
    feed.begin_worker(11)
    for one in place.now_and_later_fed(feed):
        same(one.journal.next_worker_id(), 2)


@RULES.check
def items_are_known_by_the_run_that_put_them(place: JournalPlace) -> None:
    """What is put is put by the run that began last; an earlier run keeps what it has put."""
    feed = place.feed()
    feed.put(2)
    later = feed.carried_on(place.reopen())
    later.put(1)
    spans = later.journal.put_spans(later.row.queue_id)
    same([span.after_id for span in spans], [feed.id(0), feed.id(2)])
    true(spans[0].run != spans[1].run, "two runs have the same name")
    for span in spans:
        true(UUID.fullmatch(span.run), f"{span.run!r} is not 32 hex digits")


@RULES.check
def run_that_puts_nothing_leaves_its_place_to_the_next(place: JournalPlace) -> None:
    """A run without puts has no span of a queue; what the next one puts is the next one's."""
    feed = place.feed()
    feed.put(2)
    idle = feed.carried_on(place.reopen())
    of_idle = idle.journal.put_spans(feed.row.queue_id)[-1]
    later = feed.carried_on(place.reopen())
    spans = later.journal.put_spans(feed.row.queue_id)
    same([span.after_id for span in spans], [feed.id(0), feed.id(2)])
    true(spans[1].run != of_idle.run, "the run that put nothing has kept the place")


@RULES.check
def queue_that_comes_later_belongs_to_the_present_run(place: JournalPlace) -> None:
    """The items of a queue that is added while a run is at work are that run's."""
    feed = place.feed()
    second = Feed(feed.journal, 1, feed.load)
    second.put(1)
    (span,) = feed.journal.put_spans(second.row.queue_id)
    same(span.after_id, second.id(0))
    same(span.run, feed.journal.put_spans(feed.row.queue_id)[0].run)


@RULES.check
def early_spans_can_be_left_out(place: JournalPlace) -> None:
    """Spans that begin with fewer items put than asked for are left out."""
    feed = place.feed()
    feed.put(2)
    later = feed.carried_on(place.reopen())
    later.put(1)
    spans = later.journal.put_spans(feed.row.queue_id, 2)
    same([span.after_id for span in spans], [feed.id(2)])
    same(later.journal.put_spans(feed.row.queue_id, 3), [])
