"""``persistq report``: what became of a load, as one page, or as its figures."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from persistq.cli.choosing import directory_of, reader_of
from persistq.cli.options import journal_option, json_option, load_option, name_argument
from persistq.cli.output import note, write_raw
from persistq.cli.standing import next_command, parked_command, sized, standing_of
from persistq.errors import UsageError

if TYPE_CHECKING:
    from persistq.report.figures import Figures

_STANDARD_OUTPUT = "-"


@click.command("report", short_help="Write what became of a load as one page of HTML.")
@name_argument
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Where to write it; - is standard output.  [default: NAME-report.html]",
)
@load_option
@json_option
@journal_option
def command(
    *, name: str | None, output: str | None, load: int | None, as_json: bool, journal: str | None
) -> None:
    """Write a page about one load: what came of it, throughput and memory over time, durations,
    failures with an example of each kind, the slowest items, and its processes.

    NAME is the load's name; without it, the load on which a run started last. The page is one file
    that needs no network, and may be sent to others: secrets are masked, payloads are not. --json
    writes the same figures to standard output. A run may be at work.

    \b
    Example:
      $ persistq report sales -o sales.html
    """  # noqa: D205, D301 - \b is click's mark for lines to keep
    from persistq.report.figures import encoded

    if as_json and output not in {None, _STANDARD_OUTPUT}:
        raise click.UsageError("--json writes to standard output: -o is for the page.")
    figures = figures_of(name, load, journal)
    note(f"{figures.name}, load {figures.load}, {figures.state}; journal {figures.journal}")
    if as_json:
        write_raw(encoded(figures) + b"\n")
    else:
        _write_page(figures, output)


def figures_of(name: str | None, load: int | None, journal: str | None) -> Figures:
    """Read the figures of a load.

    Args:
        name: The load's name; None is the one that ran last.
        load: Its number; None is the one that commands show by themselves.
        journal: The directory as it was typed, to be repeated.

    Raises:
        UsageError: The journal has no such load, or none yet.
    """
    from persistq.report.gathering import Gathering, Situation

    with reader_of(directory_of(journal, name), name) as reader, reader.snapshot():
        view = reader.view(load)
        if view.load is None:
            raise UsageError(f"{view.name!r} has no load yet: there is nothing to report")
        standing = standing_of(view)
        named = load is not None
        situation = Situation(
            datetime.now(UTC),
            standing.state,
            next_command(standing, journal, named=named),
            parked_command(standing, journal, named=named),
        )
        return Gathering(reader, view, view.load, situation).figures()


def _write_page(figures: Figures, output: str | None) -> None:
    from persistq.report.file import require_free, write_page
    from persistq.report.page import page_of

    if output == _STANDARD_OUTPUT:
        write_raw(page_of(figures).encode())
        return
    path = Path(output if output is not None else f"{figures.name}-report.html")
    require_free(path)
    write_page(path, page_of(figures))
    note(f"written to {path}, {sized(path.stat().st_size)}")
