"""``persistq retry``: put parked items back to work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from persistq.cli.amending import choice_options, chosen, hand_on, introduce, show_plan
from persistq.cli.choosing import directory_of, reader_of
from persistq.cli.output import note
from persistq.cli.standing import next_command, standing_of
from persistq.items import ranges_of

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command("retry", short_help="Put items that are parked as failed back to work.")
@choice_options
def command(
    *,
    items: Sequence[str],
    stage: str | None,
    error: str | None,
    everything: bool,
    dry_run: bool,
    load: int | None,
    name: str | None,
    journal: str | None,
) -> None:
    """Put items that are parked as failed back to work; their failures count no more.

    A run that is at work takes them at once. Otherwise they are outstanding until the load is
    resumed, and no run is recorded.

    \b
    Example:
      $ persistq retry clean:2 --name sales --dry-run
      $ persistq retry --error ValueError --name sales --dry-run
    """  # noqa: D301 - \b is click's mark for lines to keep
    with reader_of(directory_of(journal, name), name) as reader:
        choice = chosen(reader, items, stage=stage, error=error, everything=everything, load=load)
        introduce(choice)
        if dry_run:
            show_plan(reader, choice, "retried")
            return
        if not choice.item_ids:
            note("nothing is parked as failed that fits")
            return
        with hand_on(choice) as hand:
            count = hand.retry(ranges_of(choice.item_ids))
        standing = standing_of(reader.view(choice.load_id))
    following = next_command(standing, journal, named=load is not None)
    one = count == 1
    takes = f"a run takes {'it' if one else 'them'}"
    when = takes if standing.running else f"next: {following}"
    note(f"{count:,} {'item is' if one else 'items are'} outstanding again; {when}")
