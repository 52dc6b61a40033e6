"""``persistq drop``: have parked items need no work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from persistq.cli.amending import choice_options, chosen, hand_on, introduce, show_plan
from persistq.cli.choosing import directory_of, reader_of
from persistq.cli.output import note
from persistq.items import ranges_of

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command("drop", short_help="Drop items that are parked as failed, for good.")
@click.option("--reason", default="", metavar="TEXT", help="Why, for whoever asks later.")
@choice_options
def command(
    *,
    items: Sequence[str],
    reason: str,
    stage: str | None,
    error: str | None,
    everything: bool,
    dry_run: bool,
    load: int | None,
    name: str | None,
    journal: str | None,
) -> None:
    """Drop items that are parked as failed: they are never worked on again.

    They stay in the journal, with the reason and what has happened to them.

    \b
    Example:
      $ persistq drop clean:2 --reason duplicate --name sales --dry-run
    """  # noqa: D301 - \b is click's mark for lines to keep
    with reader_of(directory_of(journal, name), name) as reader:
        choice = chosen(reader, items, stage=stage, error=error, everything=everything, load=load)
        introduce(choice)
        if dry_run:
            show_plan(reader, choice, "dropped")
            return
        if not choice.item_ids:
            note("nothing is parked as failed that fits")
            return
        with hand_on(choice) as hand:
            count = hand.discard(ranges_of(choice.item_ids), reason)
    note(f"{count:,} {'item is' if count == 1 else 'items are'} dropped")
