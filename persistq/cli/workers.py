"""``persistq workers``: the processes that take items, or took them."""

from __future__ import annotations

from datetime import UTC, datetime
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
    from persistq.journal.base import JournalView
    from persistq.journal.reader import WorkerRow

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
        item: What it works on, or empty.
    """

    row: WorkerRow
    stage: str
    state: str
    item: str


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
    held = _held(standing, view, names)
    lines = [_line(row, view, standing, held) for row in rows]
    shown = [line for line in lines if everyone or line.state == WORKING]
    _introduce(view, standing, ended=len(lines) - len(shown))
    if form is not Form.PEOPLE:
        write_rows(form, _head(view, standing), "workers", map(_as_object, shown))
    elif on_terminal() and shown:
        write_table(_COLUMNS, [*map(_row, shown)])
    else:
        write_fields(map(_fields, shown))


def _held(standing: Standing, view: JournalView, names: Names) -> dict[int, str]:
    """Return the names of items in hand, by process."""
    queues = {queue.queue_id for queue in view.queues}
    held = in_hand(standing).values()
    return {it.pid: names.of(it.item_id) for it in held if queue_of(it.item_id) in queues}


def _line(row: WorkerRow, view: JournalView, standing: Standing, held: dict[int, str]) -> Line:
    stages = {queue.queue_id: queue.name for queue in view.queues}
    state = _state(row, standing)
    item = held.get(row.peer.pid, "") if state == WORKING else ""
    return Line(row, stages.get(row.queue_id, "?"), state, item)


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
    return [str(row.worker_id), line.stage, str(row.peer.pid), *times, state, line.item or "-"]


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
