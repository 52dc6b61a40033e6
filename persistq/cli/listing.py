"""``persistq list``: every journal of the directory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from persistq.cli.choosing import (
    directory_of,
    elsewhere,
    every_view,
    last_activity,
    require_any,
)
from persistq.cli.options import journal_option, json_option
from persistq.cli.output import Column, note, on_terminal, write_fields, write_json, write_table
from persistq.cli.standing import Standing, brief, moment, standing_of
from persistq.errors import JournalError
from persistq.text.masking import masked_words

if TYPE_CHECKING:
    from pathlib import Path

_COLUMNS = (
    Column("name"),
    Column("load", right=True),
    Column("state"),
    Column("outstanding", right=True),
    Column("done", right=True),
    Column("parked", right=True),
    Column("last run"),
    Column("command"),
)


@click.command("list", short_help="List every journal with its latest load.")
@json_option
@journal_option
def command(*, as_json: bool, journal: str | None) -> None:
    """List every journal of the directory, with its latest load.

    Elsewhere than on a terminal: one line for each journal, with tabs between name, load, state,
    outstanding, done, parked, start of the last run, and command.
    """
    directory = directory_of(journal)
    if journal is not None and not directory.is_dir():
        require_any(directory)
    standings = _standings(directory)
    note(f"{_count(standings)} in {directory}")
    if not standings and (others := elsewhere(directory)):
        note(others)
    if as_json:
        write_json(map(_as_object, standings))
    elif not on_terminal():
        write_fields(_row(standing, "") for standing in standings)
    elif standings:
        write_table(_COLUMNS, [_row(standing, ",") for standing in standings])


def _standings(directory: Path) -> list[Standing]:
    standings = []
    for view in every_view(directory):
        if isinstance(view, JournalError):
            note(f"passed over: {view}")
        else:
            standings.append(standing_of(view))
    return standings


def _count(standings: list[Standing]) -> str:
    return {0: "no journals", 1: "1 journal"}.get(len(standings), f"{len(standings)} journals")


def _row(standing: Standing, comma: str) -> list[str]:
    view = standing.view
    counts = (view.outstanding, standing.done, view.parked)
    outstanding, done, parked = (format(count, comma) for count in counts)
    load = str(view.load.load_id) if view.load is not None else "-"
    typed = brief(view.run.command) if view.run is not None else "-"
    last = moment(last_activity(view))
    return [view.name, load, standing.state, outstanding, done, parked, last, typed]


def _as_object(standing: Standing) -> dict[str, Any]:
    view, run = standing.view, standing.view.run
    return {
        "name": view.name,
        "journal": view.path,
        "load": view.load.load_id if view.load is not None else None,
        "state": standing.state,
        "outstanding": view.outstanding,
        "done": standing.done,
        "dropped": standing.dropped,
        "parked": view.parked,
        "last_run": run.started_at.isoformat() if run is not None else None,
        "executable": run.command.executable if run is not None else None,
        "argv": masked_words(run.command.argv) if run is not None else None,
        "cwd": run.command.cwd if run is not None else None,
    }
