"""``persistq drop``: have parked items need no work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from persistq.cli.amending import choice_options, chosen, introduce
from persistq.cli.choosing import directory_of, reader_of
from persistq.cli.deeds import NOTHING_FITS, dropped
from persistq.cli.output import note, write_json
from persistq.cli.plan import head, samples, show_plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persistq.cli.amending import Choice


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
    as_json: bool,
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
        shown = samples(reader, choice) if as_json else []
        if dry_run and not as_json:
            show_plan(reader, choice, "dropped")
        count = len(choice.item_ids) if dry_run else _dropped(choice, reason)
    if as_json:
        write_json(head(choice, dry_run=dry_run) | {"count": count, "samples": shown})


def _dropped(choice: Choice, reason: str) -> int:
    if not choice.item_ids:
        note(NOTHING_FITS)
        return 0
    deed = dropped(choice, reason)
    note(deed.sentence)
    return deed.changed
