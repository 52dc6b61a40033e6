"""``persistq events``: what happens in a journal, one line for each event."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Final, Literal

import click

from persistq.cli.choosing import directory_of, reader_of
from persistq.cli.options import form_option, journal_option, name_argument
from persistq.cli.output import Form, note, until_closed, write_document
from persistq.cli.standing import moment
from persistq.event import EventKind
from persistq.following import events_of
from persistq.site.finding import site_of
from persistq.text.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from persistq.event import Event

_OF_LOADS: Final = {EventKind.SETTLED, EventKind.ABANDONED}


@click.command("events", short_help="Show what happens: put, failed, parked, retried, settled.")
@name_argument
@click.option(
    "--after", type=click.IntRange(min=0), metavar="N", help="Those behind event N, the cursor."
)
@click.option("--new", is_flag=True, help="Only those that come from now on; with --follow.")
@click.option("--follow", is_flag=True, help="Wait for more, until Ctrl-C.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="With --follow: end after so long without an event.",
)
@form_option
@journal_option
def command(
    *,
    name: str | None,
    after: int | None,
    new: bool,
    follow: bool,
    timeout: float | None,
    form: Form,
    journal: str | None,
) -> None:
    """Show what happens in a journal, in the order of its commits: its events.

    NAME is the load's name; without it, the load on which a run started last. Each line has the
    number of an event, which is the cursor behind it, then its kind, its time, its items and its
    error, with tabs between. --jsonl writes each as it comes.

    \b
    Example:
      $ persistq events sales
      $ persistq events sales --after 7 --jsonl
      $ persistq events sales --new --follow --timeout 0.1
    """  # noqa: D301 - \b is click's mark for lines to keep
    _require_consistent(after, form, new=new, follow=follow, timed=timeout is not None)
    with reader_of(directory_of(journal, name), name) as reader:
        site = site_of(reader.path)
    note(f"{site.name}; journal {site.journal}")
    begin: int | Literal["now"] | None = "now" if new else after
    found = events_of(site, begin, follow=follow, timeout=timeout)
    if form is Form.JSON:
        head = {"name": site.name, "journal": site.journal}
        write_document(head, "events", (event.as_object() for event in found))
    else:
        _write(found, _as_json if form is Form.JSONL else _as_line)


def _require_consistent(
    after: int | None, form: Form, *, new: bool, follow: bool, timed: bool
) -> None:
    if after is not None and new:
        raise click.UsageError("--after and --new contradict each other.")
    if follow and form is Form.JSON:
        raise click.UsageError("--json is one document, which --follow never ends: give --jsonl.")
    if (new or timed) and not follow:
        raise click.UsageError("--new and --timeout are for --follow.")


def _write(found: Iterator[Event], shown: Callable[[Event], str]) -> None:
    """Write each event at once: who follows them waits for it."""
    with until_closed():
        for event in found:
            sys.stdout.write(f"{shown(event)}\n")
            sys.stdout.flush()


def _as_json(event: Event) -> str:
    return json.dumps(event.as_object())


def _as_line(event: Event) -> str:
    fields = (str(event.number), event.kind.value, moment(event.at), _subject(event), event.error)
    return "\t".join(map(printable, fields)).rstrip("\t")


def _subject(event: Event) -> str:
    """Return what an event is about, in words."""
    if event.kind in _OF_LOADS:
        return f"load {event.load}"
    return event.first if event.items == 1 else f"{event.first} to {event.last}"
