"""``persistq workers``: the processes that take items, or took them."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from persistq.cli.choosing import directory_of, reader_of
from persistq.cli.options import form_option, journal_option, load_option, name_argument
from persistq.cli.output import (
    Column,
    Failing,
    Form,
    note,
    on_terminal,
    write_fields,
    write_rows,
    write_table,
)
from persistq.cli.pointing import Names, names_in
from persistq.cli.standing import Standing, duration, in_hand, moment, standing_of
from persistq.items import queue_of
from persistq.site.processes import has_ended

if TYPE_CHECKING:
    from collections.abc import Iterable

    from persistq.journal.reader import WorkerRow
    from persistq.journal.view import JournalView

_COLUMNS = (
    Column("worker", right=True),
    Column("stage"),
    Column("pid", right=True),
    Column("began"),
    Column("for", right=True),
    Column("state"),
    Column("item in hand"),
)


WORKING: Final = "working"


class Line(NamedTuple):
    """A worker in the list.

    Attributes:
        row: What is recorded.
        stage: Its stage.
        state: ``working``, or how it ended.
        item: What it works on, or empty; of several that which it has begun first.
        others: How many it works on beside that.
    """

    row: WorkerRow
    stage: str
    state: str
    item: str
    others: int = 0

    @property
    def in_words(self) -> str:
        """What it works on, for people."""
        return f"{self.item} and {self.others:,} more" if self.others else self.item


@click.command("workers", short_help="Show the processes of the last run that took items.")
@name_argument
@click.option("--all", "everyone", is_flag=True, help="Also those that have ended.")
@form_option
@load_option
@journal_option
def command(
    *, name: str | None, everyone: bool, form: Form, load: int | None, journal: str | None
) -> None:
    """Show the processes that take items in the last run of a load: since when, and how they ended.

    NAME is the load's name; without it, the load on which a run started last. Elsewhere than on a
    terminal: number, stage, pid, host, beginning, end, state and item in hand, with tabs between.

    \b
    Example:
      $ persistq workers sales --all
    """  # noqa: D301 - \b is click's mark for lines to keep
    with reader_of(directory_of(journal, name), name) as reader:
        view = reader.view(load)
        rows = reader.workers(view.run.run_id) if view.run is not None else []
        names = names_in(reader, view)
    standing = standing_of(view)
    lines = lines_of(rows, standing, names)
    shown = [line for line in lines if everyone or line.state == WORKING]
    _introduce(view, standing, ended=len(lines) - len(shown))
    if form is not Form.PEOPLE:
        write_rows(form, _head(view, standing), "workers", map(_as_object, shown))
    elif on_terminal() and shown:
        write_table(_COLUMNS, [*map(_row, shown)])
    else:
        write_fields(map(_fields, shown))


def lines_of(rows: Iterable[WorkerRow], standing: Standing, names: Names) -> list[Line]:
    """Return what is shown of workers of a load's last run, at this moment."""
    held = _held(standing, standing.view, names)
    return [_line(row, standing.view, standing, held) for row in rows]


def _held(standing: Standing, view: JournalView, names: Names) -> dict[int, list[str]]:
    """Return the names of items in hand, by process, in the order in which they were begun."""
    queues = {queue.queue_id for queue in view.queues}
    held = defaultdict[int, list[str]](list)
    for it in sorted(in_hand(standing), key=attrgetter("since")):
        if queue_of(it.item_id) in queues:
            held[it.pid].append(names.of(it.item_id))
    return held


def _line(
    row: WorkerRow, view: JournalView, standing: Standing, held: dict[int, list[str]]
) -> Line:
    stages = {queue.queue_id: queue.name for queue in view.queues}
    state = _state(row, standing)
    items = held.get(row.peer.pid, []) if state == WORKING else []
    stage = stages.get(row.queue_id, "?")
    return Line(row, stage, state, items[0] if items else "", max(0, len(items) - 1))


def _state(row: WorkerRow, standing: Standing) -> str:
    if row.ending is not None:
        return row.ending
    if not standing.running or has_ended(row.peer):
        return "gone, nobody saw how"
    return WORKING


def _introduce(view: JournalView, standing: Standing, *, ended: int) -> None:
    run = f"run {view.run.run_id}" if view.run is not None else "no run"
    load = f"load {view.load.load_id}" if view.load is not None else "no load"
    more = f"; {ended:,} have ended: --all shows them too" if ended else ""
    note(f"{view.name}, {load}, {run}, {standing.state}{more}; journal {view.path}")


def _row(line: Line) -> list[str]:
    row = line.row
    end = row.ended_at or (datetime.now(UTC) if line.state == WORKING else None)
    took = duration(end - row.started_at) if end is not None else "-"
    state = line.state if line.state in {WORKING, "left"} else Failing(line.state)
    times = moment(row.started_at), took
    return [str(row.worker_id), line.stage, str(row.peer.pid), *times, state, line.in_words or "-"]


def _fields(line: Line) -> list[str]:
    row = line.row
    process = str(row.peer.pid), row.peer.node
    times = moment(row.started_at), moment(row.ended_at)
    return [str(row.worker_id), line.stage, *process, *times, line.state, line.item or "-"]


def _head(view: JournalView, standing: Standing) -> dict[str, Any]:
    return {
        "name": view.name,
        "journal": view.path,
        "load": view.load.load_id if view.load is not None else None,
        "run": view.run.run_id if view.run is not None else None,
        "state": standing.state,
    }


def _as_object(line: Line) -> dict[str, Any]:
    row = line.row
    return {
        "worker": row.worker_id,
        "stage": line.stage,
        "pid": row.peer.pid,
        "host": row.peer.node,
        "began": row.started_at.isoformat(),
        "ended": row.ended_at.isoformat() if row.ended_at is not None else None,
        "state": line.state,
        "item": line.item or None,
    }
