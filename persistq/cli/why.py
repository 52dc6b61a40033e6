"""``persistq why``: what has happened to one item, in sentences."""

from __future__ import annotations

import signal
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from persistq.cli.choosing import directory_of, reader_of
from persistq.cli.options import (
    item_argument,
    journal_option,
    json_option,
    load_option,
    name_option,
)
from persistq.cli.output import Column, note, write_json, write_lines, write_table
from persistq.cli.pointing import Names, Pointed, names_in, pointed
from persistq.cli.show import error_in_words
from persistq.cli.standing import in_hand, moment, sized, standing_of
from persistq.items import FailureKind, count_in
from persistq.journal.batch import Deed
from persistq.journal.reader import ItemState
from persistq.text.masking import masked_text
from persistq.text.payloads import in_brief
from persistq.text.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from persistq.items import Failure, IdRange
    from persistq.journal.reader import Attempt, Handled
    from persistq.journal.run import Run

_ITEM_WIDTH = 60
_MADE_SHOWN = 5
_RETRIED = "It was retried by hand: the failures before that count no more"


class Event(NamedTuple):
    """Something that happened to an item.

    Attributes:
        at: When; None if that is not recorded.
        text: What, as a sentence.
    """

    at: datetime | None
    text: str


class History(NamedTuple):
    """What is recorded of one item.

    Attributes:
        point: The item, and where it is now.
        names: What the items of its load are called.
        run: The run that put it, or None where that is not recorded.
        made: What was made of it.
        attempts: Its failed attempts, oldest first.
        by_hand: What was done to it by hand, or led to it, oldest first.
        running: Whether a run is at work on its load.
        holder: The process that works on it at this moment, or 0.
    """

    point: Pointed
    names: Names
    run: Run | None
    made: list[IdRange]
    attempts: list[Attempt]
    by_hand: list[Handled]
    running: bool
    holder: int


@click.command("why", short_help="Tell what has happened to one item.")
@item_argument
@name_option
@load_option
@json_option
@journal_option
def command(
    *, item: str, name: str | None, load: int | None, as_json: bool, journal: str | None
) -> None:
    """Tell in sentences what has happened to one item, and why it is where it is.

    ITEM is its stage and its number there, as other commands show it: clean:6, or clean:6@3 in
    load 3; or the long number that JSON has.

    \b
    Example:
      $ persistq why clean:2 --name sales
    """  # noqa: D301 - \b is click's mark for lines to keep
    with reader_of(directory_of(journal, name), name) as reader:
        point = pointed(reader, item, load)
        names = names_in(reader, point.view)
        put_by = _uuid_of(reader.keys(point.queue.queue_id).of(point.item_id))
        assert point.view.load is not None, "an item has a load"
        runs = reader.runs(point.view.load.load_id)
        run = next((it for it in runs if it.uuid == put_by), None)
        attempts = reader.attempts(point.item_id)
        made = reader.made_of(point.item_id)
        by_hand = reader.by_hand(point.item_id)
    standing = standing_of(point.view)
    held = [it.pid for it in in_hand(standing) if it.item_id == point.item_id]
    history = History(
        point, names, run, made, attempts, by_hand, standing.running, held[0] if held else 0
    )
    events = [*events_of(history)]
    note(f"{point.view.name}; journal {point.view.path}")
    if as_json:
        write_json(_as_object(history, events))
    else:
        stored = point.found.item
        text = in_brief(stored.codec, stored.payload, _ITEM_WIDTH)
        write_lines([printable(f"{names.of(point.item_id)}  {text}")])
        write_table((Column(""), Column("", wrap=True)), [*map(_row, events)], titles=False)


def events_of(history: History) -> Iterator[Event]:
    """Yield what has happened to an item, in order; the last one says where it is now."""
    yield put_event(history)
    numbers = count(1)
    attempts = [Event(it.at, _ended(it, numbers)) for it in history.attempts]
    by_hand = [Event(it.at, text) for it in history.by_hand if (text := _handled(it, history))]
    yield from sorted([*attempts, *by_hand], key=_moment_of)
    forgiven = any(attempt.forgiven for attempt in history.attempts)
    if forgiven and not any(it.deed is Deed.RETRIED for it in history.by_hand):
        yield Event(None, f"{_RETRIED}.")
    if history.made:
        yield Event(None, f"It led to {_named(history.made, history.names)}.")
    yield now_event(history)


def _named(made: list[IdRange], names: Names) -> str:
    """Return items for people, such as ``store:4 and store:6 to store:9``."""
    words = [
        names.of(ids.first) if ids.count == 1 else f"{names.of(ids.first)} to {names.of(ids.last)}"
        for ids in made[:_MADE_SHOWN]
    ]
    more = count_in(made[_MADE_SHOWN:])
    if more:
        words.append(f"{more:,} more")
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def _moment_of(event: Event) -> datetime:
    assert event.at is not None, "both have their time"
    return event.at


def _handled(handled: Handled, history: History) -> str:
    """Return what was done by hand, as a sentence; nothing where another one tells it."""
    if handled.deed is Deed.RETRIED:
        return f"{_RETRIED}."
    if handled.replacement is None or handled.item_id != history.point.item_id:
        return ""
    return f"It was edited by hand: {history.names.of(handled.replacement)} was put for it."


