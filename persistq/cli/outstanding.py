"""``persistq outstanding``: what is put and neither done, dropped nor parked."""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING, Final

import click

from persistq.cli.choosing import directory_of, reader_of
from persistq.cli.options import (
    form_option,
    journal_option,
    load_option,
    name_argument,
    stage_option,
)
from persistq.cli.output import (
    Column,
    Form,
    note,
    on_terminal,
    write_fields,
    write_lines,
    write_rows,
    write_table,
)
from persistq.cli.pointing import Names, item_object, names_in, stages_chosen
from persistq.items import item_id_of
from persistq.text.leftovers import left_over
from persistq.text.payloads import in_brief

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from persistq.items import Item
    from persistq.journal.queuerow import QueueRow
    from persistq.journal.reader import JournalReader
    from persistq.journal.view import JournalView

OUTSTANDING_EXIT: Final = 3

_PAGE_ROWS: Final = 200
_ON_TERMINAL_MAX: Final = 500
"""Characters of an item that are laid out for a terminal, which shows one line of it."""


@click.command("outstanding", short_help="Show or count the items that are left.")
@name_argument
@click.option("--count", is_flag=True, help="Write only how many there are.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Write at most N items.")
@form_option
@click.option("--exit-code", is_flag=True, help="Exit with 3 if there are any, with 0 if none.")
@stage_option
@load_option
@journal_option
def command(
    *,
    name: str | None,
    count: bool,
    limit: int | None,
    form: Form,
    exit_code: bool,
    stage: str | None,
    load: int | None,
    journal: str | None,
) -> int:
    """Show the outstanding items of a load: put, and neither done, dropped nor parked.

    NAME is the load's name; without it, the load on which a run started last. What other loads of
    this name have left is told on standard error; --load shows it. Pickled items are
    described and never loaded; secrets are masked. Elsewhere than on a terminal: the item's name
    and the item, with a tab between.

    \b
    Example:
      $ persistq outstanding sales --stage clean --limit 3
    """  # noqa: D301 - \b is click's mark for lines to keep
    with reader_of(directory_of(journal, name), name) as reader:
        view = reader.view(load)
        queues = stages_chosen(view, stage)
        total = sum(queue.outstanding for queue in queues)
        _introduce(view, latest=name is None)
        if count:
            write_lines([str(total)])
        else:
            _write(reader, view, queues, limit, form)
    return OUTSTANDING_EXIT if exit_code and total else 0


def _introduce(view: JournalView, *, latest: bool) -> None:
    load = "no load" if view.load is None else f"load {view.load.load_id}"
    which = " (the one that ran last)" if latest else ""
    note(f"{view.name}, {load}{which}; journal {view.path}")
    if view.left:
        note(f"other loads have left {left_over(view.left)}: --load N shows one")


def _write(
    reader: JournalReader,
    view: JournalView,
    queues: Sequence[QueueRow],
    limit: int | None,
    form: Form,
) -> None:
    names = names_in(reader, view)
    items = islice(_items(reader, queues), limit)
    if form is not Form.PEOPLE:
        keys = {queue.name: reader.keys(queue.queue_id) for queue in queues}
        head = {
            "name": view.name,
            "journal": view.path,
            "load": view.load.load_id if view.load is not None else None,
            "outstanding": sum(queue.outstanding for queue in queues),
        }
        objects = (item_object(it, names, keys[names.stage(it.item_id)]) for it in items)
        write_rows(form, head, "items", objects)
    elif on_terminal():
        _write_pages(queues, names, items)
    else:
        write_fields(_fields(names, item, sys.maxsize) for item in items)


def _items(reader: JournalReader, queues: Sequence[QueueRow]) -> Iterator[Item]:
    for queue in queues:
        last_id = item_id_of(queue.queue_id, queue.put)
        for item in reader.outstanding(queue.queue_id):
            # It was put after what is shown was looked at, perhaps by a run that is not known here.
            if item.item_id > last_id:
                break
            yield item


def _fields(names: Names, item: Item, width: int) -> tuple[str, str]:
    return names.of(item.item_id), in_brief(item.codec, item.payload, width)


def _write_pages(queues: Sequence[QueueRow], names: Names, items: Iterator[Item]) -> None:
    """Draw one table page by page: its widths are known before its rows."""
    longest = [len(names.of(item_id_of(queue.queue_id, queue.put))) for queue in queues]
    columns = (Column("item", width=max([4, *longest])), Column("what was put"))
    titles = True
    while page := list(islice(items, _PAGE_ROWS)):
        write_table(columns, [_fields(names, it, _ON_TERMINAL_MAX) for it in page], titles=titles)
        titles = False
