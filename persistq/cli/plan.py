"""What a command that changes items would do, or has done: for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from persistq.cli.output import Column, note, on_terminal, write_fields, write_table
from persistq.cli.pointing import item_object
from persistq.cli.standing import next_command, standing_of
from persistq.items import queue_of
from persistq.text.payloads import in_brief

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from persistq.cli.amending import Choice
    from persistq.items import Item
    from persistq.journal.reader import JournalReader

SAMPLES: Final = 10
"""How many items are shown of those that are changed."""

_ITEM_WIDTH: Final = 100
_COLUMNS: Final = (Column(""), Column(""))


def counted(count: int, what: str = "item") -> str:
    """Return how many, such as ``1 item`` or ``1,024 items``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def head(choice: Choice, *, dry_run: bool) -> dict[str, Any]:
    """Return what is true of all that a command changes, for programs."""
    return {
        "name": choice.view.name,
        "journal": choice.view.path,
        "load": choice.load_id,
        "dry_run": dry_run,
    }


def samples(reader: JournalReader, choice: Choice) -> list[dict[str, Any]]:
    """Return the first items of a choice, for programs."""
    return [
        item_object(item, choice.names, reader.keys(queue_of(item.item_id)))
        for item in _first(reader, choice)
    ]


def who_takes(
    reader: JournalReader, choice: Choice, count: int, journal: str | None, *, named: bool
) -> str:
    """Return who works on items that are outstanding now: a run, or one that is to be started.

    Args:
        reader: The journal.
        choice: Of which load they are.
        count: How many.
        journal: The directory as it was typed, to be repeated.
        named: Whether the load was asked for by its number, to be repeated.
    """
    standing = standing_of(reader.view(choice.load_id))
    if standing.running:
        return f"a run takes {'it' if count == 1 else 'them'}"
    return f"next: {next_command(standing, journal, named=named)}"


def show_plan(reader: JournalReader, choice: Choice, verb: str) -> None:
    """Say how many items would be changed, and show some of them."""
    note(f"{counted(len(choice.item_ids), 'parked item')} would be {verb}; nothing is changed")
    rows = [_row(choice, item) for item in _first(reader, choice)]
    if not on_terminal():
        write_fields(rows)
    elif rows:
        write_table(_COLUMNS, rows, titles=False)
    if len(choice.item_ids) > SAMPLES:
        note(f"these are the first {SAMPLES}")


def _first(reader: JournalReader, choice: Choice) -> Iterator[Item]:
    for item_id in choice.item_ids[:SAMPLES]:
        yield next(reader.items(item_id, item_id)).item


def _row(choice: Choice, item: Item) -> Sequence[str]:
    return choice.names.of(item.item_id), in_brief(item.codec, item.payload, _ITEM_WIDTH)
