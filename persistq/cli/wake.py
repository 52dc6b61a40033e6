"""``persistq wake``: have the sources of a live run asked for items now."""

from __future__ import annotations

import click

from persistq.cli.choosing import directory_of, reader_of
from persistq.cli.options import journal_option, required_name
from persistq.cli.output import note
from persistq.cli.reaching import holder_of, reached
from persistq.errors import UsageError


@click.command("wake", short_help="Have the sources of a live run asked for items now.")
@required_name
@journal_option
def command(*, name: str, journal: str | None) -> None:
    """Have the sources of a live run asked for items now, and not when their pause is over.

    It is for whoever knows that there is more, such as a script that has just delivered files to a
    source with poll=True. A source whose queue is full is asked when there is room again.

    \b
    Example:
      $ persistq wake sales
    """  # noqa: D301 - \b is click's mark for lines to keep
    with reader_of(directory_of(journal, name), name) as reader:
        view = reader.view()
    if (holder := holder_of(view.path)) is None:
        raise UsageError(f"no run of {view.name!r} is at work here, so there is nobody to wake")
    from persistq.wire.messages import Wake

    with reached(view.name, view.path, holder) as (connection, _):
        woken = bool(connection.ask(Wake))
    if not woken:
        raise UsageError(f"{view.name!r} has no source that is asked for items (poll=True)")
    note(f"{view.name}: its sources are asked for items")
