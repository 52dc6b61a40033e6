"""``persistq edit``: put a changed item for one that is parked."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from persistq.cli.amending import chosen, introduce
from persistq.cli.choosing import directory_of, reader_of
from persistq.cli.deeds import Asked, edited, replaced
from persistq.cli.editor import Draft
from persistq.cli.fitting import fitting_of
from persistq.cli.options import (
    item_argument,
    journal_option,
    json_option,
    load_option,
    name_option,
)
from persistq.cli.output import note, write_json, write_lines
from persistq.cli.plan import head
from persistq.errors import ItemNotStorable, UsageError
from persistq.text.payloads import JSON, in_brief, shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import IO

    from persistq.blocks import Block
    from persistq.cli.amending import Choice
    from persistq.items import Item

_SHOWN: Final = 60
_RESULT_SHOWN: Final = 10_000


@click.command("edit", short_help="Put a changed item for one that is parked as failed.")
@item_argument
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Change one field; a value is JSON, or else text.",
)
@click.option(
    "--file",
    type=click.File("rb"),
    metavar="FILE",
    help="Take all of the item from a file, as JSON; - is standard input.",
)
@click.option(
    "--program",
    metavar="TARGET",
    help="Check the item by this program: module:name or path/to/script.py:name, as for run."
    "  [default: that of the last run, if persistq run was given one]",
)
@click.option("--reason", default="", metavar="TEXT", help="Why, for whoever asks later.")
@click.option("--dry-run", is_flag=True, help="Show the changed item, and change nothing.")
@name_option
@load_option
@json_option
@journal_option
def command(
    *,
    item: str,
    changes: Sequence[str],
    file: IO[bytes] | None,
    program: str | None,
    reason: str,
    dry_run: bool,
    name: str | None,
    load: int | None,
    as_json: bool,
    journal: str | None,
) -> None:
    """Drop an item that is parked as failed, and put a changed one for it, in one transaction.

    The new one is at the end of the same stage. Only items that are JSON can be edited; without
    --set and --file your editor ($VISUAL, or else $EDITOR) opens, in a file that only you can
    read. If nothing is changed there, nothing is done. What the annotation of the stage's handler
    does not allow is refused, where the program is known.

    \b
    Example:
      $ persistq edit clean:2 --set n=3 --name sales --dry-run
    """  # noqa: D301 - \b is click's mark for lines to keep
    if changes and file is not None:
        raise click.UsageError("--set changes fields, --file replaces all: give one of them.")
    with reader_of(directory_of(journal, name), name) as reader:
        choice = chosen(reader, [item], stage=None, error=None, everything=False, load=load)
        [item_id] = choice.item_ids
        before = next(reader.items(item_id, item_id)).item
    introduce(choice)
    old = value_of(before, item)
    fit = fitting_of(choice, directory_of(journal, name), program)

    def fitted(block: Block) -> Block:
        return block if block.data == block_with(old).data else fit(block)

    with ExitStack() as editing:
        if changes:
            block = fitted(block_with(_changed(old, changes, item)))
        elif file is not None:
            block = fitted(block_in(file.read()))
        else:
            draft = Draft(json.dumps(old, ensure_ascii=False, indent=2) + "\n", ".json")
            block = editing.enter_context(draft).edited(lambda text: fitted(block_in(text)))
        same = block.data == block_with(old).data
        made = 0 if same or dry_run else replaced(choice, block, reason)
    if made:
        with reader_of(directory_of(journal, name), name) as reader:
            note(edited(reader, choice, made, Asked(journal, load is not None)).sentence)
    elif same:
        note("nothing is changed")
    elif dry_run:
        note(f"an item would be put for {choice.names.of(item_id)}; nothing is changed")
    if as_json:
        write_json(_as_object(choice, block, made, dry_run=dry_run, count=int(not same)))
    elif dry_run:
        write_lines([in_brief(block.codec, block.data, _RESULT_SHOWN)])


def value_of(item: Item, typed: str) -> Any:
    """Return what an item is, to be edited.

    Raises:
        UsageError: It is no JSON.
    """
    if item.codec != JSON:
        described = in_brief(item.codec, item.payload, _SHOWN)
        raise UsageError(f"{typed} cannot be edited: it is no JSON, but {described}")
    return msgspec.json.decode(item.payload)


def _changed(old: Any, changes: Sequence[str], typed: str) -> Any:
    if not isinstance(old, dict):
        raise UsageError(f"{typed} has no fields to set: leave out --set, and an editor opens")
    new = dict(old)
    for change in changes:
        field, equals, text = change.partition("=")
        if not equals or field not in old:
            there = ", ".join(old) or "none"
            raise UsageError(
                f"--set {change!r} names no field of {typed}, as in day=5; its fields are: {there}"
            )
        new[field] = _json_or_text(text)
    return new


def _json_or_text(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return text


def block_in(text: bytes) -> Block:
    """Return what a text in JSON says, as one item.

    Raises:
        UsageError: It is no JSON, or no item.
    """
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"nothing was changed, this is no JSON: {error}") from None
    return block_with(value)


def block_with(value: Any) -> Block:
    """Return a value as one item, as a program would put it.

    Raises:
        UsageError: It cannot be one.
    """
    from persistq.codec import ItemCodec

    try:
        [block] = ItemCodec("json").encode_many([value])
    except ItemNotStorable as error:
        raise UsageError(f"nothing was changed: {error}") from None
    return block


def _as_object(
    choice: Choice, block: Block, made: int, *, dry_run: bool, count: int
) -> dict[str, Any]:
    [item_id] = choice.item_ids
    seen = shown(block.codec, block.data)
    return head(choice, dry_run=dry_run) | {
        "count": count,
        "replaced": choice.names.full(item_id),
        "put": choice.names.full(made) if made else None,
        "id": made or None,
        "item": seen.value,
        "masked": seen.masked,
    }
