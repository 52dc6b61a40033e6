"""``persistq folder import-turbo``: what a turbo-queue has left becomes batch files of a folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from persistq.cli.options import json_option
from persistq.cli.output import note, write_json, write_lines
from persistq.text.terminal import printable

if TYPE_CHECKING:
    from persistq.imports.turbo import Figures

OUTSTANDING = 3
PARKED = 6


@click.command("import-turbo", short_help="Carry on what a turbo-queue has left.")
@click.argument("directory", type=click.Path(path_type=Path))
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only say what would be imported.")
@click.option("--skip-open", is_flag=True, help="Leave out files that a live process has open.")
@json_option
def command(*, directory: Path, path: Path, dry_run: bool, skip_open: bool, as_json: bool) -> int:
    """Make batch files in PATH of all rows that are left in the DIRECTORY of a turbo-queue.

    DIRECTORY is <root_path>/<queue_name>. Rows come from batches that wait and from those that
    crashed processes have left, in order; what a producer had not committed is not there any more.
    End the old programs first. The old files stay as they are, and what was imported before is not
    imported again, so this may be called again. Work on the rows with FolderQueue.rows(PATH).

    Exits with 3 if files were left out that are open, and with 6 if some, or some rows, cannot be
    read.

    \b
    Example:
      $ persistq folder import-turbo turbo/orders in
    """  # noqa: D301 - \b is click's mark for lines to keep
    from persistq.imports.turbo import import_turbo

    figures = import_turbo(directory, path, skip_open=skip_open, dry_run=dry_run)
    if as_json:
        write_json({"folder": str(path), "dry_run": dry_run, **asdict(figures)})
    else:
        _tell(figures, path, dry_run=dry_run)
    return _exit_code(figures)


def _exit_code(figures: Figures) -> int:
    if figures.open:
        return OUTSTANDING
    return PARKED if figures.problems else 0


def _tell(figures: Figures, path: Path, *, dry_run: bool) -> None:
    for problem in figures.problems:
        note(problem)
    for name in figures.open:
        note(f"left out: {name}, which a process has open: import again when it has ended")
    if figures.others:
        note(f"left alone: {len(figures.others):,} times what is no batch of turbo-queue")
    if figures.empty:
        note(f"without rows: {figures.empty:,} times a batch of which nothing was committed")
    write_lines(_sentences(figures, printable(str(path)), dry_run=dry_run))


def _sentences(figures: Figures, folder: str, *, dry_run: bool) -> list[str]:
    would = "would get" if dry_run else "has got"
    got = f"{folder}: {would} {figures.rows:,} rows of {figures.imported:,} files"
    before = f"; {figures.before:,} were imported before" if figures.before else ""
    return [got + before, f"work on them with persistq.FolderQueue.rows({folder!r})"]
