"""``persistq duplicates``: the items that may have been worked on twice."""

from __future__ import annotations

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
    note,
    on_terminal,
    write_document,
    write_fields,
    write_jsonl,
    write_table,
)
from persistq.cli.plan import counted
from persistq.cli.pointing import Names, load_in_words, names_in, stages_chosen
from persistq.cli.standing import standing_of
from persistq.items import queue_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from persistq.journal.queuerow import QueueRow
    from persistq.journal.reader import JournalReader, Repeated
    from persistq.journal.view import JournalView
    from persistq.keys import ItemKeys

_COLUMNS: Final = (
    Column("item"),
    Column("begun", right=True),
    Column("died", right=True),
    Column("now"),
)
_LEFT: Final = "left"
_ON_TERMINAL_MAX: Final = 1000


class Unseen(NamedTuple):
    """Workers whose end nobody saw, or which died: what they had not reported is not recorded.

    Attributes:
        run_id: Their run.
        workers: How many.
        killed: Whether the run was killed with them.
    """

    run_id: int
    workers: int
    killed: bool


class Found(NamedTuple):
    """What is recorded of one load.

    Attributes:
        view: The load.
        names: What its items are called.
        keys: The keys of its items, by queue.
        repeated: The items that were begun more than once.
        unseen: By run, what is not recorded.
    """

    view: JournalView
    names: Names
    keys: dict[int, ItemKeys]
    repeated: Iterator[Repeated]
    unseen: list[Unseen]


@click.command("duplicates", short_help="Show the items that may have been worked on twice.")
@name_argument
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Show at most N items.")
@form_option
@stage_option
@load_option
@journal_option
def command(
    *,
    name: str | None,
    limit: int | None,
    form: Form,
    stage: str | None,
    load: int | None,
    journal: str | None,
) -> None:
    """Show the items whose handler was begun more than once, because an attempt failed.

    What such an item has done elsewhere, in a database for example, it may have done twice. "died"
    is how often a worker died with it, so that nobody knows how far it came. What a killed process
    had finished and not yet reported is done again too, and is not recorded: then it is said of
    which run. NAME is the load's name; without it, the load on which a run started last.

    \b
    Example:
      $ persistq duplicates sales
    """  # noqa: D301 - \b is click's mark for lines to keep
    with reader_of(directory_of(journal, name), name) as reader:
        view = reader.view(load)
        note(f"{load_in_words(view)}; journal {view.path}")
        found = _found(reader, view, stages_chosen(view, stage), limit)
        _write(found, form)
    for unseen in found.unseen:
        note(_in_words(unseen))


def _found(
    reader: JournalReader, view: JournalView, queues: Sequence[QueueRow], limit: int | None
) -> Found:
    purged = view.load is not None and view.load.purged_at is not None
    repeated = (one for row in queues for one in reader.repeated(row.queue_id, is_purged=purged))
    keys = {row.queue_id: reader.keys(row.queue_id) for row in queues}
    unseen = [*_unseen(reader, view, queues)]
    return Found(view, names_in(reader, view), keys, islice(repeated, limit), unseen)


def _unseen(
    reader: JournalReader, view: JournalView, queues: Sequence[QueueRow]
) -> Iterator[Unseen]:
    shown = {row.queue_id for row in queues}
    runs = reader.runs(view.load.load_id) if view.load is not None else []
    at_work = runs[-1].run_id if runs and standing_of(view).running else None
    for run in runs:
        killed = run.ended_at is None and run.run_id != at_work
        count = sum(
            row.ending != _LEFT and (row.ending is not None or killed)
            for row in reader.workers(run.run_id)
            if row.queue_id in shown
        )
        if count:
            yield Unseen(run.run_id, count, killed)


def _in_words(unseen: Unseen) -> str:
    workers = counted(unseen.workers, "worker")
    had = "it had" if unseen.workers == 1 else "they had"
    if unseen.killed:
        return (
            f"run {unseen.run_id} was killed with {workers}: what {had} in hand, or finished and "
            "not yet reported, may have run again, and is not recorded"
        )
    return (
        f"{workers} of run {unseen.run_id} died: what {had} finished and not yet reported may have "
        "run again, and is not recorded"
    )


def _write(found: Found, form: Form) -> None:
    if form is Form.JSONL:
        write_jsonl(_as_object(found, it) for it in found.repeated)
    elif form is Form.JSON:
        write_document(_head(found), "items", (_as_object(found, it) for it in found.repeated))
    elif on_terminal():
        _draw(found)
    else:
        write_fields(_row(found.names, it) for it in found.repeated)


def _draw(found: Found) -> None:
    rows = [_row(found.names, it) for it in islice(found.repeated, _ON_TERMINAL_MAX)]
    if rows:
        write_table(_COLUMNS, rows)
    else:
        note("no item was begun more than once, as far as is recorded")
    if next(found.repeated, None) is not None:
        note(
            f"these are the first {_ON_TERMINAL_MAX:,}; elsewhere than on a terminal all are shown"
        )


def _row(names: Names, repeated: Repeated) -> Sequence[str]:
    died = Failing(repeated.died) if repeated.died else "0"
    return names.of(repeated.item_id), str(repeated.begun), died, _now(repeated)


def _now(repeated: Repeated) -> str:
    return "done or dropped" if repeated.state is None else repeated.state.value


def _head(found: Found) -> dict[str, Any]:
    view = found.view
    return {
        "name": view.name,
        "journal": view.path,
        "load": view.load.load_id if view.load is not None else None,
        "unrecorded": [
            {"run": it.run_id, "workers": it.workers, "killed": it.killed} for it in found.unseen
        ],
    }


def _as_object(found: Found, repeated: Repeated) -> dict[str, Any]:
    return {
        "name": found.names.full(repeated.item_id),
        "id": repeated.item_id,
        "key": found.keys[queue_of(repeated.item_id)].of(repeated.item_id),
        "stage": found.names.stage(repeated.item_id),
        "begun": repeated.begun,
        "died": repeated.died,
        "state": repeated.state.value if repeated.state is not None else None,
    }
