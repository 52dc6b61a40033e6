"""``persistq status``: one load in detail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from persistq.cli.choosing import directory_of, reader_of
from persistq.cli.options import journal_option, json_option, load_option, name_argument
from persistq.cli.output import Column, note, write_json, write_lines, write_table
from persistq.cli.standing import (
    Standing,
    brief,
    duration,
    moment,
    next_command,
    standing_of,
)
from persistq.codec import readable
from persistq.items import Item, queue_of
from persistq.text.masking import masked_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from persistq.items import Item
    from persistq.journal.base import Left, QueueRow, Run
    from persistq.journal.reader import FailedAttempt, JournalReader
    from persistq.keys import ItemKeys

FAILURES_SHOWN: Final = 5
RUNS_SHOWN: Final = 10
"""Runs in the table for people; JSON has them all."""
OTHERS_SHOWN: Final = 10
"""Other loads in the table for people; JSON has them all."""

_ITEM_WIDTH: Final = 40
_ERROR_WIDTH: Final = 300

_STAGES = (
    Column("stage"),
    Column("put", right=True),
    Column("done", right=True),
    Column("dropped", right=True),
    Column("parked", right=True),
    Column("outstanding", right=True),
    Column("sealed"),
)
_RUNS = (
    Column("run", right=True),
    Column("started"),
    Column("ended"),
    Column("took", right=True),
    Column("pid", right=True),
    Column("result"),
    Column("reason"),
)
_FAILURES = (
    Column("failed at"),
    Column("stage"),
    Column("id"),
    Column("item"),
    Column("error", wrap=True),
)
_OTHERS = (
    Column("other load", right=True),
    Column("state"),
    Column("parked", right=True),
    Column("outstanding", right=True),
)


@dataclass(frozen=True, slots=True)
class Report:
    """All that is shown about one load."""

    standing: Standing
    runs: list[Run]
    failures: list[FailedAttempt]
    keys: dict[int, ItemKeys]
    next: str | None


@click.command("status", short_help="Show one load in detail, and what to type next.")
@name_argument
@load_option
@json_option
@journal_option
def command(*, name: str | None, load: int | None, as_json: bool, journal: str | None) -> None:
    """Show one load: its stages, its runs, its last failures, and what to type next.

    NAME is the load's name; without it, the load on which a run started last. Other loads of this
    name that have parked or outstanding items are listed; --load shows one of them.
    """
    with reader_of(directory_of(journal, name), name) as reader:
        report = _report(reader, journal, load)
    if as_json:
        note(f"journal {report.standing.view.path}")
        write_json([_as_object(report)])
    else:
        _write(report, latest=name is None)


def _report(reader: JournalReader, journal: str | None, load: int | None) -> Report:
    view = reader.view(load)
    standing = standing_of(view)
    runs = reader.runs(view.load.load_id) if view.load is not None else []
    failures = reader.latest_failures(view.queues, FAILURES_SHOWN)
    keys = {row.queue_id: reader.keys(row.queue_id) for row in view.queues}
    following = next_command(standing, journal, named=load is not None)
    return Report(standing, runs, failures, keys, following)


# --- for people -----------------------------------------------------------------------------------


def _write(report: Report, *, latest: bool) -> None:
    facts = [(f"{label}:", value) for label, value in _facts(report, latest=latest)]
    write_table((Column(""), Column("")), facts, titles=False)
    _write_section(_STAGES, [_stage_row(row) for row in report.standing.view.queues])
    earlier = len(report.runs) - RUNS_SHOWN
    _write_section(_RUNS, [_run_row(run, report) for run in report.runs[-RUNS_SHOWN:]])
    if earlier > 0:
        write_lines([f"and {earlier:,} runs before these"])
    _write_section(_FAILURES, [_failure_row(attempt, report) for attempt in report.failures])
    others = report.standing.view.left
    _write_section(_OTHERS, [_other_row(left) for left in others[-OTHERS_SHOWN:]])
    if len(others) > OTHERS_SHOWN:
        write_lines([f"and {len(others) - OTHERS_SHOWN:,} loads before these"])


def _write_section(columns: tuple[Column, ...], rows: list[tuple[str, ...]]) -> None:
    if rows:
        write_lines([""])
        write_table(columns, rows)


def _facts(report: Report, *, latest: bool) -> Iterator[tuple[str, str]]:
    standing, view = report.standing, report.standing.view
    yield "name", f"{view.name}{' (the one that ran last)' if latest else ''}"
    if view.load is not None:
        yield "load", f"{view.load.load_id}, a {view.load.kind}"
    if view.params:
        yield "parameters", ", ".join(f"{param.name}={param.shown}" for param in view.params)
    yield "state", _state(report)
    yield (
        "items",
        (
            f"{view.outstanding:,} outstanding, {standing.done:,} done, "
            f"{standing.dropped:,} dropped, {view.parked:,} parked as failed"
        ),
    )
    yield "journal", view.path
    if view.run is not None:
        yield "command", brief(view.run.command)
        yield "directory", view.run.command.cwd
    yield "next", report.next or ("wait for it" if standing.running else "nothing is left to do")


def _state(report: Report) -> str:
    standing, run = report.standing, report.standing.view.run
    if not standing.running or run is None:
        return standing.state
    broker = f", broker {standing.holder.peer.pid}" if standing.holder is not None else ""
    return f"running: {run.command.peer}{broker}"


def _other_row(left: Left) -> tuple[str, ...]:
    return str(left.load_id), left.state.value, f"{left.parked:,}", f"{left.outstanding:,}"


def _stage_row(row: QueueRow) -> tuple[str, ...]:
    counts = (row.put, row.done, row.dropped, row.parked, row.outstanding)
    return (
        row.name,
        *(f"{count:,}" for count in counts),
        "no" if row.sealed_total is None else "yes",
    )


def _run_row(run: Run, report: Report) -> tuple[str, ...]:
    result = _result(run, report)
    alive = result == "running"
    end = datetime.now(UTC) if alive else run.ended_at
    took = duration(end - run.started_at) if end is not None else "-"
    times = moment(run.started_at), moment(run.ended_at), took
    return str(run.run_id), *times, str(run.command.peer.pid), result, run.reason or "-"


def _result(run: Run, report: Report) -> str:
    if run.result is not None:
        return run.result.value
    return "running" if report.standing.running and run is report.runs[-1] else "killed"


def _failure_row(attempt: FailedAttempt, report: Report) -> tuple[str, ...]:
    stage, item_id = _stage_of(attempt, report), str(attempt.failure.item_id)
    return moment(attempt.at), stage, item_id, _shown(attempt.item), _error(attempt)


def _shown(item: Item | None) -> str:
    return "(cannot be read)" if item is None else readable(item.codec, item.payload, _ITEM_WIDTH)


def _stage_of(attempt: FailedAttempt, report: Report) -> str:
    names = {row.queue_id: row.name for row in report.standing.view.queues}
    return names[queue_of(attempt.failure.item_id)]


def _error(attempt: FailedAttempt) -> str:
    failure = attempt.failure
    text = f"{failure.type}: {failure.message}" if failure.message else failure.type
    return text if len(text) <= _ERROR_WIDTH else f"{text[: _ERROR_WIDTH - 1]}…"


# --- for programs ---------------------------------------------------------------------------------


def _as_object(report: Report) -> dict[str, Any]:
    standing, view = report.standing, report.standing.view
    return {
        "name": view.name,
        "journal": view.path,
        "load": view.load.load_id if view.load is not None else None,
        "kind": view.load.kind if view.load is not None else None,
        "state": standing.state,
        "pid": view.run.command.peer.pid if standing.running and view.run is not None else None,
        "outstanding": view.outstanding,
        "done": standing.done,
        "dropped": standing.dropped,
        "parked": view.parked,
        "parameters": {param.name: param.shown for param in view.params},
        "stages": [_stage_object(row) for row in view.queues],
        "runs": [_run_object(run, report) for run in report.runs],
        "failures": [_failure_object(attempt, report) for attempt in report.failures],
        "others": [
            {
                "load": left.load_id,
                "state": left.state.value,
                "parked": left.parked,
                "outstanding": left.outstanding,
            }
            for left in view.left
        ],
        "next": report.next,
    }


def _stage_object(row: QueueRow) -> dict[str, Any]:
    return {
        "stage": row.name,
        "put": row.put,
        "done": row.done,
        "dropped": row.dropped,
        "parked": row.parked,
        "outstanding": row.outstanding,
        "sealed": row.sealed_total is not None,
    }


def _run_object(run: Run, report: Report) -> dict[str, Any]:
    ended = run.ended_at
    return {
        "run": run.run_id,
        "started": run.started_at.isoformat(),
        "ended": ended.isoformat() if ended is not None else None,
        "seconds": (ended - run.started_at).total_seconds() if ended is not None else None,
        "result": _result(run, report),
        "reason": run.reason,
        "pid": run.command.peer.pid,
        "host": run.command.peer.node,
        "executable": run.command.executable,
        "argv": masked_words(run.command.argv),
        "cwd": run.command.cwd,
    }


def _failure_object(attempt: FailedAttempt, report: Report) -> dict[str, Any]:
    failure, item_id = attempt.failure, attempt.failure.item_id
    return {
        "at": attempt.at.isoformat(),
        "stage": _stage_of(attempt, report),
        "id": item_id,
        "key": report.keys[queue_of(item_id)].of(item_id),
        "kind": failure.kind.value,
        "type": failure.type,
        "message": failure.message,
        "traceback": failure.traceback,
    }
