"""``persistq failed``: the parked items of a load, grouped by error."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

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
    Failing,
    Form,
    Quiet,
    note,
    on_terminal,
    write_fields,
    write_lines,
    write_rows,
    write_table,
)
from persistq.cli.pointing import Names, item_object, stages_chosen
from persistq.cli.standing import moment
from persistq.errors import ItemsFailed, UsageError
from persistq.items import queue_of
from persistq.text.leftovers import left_over
from persistq.text.masking import masked_text
from persistq.text.payloads import in_brief, shortened
from persistq.text.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from persistq.items import Item
    from persistq.journal.queuerow import QueueRow
    from persistq.journal.reader import JournalReader, ParkedError
    from persistq.journal.view import JournalView

_ERROR_WIDTH: Final = 300
_ITEM_WIDTH: Final = 160
_GROUPS = (Column("items", right=True), Column("example"), Column("error", wrap=True))

_QUOTED: Final = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_NUMBER: Final = r"0x[0-9a-fA-F]+|\d+(?:[.,]\d+)*"


class Chosen(NamedTuple):
    """What was asked for.

    Attributes:
        view: The load that is shown, or the one commands show by themselves.
        queues: The stages, of one load or of all.
        names: What their items are called.
        pattern: What an error has to contain, or None.
    """

    view: JournalView
    queues: list[QueueRow]
    names: Names
    pattern: re.Pattern[str] | None


@dataclass(slots=True)
class Group:
    """Parked items with the same error, but for numbers and quoted words in its text.

    Attributes:
        example: The first of them.
        pattern: The error without what differs.
        count: How many.
    """

    example: ParkedError
    pattern: str
    count: int = 0


@click.command("failed", short_help="Show the items that are parked as failed, by error.")
@name_argument
@click.option("--full", is_flag=True, help="Each item with its payload and its last traceback.")
@click.option("--error", metavar="REGEX", help="Only errors that contain this, as in 'KeyError'.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="With --full: N items.")
@click.option("--exit-code", is_flag=True, help="Exit with 6 if there are any, with 0 if none.")
@click.option("--all-loads", is_flag=True, help="The items of all loads, not of one.")
@form_option
@stage_option
@load_option
@journal_option
def command(
    *,
    name: str | None,
    full: bool,
    error: str | None,
    limit: int | None,
    exit_code: bool,
    all_loads: bool,
    form: Form,
    stage: str | None,
    load: int | None,
    journal: str | None,
) -> int:
    """Show the items that are parked as failed, grouped by their last error, with an example each.

    NAME is the load's name; without it, the load on which a run started last. Errors that differ
    only in numbers and quoted words are one group. Elsewhere than on a terminal: count, example,
    error and the example's item, with tabs between. --json has the groups, --jsonl a line for each
    item.

    \b
    Example:
      $ persistq failed sales
      $ persistq failed sales --full --error ValueError --limit 2
    """  # noqa: D301 - \b is click's mark for lines to keep
    if all_loads and load is not None:
        raise click.UsageError("--all-loads and --load contradict each other.")
    with reader_of(directory_of(journal, name), name) as reader:
        chosen = _chosen(reader, stage, load, compiled(error), all_loads=all_loads)
        _introduce(chosen, latest=name is None, all_loads=all_loads)
        if form is Form.JSONL:
            write_rows(form, {}, "", islice(_objects(reader, chosen), limit))
        elif full and form is Form.JSON:
            write_rows(form, _head(chosen), "items", islice(_objects(reader, chosen), limit))
        elif full:
            write_lines(_in_full(reader, chosen, limit))
        else:
            _write_groups(reader, chosen, form)
        found = exit_code and next(_parked(reader, chosen), None) is not None
    return ItemsFailed.exit_code if found else 0


def compiled(error: str | None) -> re.Pattern[str] | None:
    """Return what an error has to contain, as it was typed.

    Raises:
        UsageError: It is no regular expression.
    """
    try:
        return None if error is None else re.compile(error)
    except re.error as wrong:
        raise UsageError(f"--error {error!r} is no regular expression: {wrong}") from None


def _chosen(
    reader: JournalReader,
    stage: str | None,
    load: int | None,
    pattern: re.Pattern[str] | None,
    *,
    all_loads: bool,
) -> Chosen:
    view, current = reader.view(load), reader.view().load
    queues = reader.queues() if all_loads else list(view.queues)
    names = Names(queues, current.load_id if current is not None else None)
    if stage is not None and not all_loads:
        queues = stages_chosen(view, stage)
    elif stage is not None:
        queues = [queue for queue in queues if stage in {queue.name, printable(queue.name)}]
        # So that a wrong word is told.
        queues = queues or stages_chosen(view, stage)
    return Chosen(view, queues, names, pattern)


def _introduce(chosen: Chosen, *, latest: bool, all_loads: bool) -> None:
    view = chosen.view
    which = " (the one that ran last)" if latest else ""
    load = "no load" if view.load is None else f"load {view.load.load_id}"
    note(f"{view.name}, {'all loads' if all_loads else load}{which}; journal {view.path}")
    others = [left for left in view.left if left.parked]
    if others and not all_loads:
        note(f"other loads have left {left_over(others)}: --all-loads shows them too")
    if not any(queue.parked for queue in chosen.queues):
        note("nothing is parked as failed")


def _parked(reader: JournalReader, chosen: Chosen) -> Iterator[ParkedError]:
    for queue in chosen.queues:
        if not queue.parked:
            continue
        for parked in reader.parked_errors(queue.queue_id):
            if chosen.pattern is None or chosen.pattern.search(error_of(parked)):
                yield parked


def error_of(parked: ParkedError) -> str:
    """Return an error as Python would show it."""
    if not parked.kind:
        return "no failure is recorded"
    text = f"{parked.type}: {parked.message}" if parked.message else parked.type
    return masked_text(text)


# --- grouped --------------------------------------------------------------------------------------


def grouped(parked: Iterable[ParkedError], names: Names) -> list[Group]:
    """Return the groups of parked items, the largest first."""
    groups: dict[tuple[str, str], Group] = {}
    for item in parked:
        pattern = pattern_of(item)
        group = groups.setdefault((names.stage(item.item_id), pattern), Group(item, pattern))
        group.count += 1
    return sorted(groups.values(), key=lambda group: -group.count)


def pattern_of(parked: ParkedError) -> str:
    """Return an error without what differs from item to item."""
    return re.sub(_NUMBER, "N", re.sub(_QUOTED, "'…'", error_of(parked)))


def _item(reader: JournalReader, item_id: int) -> Item:
    return next(reader.items(item_id, item_id)).item


def _write_groups(reader: JournalReader, chosen: Chosen, form: Form) -> None:
    groups = grouped(_parked(reader, chosen), chosen.names)
    examples = [_item(reader, group.example.item_id) for group in groups]
    pairs = [*zip(groups, examples, strict=True)]
    if form is Form.JSON:
        objects = (_group_object(reader, chosen, group, item) for group, item in pairs)
        write_rows(form, _head(chosen), "groups", objects)
    elif not on_terminal():
        write_fields(_group_fields(chosen.names, group, item) for group, item in pairs)
    elif pairs:
        rows = [row for pair in pairs for row in _group_rows(chosen.names, *pair)]
        write_table(_GROUPS, rows)


def _group_fields(names: Names, group: Group, item: Item) -> Sequence[str]:
    example = names.of(item.item_id)
    text = in_brief(item.codec, item.payload, _ITEM_WIDTH)
    return str(group.count), example, shortened(error_of(group.example), _ERROR_WIDTH), text


def _group_rows(names: Names, group: Group, item: Item) -> Iterator[Sequence[str]]:
    count, example, error, text = _group_fields(names, group, item)
    yield f"{int(count):,}", example, Failing(error)
    yield "", "", Quiet(text)


def _head(chosen: Chosen) -> dict[str, Any]:
    view = chosen.view
    return {
        "name": view.name,
        "journal": view.path,
        "load": view.load.load_id if view.load is not None else None,
        "parked": sum(queue.parked for queue in chosen.queues),
    }


def _group_object(
    reader: JournalReader, chosen: Chosen, group: Group, item: Item
) -> dict[str, Any]:
    keys = reader.keys(queue_of(item.item_id))
    return {
        "count": group.count,
        "stage": chosen.names.stage(item.item_id),
        "type": group.example.type,
        "error": error_of(group.example),
        "pattern": group.pattern,
        "example": item_object(item, chosen.names, keys),
    }


# --- one by one -----------------------------------------------------------------------------------


def _in_full(reader: JournalReader, chosen: Chosen, limit: int | None) -> Iterator[str]:
    for number, parked in enumerate(islice(_parked(reader, chosen), limit)):
        item = _item(reader, parked.item_id)
        attempts = reader.attempts(parked.item_id)
        if number:
            yield ""
        yield f"{chosen.names.of(parked.item_id)}  {in_brief(item.codec, item.payload, 10_000)}"
        yield printable(
            f"  failed {moment(parked.at)}, attempt {len(attempts)}: {error_of(parked)}"
        )
        yield from _traceback(attempts[-1].failure.traceback if attempts else "")


def _traceback(text: str) -> Iterator[str]:
    for line in masked_text(text).rstrip().splitlines():
        yield f"  {printable(line)}"


def _objects(reader: JournalReader, chosen: Chosen) -> Iterator[dict[str, Any]]:
    keys = {queue.queue_id: reader.keys(queue.queue_id) for queue in chosen.queues}
    for parked in _parked(reader, chosen):
        item = _item(reader, parked.item_id)
        attempts = reader.attempts(parked.item_id)
        yield item_object(item, chosen.names, keys[queue_of(item.item_id)]) | {
            "at": parked.at.isoformat() if parked.at is not None else None,
            "kind": parked.kind,
            "type": parked.type,
            "message": masked_text(parked.message),
            "traceback": masked_text(attempts[-1].failure.traceback) if attempts else "",
            "attempts": len(attempts),
        }
