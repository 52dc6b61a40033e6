"""``persistq status``: one load in detail."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from persistq.cli.choosing import directory_of, reader_of
from persistq.cli.options import journal_option, json_option, load_option, name_argument
from persistq.cli.output import CLEAR_SCREEN, note, on_terminal, write_json, write_lines
from persistq.cli.report import Report, report_of
from persistq.cli.reportobject import object_of
from persistq.cli.reportpage import write_page

if TYPE_CHECKING:
    from collections.abc import Callable


@click.command("status", short_help="Show one load in detail, and what to type next.")
@name_argument
@click.option("--watch", is_flag=True, help="Show it again and again, until Ctrl-C.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="With --watch: time between two looks.",
)
@load_option
@json_option
@journal_option
def command(
    *,
    name: str | None,
    watch: bool,
    interval: float,
    load: int | None,
    as_json: bool,
    journal: str | None,
) -> None:
    """Show one load: its stages, its runs, its last failures, and what to type next.

    NAME is the load's name; without it, the load on which a run started last. Other loads of this
    name that have parked or outstanding items are listed; --load shows one of them. A terminal gets
    as much as fits on one screen.

    \b
    Example:
      $ persistq status sales
    """  # noqa: D301 - \b is click's mark for lines to keep

    def look() -> Report:
        with reader_of(directory_of(journal, name), name) as reader:
            return report_of(reader, journal, load)

    if watch:
        if as_json or not on_terminal():
            raise click.UsageError("--watch draws on a terminal: elsewhere, ask again.")
        _watch(look, interval, latest=name is None)
    elif as_json:
        report = look()
        note(f"journal {report.view.path}")
        write_json(object_of(report))
    else:
        write_page(look(), latest=name is None)


def _watch(look: Callable[[], Report], interval: float, *, latest: bool) -> None:
    """Draw until somebody interrupts it, which is how it ends and no failure."""
    with suppress(KeyboardInterrupt):
        while True:
            report = look()
            write_lines([CLEAR_SCREEN])
            write_page(report, latest=latest)
            time.sleep(interval)
