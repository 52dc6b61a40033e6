"""``persistq edit``: put a changed item for one that is parked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

from persistq.cli.amending import chosen, hand_on, introduce
from persistq.cli.choosing import directory_of, reader_of
from persistq.cli.options import item_argument, journal_option, load_option, name_option
from persistq.cli.output import note, write_json
from persistq.errors import UsageError
from persistq.text.payloads import JSON, in_brief

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persistq.blocks import Block
    from persistq.items import Item

_SHOWN: Final = 60


@click.command("edit", short_help="Put a changed item for one that is parked as failed.")
@item_argument
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Change one field; a value is JSON, or else text. Without it an editor opens.",
)
@click.option("--reason", default="", metavar="TEXT", help="Why, for whoever asks later.")
@click.option("--dry-run", is_flag=True, help="Show the changed item, with secrets, and no more.")
@name_option
@load_option
@journal_option
def command(
    *,
    item: str,
    changes: Sequence[str],
    reason: str,
    dry_run: bool,
    name: str | None,
    load: int | None,
    journal: str | None,
) -> None:
    """Drop an item that is parked as failed, and put a changed one for it, in one transaction.

    The new one is at the end of the same stage. Only items that are JSON can be edited; without
    --set your editor opens, in a file that only you can read.

    \b
    Example:
      $ persistq edit clean:2 --set n=3 --name sales --dry-run
    """  # noqa: D301 - \b is click's mark for lines to keep
    with reader_of(directory_of(journal, name), name) as reader:
        choice = chosen(reader, [item], stage=None, error=None, everything=False, load=load)
        [item_id] = choice.item_ids
        before = next(reader.items(item_id, item_id)).item
    introduce(choice)
    old = _value(before, item)
    new = _changed(old, changes, item) if changes else _edited(old)
    if new == old:
        note("nothing is changed")
        return
    if dry_run:
        write_json({"item": new})
        return
    with hand_on(choice) as hand:
        made = hand.replace(item_id, _block(new), reason)
    if not made:
        raise UsageError(f"{item} is not parked any more, and nothing was changed")
    note(f"{choice.names.of(made)} is put for {choice.names.of(item_id)}, which is dropped")


def _value(item: Item, typed: str) -> Any:
    if item.codec != JSON:
        shown = in_brief(item.codec, item.payload, _SHOWN)
        raise UsageError(f"{typed} cannot be edited: it is no JSON, but {shown}")
    return json.loads(item.payload)


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
        new[field] = _parsed(text)
    return new


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _edited(old: Any) -> Any:
    text = click.edit(json.dumps(old, ensure_ascii=False, indent=2), extension=".json")
    if text is None:
        return old
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(f"what was edited is no JSON, and nothing was changed: {error}") from None


def _block(value: Any) -> Block:
    from persistq.codec import ItemCodec

    [block] = ItemCodec().encode_many([value])
    return block
