"""``persistq retry``: put parked items back to work, all at once or a sample before the rest."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from persistq.cli.amending import choice_options, chosen, introduce
from persistq.cli.choosing import directory_of, reader_of
from persistq.cli.deeds import NOTHING_FITS, Asked, retried
from persistq.cli.output import note, write_json
from persistq.cli.plan import counted, head, samples, show_plan
from persistq.cli.standing import standing_of
from persistq.errors import ItemsFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persistq.cli.amending import Choice
    from persistq.cli.sampling import Tried
    from persistq.journal.reader import JournalReader


class Wish(NamedTuple):
    """How items are to be retried.

    Attributes:
        dry_run: Whether nothing is changed.
        sample: How many are tried before the others; None for none.
        yes: Whether the others follow without a question, if all of the sample end well.
        as_json: Whether a program reads what is written.
        journal: The directory as it was typed.
        named: Whether the load was asked for by its number.
    """

    dry_run: bool
    sample: int | None
    yes: bool
    as_json: bool
    journal: str | None
    named: bool


class Result(NamedTuple):
    """What was done.

    Attributes:
        retried: How many items were retried, those of the sample too.
        left: How many stay parked for the sample's sake.
        tried: The sample.
    """

    retried: int
    left: int = 0
    tried: Sequence[Tried] = ()

    @property
    def exit_code(self) -> int:
        """6 if the sample says that it is not mended."""
        return ItemsFailed.exit_code if not all(it.well for it in self.tried) else 0


@click.command("retry", short_help="Put items that are parked as failed back to work.")
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    metavar="N",
    help="Try N of them, show how they end, and ask before the rest.",
)
@click.option("--yes", is_flag=True, help="With --sample: do not ask; go on if all N end well.")
@choice_options
def command(
    *,
    items: Sequence[str],
    stage: str | None,
    error: str | None,
    everything: bool,
    load: int | None,
    name: str | None,
    journal: str | None,
    **how: Any,
) -> int:
    """Put items that are parked as failed back to work; their failures count no more.

    A run that is at work takes them at once. Otherwise they are outstanding until the load is
    resumed, and no run is recorded; but --sample starts one then, and ends it when the N items
    have ended. Exits with 6 if one of these has failed again.

    \b
    Example:
      $ persistq retry clean:2 --name sales --dry-run
      $ persistq retry --all --sample 5 --name sales --dry-run
    """  # noqa: D301 - \b is click's mark for lines to keep
    wish = Wish(**how, journal=journal, named=load is not None)
    if wish.yes and wish.sample is None:
        raise click.UsageError("--yes answers the question of --sample: give that too.")
    with reader_of(directory_of(journal, name), name) as reader:
        choice = chosen(reader, items, stage=stage, error=error, everything=everything, load=load)
        introduce(choice)
        shown = samples(reader, choice) if wish.as_json else []
        result = _carry_out(reader, choice, wish)
        standing = standing_of(reader.view(choice.load_id))
    if wish.as_json:
        write_json(_as_object(choice, wish, result, shown, running=standing.running))
    return result.exit_code


def _carry_out(reader: JournalReader, choice: Choice, wish: Wish) -> Result:
    if wish.dry_run:
        if not wish.as_json:
            show_plan(reader, choice, "retried")
        return Result(len(choice.item_ids))
    if not choice.item_ids:
        note(NOTHING_FITS)
        return Result(0)
    if wish.sample is None:
        return Result(_retry(reader, choice, wish, choice.item_ids))
    return _sampled(reader, choice, wish, wish.sample)


def _retry(reader: JournalReader, choice: Choice, wish: Wish, item_ids: Sequence[int]) -> int:
    deed = retried(reader, choice, item_ids, Asked(wish.journal, wish.named))
    note(deed.sentence)
    return deed.changed


def _sampled(reader: JournalReader, choice: Choice, wish: Wish, size: int) -> Result:
    from persistq.cli.sampling import show_tried, spread, try_out

    first = spread(choice.item_ids, size)
    note(f"trying {len(first)} of {counted(len(choice.item_ids))}")
    tried = try_out(reader, choice, first)
    if not wish.as_json:
        show_tried(choice, tried)
    rest = sorted({*choice.item_ids} - {*first})
    if rest and _goes_on(wish, tried, len(rest)):
        return Result(len(first) + _retry(reader, choice, wish, rest), 0, tried)
    return Result(len(first), len(rest), tried)


def _goes_on(wish: Wish, tried: Sequence[Tried], count: int) -> bool:
    """Return whether the rest is retried, too; if not, say why."""
    bad = sum(not it.well for it in tried)
    stay = f"the other {count:,} {'stays' if count == 1 else 'stay'} parked"
    if wish.yes:
        if bad:
            note(f"{stay}, because {bad} of {len(tried)} did not end well")
        return not bad
    if wish.as_json or not sys.stdin.isatty():
        note(f"{stay}: nobody can be asked here; --yes retries them if all of the sample end well")
        return False
    agreed = click.confirm(f"retry the other {count:,}?", default=not bad, err=True)
    if not agreed:
        note(stay)
    return agreed


def _as_object(
    choice: Choice, wish: Wish, result: Result, shown: list[dict[str, Any]], *, running: bool
) -> dict[str, Any]:
    from persistq.cli.sampling import tried_object

    return head(choice, dry_run=wish.dry_run) | {
        "count": result.retried,
        "left": result.left,
        "running": running,
        "samples": shown,
        "tried": [tried_object(choice, it) for it in result.tried],
    }
