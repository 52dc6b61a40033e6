"""``persistq metrics``: what Prometheus reads, of journals of a directory, and of folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from persistq.cli.choosing import directory_of, reader_of, require_any
from persistq.cli.options import journal_option
from persistq.cli.output import note, write_lines
from persistq.errors import JournalError, JournalMissing
from persistq.site.finding import catalogue_of

if TYPE_CHECKING:
    from persistq.site.base import Site


@click.command("metrics", short_help="Write metrics for Prometheus.")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Replace this file, as the node exporter's textfile collector wants it.",
)
@journal_option
def command(*, names: tuple[str, ...], output: Path | None, journal: str | None) -> None:
    """Write metrics of all journals of the directory, or of those with a name, for Prometheus.

    Without a name, folders that are queues are told of too, as in `persistq list`.
    They are in its text format. A file is replaced at one stroke, so it is whole whenever it is
    read; call this from cron or a timer. A journal that cannot be read is told by the metric
    persistq_journal_readable. Needs: pip install 'persistq[metrics]'.

    \b
    Example:
      $ persistq metrics
      $ persistq metrics sales -o persistq.prom
    """  # noqa: D301 - \b is click's mark for lines to keep
    from persistq.folder.finding import folders_of
    from persistq.metrics.exposition import exposition, replace

    directory = directory_of(journal, names[0] if names else None)
    folders = [] if names else folders_of(directory)
    if not folders:
        _require_there(directory, names)
    text = exposition(_sites(directory, names), folders)
    if output is None:
        write_lines(text.splitlines())
        return
    try:
        replace(output, text)
    except OSError as error:
        raise click.FileError(str(output), error.strerror) from error
    note(f"{output} is written; journals in {directory}")


def _require_there(directory: Path, names: tuple[str, ...]) -> None:
    require_any(directory)
    for name in names:
        try:
            reader_of(directory, name).close()
        except JournalMissing:
            raise
        except JournalError:
            # That it cannot be read is what a metric says.
            continue


def _sites(directory: Path, names: tuple[str, ...]) -> list[Site]:
    catalogue = catalogue_of(directory)
    return [catalogue.site(name) for name in names] or [*catalogue.sites()]
