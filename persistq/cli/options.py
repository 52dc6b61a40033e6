"""What several commands take."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from persistq.errors import PersistqError


def _names(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from persistq.cli.choosing import directory_of
    from persistq.site.finding import catalogue_of

    try:
        directory = directory_of(ctx.params.get("journal"))
    except PersistqError:
        return []
    names = (site.name for site in catalogue_of(directory).sites())
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


journal_option = click.option(
    "--journal",
    metavar="DIR",
    help="Directory of the journals.  [env: PERSISTQ_JOURNAL; default: .persistq]",
)

name_argument = click.argument("name", required=False, shell_complete=_names)

load_option = click.option(
    "--load",
    type=click.IntRange(min=1),
    metavar="N",
    help="Another load than the unfinished or last one, by its number.",
)

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Write JSON, one object on each line."
)