def put_event(history: History) -> Event:
    """Return when an item was put and by whom, as far as that is recorded."""
    found, run = history.point.found, history.run
    at = found.put.at if found.put is not None else None
    instead = [it for it in history.by_hand if it.replacement == found.item_id]
    if instead:
        text = f"It was put by hand for {history.names.of(instead[0].item_id)}, which was edited."
        return Event(at, text)
    made = "" if found.origin is None else f", made of {history.names.of(found.origin)}"
    made += "" if found.due is None else f", to wait until {moment(found.due)}"
    if run is None:
        return Event(at, f"It was put{made}; by which run is not recorded.")
    began = f"run {run.run_id}, which began {moment(run.started_at)}"
    return Event(at, f"It was put by {began}{made}.")


def now_event(history: History) -> Event:
    """Return where an item is now, since when and why, as far as that is recorded."""
    found = history.point.found
    at = found.ended.at if found.ended is not None else None
    return Event(at, _NOW[found.state](history))


def _is_done(history: History) -> str:
    return f"It is done{_in_run(history)}."


def _is_dropped(history: History) -> str:
    reason = masked_text(history.point.found.reason)
    by_hand = any(it.item_id == history.point.item_id for it in history.by_hand if _ends(it))
    dropped = "It is dropped, by hand" if by_hand else f"Its handler dropped it{_in_run(history)}"
    return f"{dropped}: {reason}" if reason else f"{dropped}."


def _ends(handled: Handled) -> bool:
    return handled.deed is not Deed.RETRIED


def _in_run(history: History) -> str:
    ended = history.point.found.ended
    return "" if ended is None or ended.run_id is None else f", in run {ended.run_id}"


def _is_parked(history: History) -> str:
    counted = [it for it in history.attempts if _counts(it)]
    times = "once" if len(counted) == 1 else f"{len(counted)} times"
    last = f", last by {counted[-1].failure.type}" if counted else ""
    return f"It is parked as failed: it has failed {times}{last}, which used up its attempts."


def _is_outstanding(history: History) -> str:
    if history.holder:
        return f"It is outstanding: process {history.holder} works on it at this moment."
    if history.running:
        return "It is outstanding: a run is at work, and it waits or is in a worker's hands."
    what = "is tried again" if history.attempts else "is worked on"
    return f"It is outstanding: it {what} when the load is resumed."


_NOW = {
    ItemState.DONE: _is_done,
    ItemState.DROPPED: _is_dropped,
    ItemState.PARKED: _is_parked,
    ItemState.OUTSTANDING: _is_outstanding,
}


def _counts(attempt: Attempt) -> bool:
    return not attempt.forgiven and attempt.failure.kind.counts


def _ended(attempt: Attempt, numbers: Iterator[int]) -> str:
    """Return how an attempt has ended; those that failed have numbers."""
    failure = attempt.failure
    if failure.kind is FailureKind.DEFERRED:
        last = f", last in run {attempt.run_id}" if attempt.run_id is not None else ""
        return f"Its handler has put it off{last}: {_cause(failure)}"
    by = f" of run {attempt.run_id}" if attempt.run_id is not None else ""
    return f"Attempt {next(numbers)}{by} failed: {_cause(failure)}"


def _cause(failure: Failure) -> str:
    match failure.kind:
        case FailureKind.EXCEPTION | FailureKind.DEFERRED:
            return f"the handler raised {error_in_words(failure)}"
        case FailureKind.TIMEOUT:
            return f"it took too long, and its worker was killed{_process(failure)}."
        case FailureKind.SUSPECT if not failure.pid:
            several = "for several items, this one among them,"
            return f"{several} the handler raised {error_in_words(failure)}"
        case FailureKind.SUSPECT:
            died = "its worker died with several items in hand, this one among them"
            return f"{died}{_process(failure)}."
        case FailureKind.CRASH:
            return f"its worker {_death(failure)}{_process(failure)}."


def _death(failure: Failure) -> str:
    if failure.signal is not None:
        return f"was killed by {_signal(failure.signal)}"
    if failure.exit_code is not None:
        return f"ended with exit code {failure.exit_code}"
    return "died"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _process(failure: Failure) -> str:
    parts = [f"process {failure.pid}"] if failure.pid else []
    if failure.peak_rss is not None:
        parts.append(f"{sized(failure.peak_rss)} of memory at most")
    text = f" ({', '.join(parts)})" if parts else ""
    return (
        f"{text}, most likely by the kernel because memory ran out"
        if failure.out_of_memory
        else text
    )


def _row(event: Event) -> tuple[str, str]:
    return moment(event.at) if event.at is not None else "", event.text


def _as_object(history: History, events: list[Event]) -> dict[str, Any]:
    point = history.point
    assert point.view.load is not None, "an item has a load"
    return {
        "name": history.names.full(point.item_id),
        "id": point.item_id,
        "journal": point.view.path,
        "load": point.view.load.load_id,
        "state": point.found.state.value,
        "history": [
            {"at": event.at.isoformat() if event.at is not None else None, "text": event.text}
            for event in events
        ],
    }


def _uuid_of(key: str) -> str:
    return key.partition("-")[0]
