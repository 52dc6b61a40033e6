"""``persistq import-pympx``: the journals of a PyMPX queue become a load of a journal."""

from __future__ import annotations

import codecs
import sys
from pathlib import Path
from typing import Any

import click

from persistq.cli.options import journal_option, json_option
from persistq.cli.output import note, write_json, write_lines
from persistq.errors import UsageError
from persistq.text.terminal import printable


@click.command("import-pympx", short_help="Carry on what a PyMPX queue has left.")
@click.argument("prefix")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--name", help="Name of the load.  [default: PREFIX]")
@click.option(
    "--encoding", default="utf-8", show_default=True, help="How the old program wrote its journals."
)
@json_option
@journal_option
def command(
    *,
    prefix: str,
    directory: Path,
    name: str | None,
    encoding: str,
    as_json: bool,
    journal: str | None,
) -> None:
    """Make a load of the journals of a PyMPX PersistentQueue.

    PREFIX and DIRECTORY are the queue's pickup_file_prefix and current_pickup_dir. What its
    journals say was requested is put, in order; what they say was completed is done. The rest is
    outstanding: change the program to `persistq.PersistentQueue(NAME)`, and start it. The old files
    stay as they are.

    \b
    Example:
      $ persistq import-pympx orders pickup
    """  # noqa: D301 - \b is click's mark for lines to keep
    _require_known(encoding)
    name = prefix if name is None else name
    figures = _import(name, directory, prefix, encoding, journal)
    if as_json:
        write_json(figures)
        return
    _tell(figures)


def _require_known(encoding: str) -> None:
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise UsageError(f"--encoding {encoding}: Python knows no encoding of this name") from None


def _import(
    name: str, directory: Path, prefix: str, encoding: str, journal: str | None
) -> dict[str, Any]:
    from persistq import origin
    from persistq.broker.beginning import begin_load
    from persistq.codec import ItemCodec
    from persistq.imports.pympx import read
    from persistq.journal.run import Command
    from persistq.settings import load_settings
    from persistq.site.finding import catalogue_of
    from persistq.site.processes import this_process

    settings = load_settings(journal=journal)
    path = catalogue_of(origin.absolute(settings.journal)).site(name).journal
    found = read(directory, prefix, encoding)
    codec = ItemCodec("auto", item_bytes_max=settings.item_bytes_max)
    load_id = begin_load(
        Path(path),
        name,
        codec.encode_many(found.messages),
        found.done,
        Command(sys.executable, tuple(origin.argv()), origin.cwd, this_process()),
        fence_timeout=settings.fence_timeout,
    )
    return {
        "name": name,
        "load": load_id,
        "journal": path,
        "files": len(found.files),
        "items": len(found.messages),
        "done": sum(found.done),
        "outstanding": len(found.messages) - sum(found.done),
        "torn_lines": found.torn,
        "completed_without_request": found.unrequested,
    }


def _tell(figures: dict[str, Any]) -> None:
    name = printable(figures["name"])
    if torn := figures["torn_lines"]:
        note(f"left out: {torn:,} times a last line without an end, whose process died writing it")
    if unrequested := figures["completed_without_request"]:
        note(f"left out: {unrequested:,} times a completion of what is requested nowhere here")
    counts = f"{figures['done']:,} done and {figures['outstanding']:,} outstanding"
    has = f"has {figures['items']:,} items of {figures['files']:,} files, {counts}"
    how = f"work on them with persistq.PersistentQueue({name!r})"
    write_lines([f"{name}: load {figures['load']} {has}", how])
