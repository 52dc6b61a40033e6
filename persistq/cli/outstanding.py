"""``persistq outstanding``: what is put and neither done, dropped nor parked."""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import click

from persistq.cli.choosing import directory_of, reader_of
from persistq.cli.options import journal_option, json_option, load_option, name_argument
from persistq.cli.output import (
    Column,
    note,
    on_terminal,
    write_fields,
    write_json,
    write_lines,
    write_table,
)
from persistq.codec import Codec, ItemCodec, readable
from persistq.errors import ItemNotReadable, UsageError
from persistq.items import item_id_of
from persistq.text.leftovers import left_over

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from persistq.items import Item
    from persistq.journal.base import JournalView, QueueRow
    from persistq.journal.reader import JournalReader
    from persistq.keys import ItemKeys

OUTSTANDING_EXIT: Final = 3

_PAGE_ROWS: Final = 200
_ON_TERMINAL_MAX: Final = 500
"""Characters of an item that are laid out for a terminal, which shows one line of it."""

_UNTRUSTING: Final = ItemCodec(allow_pickle=False)


@click.command("outstanding", short_help="Show or count the items that are left.")
@name_argument
@click.option("--count", is_flag=True, help="Write only how many there are.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Write at most N items.")
@json_option
@click.option("--exit-code", is_flag=True, help="Exit with 3 if there are any, with 0 if none.")
@click.option("--stage", metavar="STAGE", help="Only the items of one stage.")
@load_option
@journal_option
def command(
    *,
    name: str | None,
    count: bool,
    limit: int | None,
    as_json: bool,
    exit_code: bool,
    stage: str | None,
    load: int | None,
    journal: str | None,
) -> int:
    """Show the outstanding items of a load: put, and neither done, dropped nor parked.

    NAME is the load's name; without it, the load on which a run started last. What other loads of
    this name have left is told on standard error; --load shows it. Pickled items are
    described and never loaded. Elsewhere than on a terminal: id, stage and item, with tabs between.
    JSON objects have the members id, key (which names the item everywhere), stage, item (null for a
    pickle), pickle and bytes.
    """
    with reader_of(directory_of(journal, name), name) as reader:
        view = reader.view(load)
        queues = _chosen(view, stage)
        total = sum(queue.outstanding for queue in queues)
        _introduce(view, latest=name is None)
        if count:
            write_lines([str(total)])
        else:
            _write(reader, queues, limit, as_json=as_json)
    return OUTSTANDING_EXIT if exit_code and total else 0


def _chosen(view: JournalView, stage: str | None) -> list[QueueRow]:
    queues = [queue for queue in view.queues if stage in {None, queue.name}]
    if stage is not None and not queues:
        names = ", ".join(queue.name for queue in view.queues) or "none"
        raise UsageError(f"load {view.name!r} has no stage {stage!r}; its stages are: {names}")
    return queues


def _introduce(view: JournalView, *, latest: bool) -> None:
    load = "no load" if view.load is None else f"load {view.load.load_id}"
    which = " (the one that ran last)" if latest else ""
    note(f"{view.name}, {load}{which}; journal {view.path}")
    if view.left:
        note(f"other loads have left {left_over(view.left)}: --load N shows one")


def _write(
    reader: JournalReader, queues: Sequence[QueueRow], limit: int | None, *, as_json: bool
) -> None:
    items = islice(_items(reader, queues), limit)
    if as_json:
        keys = {queue.name: reader.keys(queue.queue_id) for queue in queues}
        write_json(_as_object(stage, item, keys[stage]) for stage, item in items)
    elif on_terminal():
        _write_pages(queues, items)
    else:
        write_fields(_fields(stage, item, sys.maxsize) for stage, item in items)


def _items(reader: JournalReader, queues: Sequence[QueueRow]) -> Iterator[tuple[str, Item]]:
    for queue in queues:
        last_id = item_id_of(queue.queue_id, queue.put)
        for item in reader.outstanding(queue.queue_id):
            # It was put after what is shown was looked at, perhaps by a run that is not known here.
            if item.item_id > last_id:
                break
            yield queue.name, item


def _fields(stage: str, item: Item, width: int) -> tuple[str, str, str]:
    return str(item.item_id), stage, readable(item.codec, item.payload, width)


def _as_object(stage: str, item: Item, keys: ItemKeys) -> dict[str, Any]:
    try:
        value = _UNTRUSTING.decode(item.item_id, item.codec, item.payload)
    except ItemNotReadable:
        value = None
    return {
        "id": item.item_id,
        "key": keys.of(item.item_id),
        "stage": stage,
        "item": value,
        "pickle": item.codec != Codec.JSON,
        "bytes": len(item.payload),
    }


def _write_pages(queues: Sequence[QueueRow], items: Iterator[tuple[str, Item]]) -> None:
    """Draw one table page by page: its widths are known before its rows."""
    ids = [len(str(item_id_of(queue.queue_id, queue.put))) for queue in queues]
    stages = [len(queue.name) for queue in queues]
    columns = (
        Column("id", width=max(ids, default=2)),
        Column("stage", width=max(5, *stages) if stages else 5),
        Column("item"),
    )
    titles = True
    while page := list(islice(items, _PAGE_ROWS)):
        rows = [_fields(stage, item, _ON_TERMINAL_MAX) for stage, item in page]
        write_table(columns, rows, titles=titles)
        titles = False
