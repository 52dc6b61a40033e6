"""``persistq show``: one item with its payload, its attempts and the last traceback."""

from __future__ import annotations

import json
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
from persistq.cli.output import Column, Failing, note, write_json, write_lines, write_table
from persistq.cli.pointing import Names, Pointed, item_object, names_in, pointed
from persistq.cli.standing import moment
from persistq.journal.reader import ItemState
from persistq.text.masking import masked_text
from persistq.text.payloads import in_brief, shown
from persistq.text.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from persistq.items import Failure
    from persistq.journal.batch import Line
    from persistq.journal.reader import Attempt, JournalReader
    from persistq.keys import ItemKeys

_ATTEMPTS = (
    Column("attempt", right=True),
    Column("failed at"),
    Column("run", right=True),
    Column("pid", right=True),
    Column("error", wrap=True),
)


class Card(NamedTuple):
    """All that is shown of one item.

    Attributes:
        point: The item.
        names: What the items of its load are called.
        keys: What makes the keys of its stage.
        attempts: Its failed attempts, oldest first.
        printed: What its handler has printed, in all attempts.
    """

    point: Pointed
    names: Names
    keys: ItemKeys
    attempts: list[Attempt]
    printed: list[Line]


@click.command("show", short_help="Show one item, its attempts and the last traceback.")
@item_argument
@name_option
@load_option
@json_option
@journal_option
def command(
    *, item: str, name: str | None, load: int | None, as_json: bool, journal: str | None
) -> None:
    """Show one item: what was put, where it is, each failed attempt, and the last traceback.

    ITEM is its stage and its number there, as other commands show it: clean:6, or clean:6@3 in
    load 3; or the long number that JSON has. Pickles are described and never loaded; secrets are
    masked.

    \b
    Example:
      $ persistq show clean:2 --name sales
    """  # noqa: D301 - \b is click's mark for lines to keep
    with reader_of(directory_of(journal, name), name) as reader:
        card = card_of(reader, item, load)
    note(f"{card.point.view.name}; journal {card.point.view.path}")
    if as_json:
        write_json(_as_object(card))
    else:
        _write(card)


def card_of(reader: JournalReader, item: str, load: int | None) -> Card:
    """Return all that is shown of the item that was typed.

    Raises:
        UsageError: There is no such item.
    """
    point = pointed(reader, item, load)
    names = names_in(reader, point.view)
    keys = reader.keys(point.queue.queue_id)
    attempts, printed = reader.attempts(point.item_id), reader.printed(point.item_id)
    return Card(point, names, keys, attempts, printed)


def _write(card: Card) -> None:
    write_table((Column(""), Column("", wrap=True)), [*_facts(card)], titles=False)
    write_lines(["", *map(printable, _payload(card))])
    if card.attempts:
        write_lines([""])
        rows = [_attempt_row(number, it) for number, it in enumerate(card.attempts, 1)]
        write_table(_ATTEMPTS, rows)
    text = masked_text(card.attempts[-1].failure.traceback).rstrip() if card.attempts else ""
    if text:
        write_lines(["", *map(printable, text.splitlines())])
    if card.printed:
        lines = [printable(masked_text(line.text)) for line in card.printed]
        write_lines(["", "printed:", *(f"  {line}".rstrip() for line in lines)])


def _facts(card: Card) -> Iterator[tuple[str, str]]:
    point = card.point
    assert point.view.load is not None, "an item has a load"
    yield "item:", card.names.of(point.item_id)
    yield "load:", f"{point.view.load.load_id}, {point.view.load.state}"
    yield "state:", _state(card)
    yield "key:", card.keys.of(point.item_id)
    yield "bytes:", f"{len(point.found.item.payload):,}"


def _state(card: Card) -> str:
    found = card.point.found
    if found.state is ItemState.PARKED:
        return Failing(f"parked as failed, attempts: {len(card.attempts)}")
    if found.reason:
        return f"{found.state}: {masked_text(found.reason)}"
    return found.state.value


def _payload(card: Card) -> Iterator[str]:
    item = card.point.found.item
    seen = shown(item.codec, item.payload)
    if seen.pickle or seen.damaged:
        yield in_brief(item.codec, item.payload)
    else:
        yield from json.dumps(seen.value, ensure_ascii=False, indent=2).splitlines()


def _attempt_row(number: int, attempt: Attempt) -> tuple[str, ...]:
    failure = attempt.failure
    run = str(attempt.run_id) if attempt.run_id is not None else "-"
    pid = str(failure.pid) if failure.pid else "-"
    forgiven = " (retried by hand since)" if attempt.forgiven else ""
    text = Failing(f"{error_in_words(failure)}{forgiven}")
    return str(number), moment(attempt.at), run, pid, text


def error_in_words(failure: Failure) -> str:
    """Return what went wrong in an attempt, such as ``ValueError: no such day``."""
    text = f"{failure.type}: {failure.message}" if failure.message else failure.type
    return masked_text(text)


def _as_object(card: Card) -> dict[str, Any]:
    point = card.point
    assert point.view.load is not None, "an item has a load"
    return item_object(point.found.item, card.names, card.keys) | {
        "journal": point.view.path,
        "load": point.view.load.load_id,
        "state": point.found.state.value,
        "reason": masked_text(point.found.reason) or None,
        "attempts": [*map(attempt_object, card.attempts)],
        "printed": [
            {"stream": _STREAMS[line.stream], "text": masked_text(line.text)}
            for line in card.printed
        ],
    }


_STREAMS = {1: "stdout", 2: "stderr"}


def attempt_object(attempt: Attempt) -> dict[str, Any]:
    """Return a failed attempt for programs."""
    failure = attempt.failure
    return {
        "at": attempt.at.isoformat(),
        "run": attempt.run_id,
        "kind": failure.kind.value,
        "type": failure.type,
        "message": masked_text(failure.message),
        "traceback": masked_text(failure.traceback),
        "pid": failure.pid or None,
        "signal": failure.signal,
        "exit_code": failure.exit_code,
        "peak_rss": failure.peak_rss,
        "out_of_memory": failure.out_of_memory,
        "forgiven": attempt.forgiven,
        "counted": failure.kind.counts and not attempt.forgiven,
    }
