"""``persistq status``: one load in detail."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from persistq.cli.choosing import directory_of, reader_of
from persistq.cli.options import journal_option, json_option, load_option, name_argument
from persistq.cli.output import (
    CLEAR_SCREEN,
    Column,
    Failing,
    note,
    on_terminal,
    write_json,
    write_lines,
    write_table,
)
from persistq.cli.pointing import Names, names_in
from persistq.cli.show import error_in_words
from persistq.cli.standing import (
    Standing,
    brief,
    duration,
    moment,
    next_command,
    standing_of,
)
from persistq.items import queue_of
from persistq.text.masking import masked_text, masked_words
from persistq.text.payloads import in_brief, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from persistq.items import Item
    from persistq.journal.base import JournalView, Left, QueueRow, Run
    from persistq.journal.reader import FailedAttempt, JournalReader
    from persistq.keys import ItemKeys

FAILURES_SHOWN: Final = 5
_FAILURES_READ: Final = 4 * FAILURES_SHOWN
"""An item may have failed several times, and is shown once."""

RUNS_SHOWN: Final = 10
"""Runs in the table for people; JSON has them all."""
OTHERS_SHOWN: Final = 10
"""Other loads in the table for people; JSON has them all."""

_ERROR_WIDTH: Final = 300
_TITLE_LINES: Final = 2
"""What a section takes beside its rows: a line between, and its headings."""

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
    Column("took", right=True),
    Column("pid", right=True),
    Column("result"),
    Column("reason"),
)
_FAILURES = (Column("failed at"), Column("item"), Column("error"))
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
    names: Names
    keys: dict[int, ItemKeys]
    next: str | None


@click.command("status", short_help="Show one load in detail, and what to type next.")
@name_argument
@click.option("--watch", is_flag=True, help="Show it again and again, until Ctrl-C.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="With --watch: time between two looks.",
)
@load_option
@json_option
@journal_option
def command(
    *,
    name: str | None,
    watch: bool,
    interval: float,
    load: int | None,
    as_json: bool,
    journal: str | None,
) -> None:
    """Show one load: its stages, its runs, its last failures, and what to type next.

    NAME is the load's name; without it, the load on which a run started last. Other loads of this
    name that have parked or outstanding items are listed; --load shows one of them. A terminal gets
    as much as fits on one screen.

    \b
    Example:
      $ persistq status sales
    """  # noqa: D301 - \b is click's mark for lines to keep

    def look() -> Report:
        with reader_of(directory_of(journal, name), name) as reader:
            return _report(reader, journal, load)

    if watch:
        if as_json or not on_terminal():
            raise click.UsageError("--watch draws on a terminal: elsewhere, ask again.")
        _watch(look, interval, latest=name is None)
    elif as_json:
        report = look()
        note(f"journal {report.standing.view.path}")
        write_json(_as_object(report))
    else:
        _write(look(), latest=name is None)


def _last_of_each(failures: Sequence[FailedAttempt]) -> list[FailedAttempt]:
    """Return the last failures of the items that failed last, oldest first."""
    last: dict[int, FailedAttempt] = {}
    for attempt in failures:
        last.setdefault(attempt.failure.item_id, attempt)
    return [*last.values()][:FAILURES_SHOWN][::-1]


def _watch(look: Callable[[], Report], interval: float, *, latest: bool) -> None:
    """Draw until somebody interrupts it, which is how it ends and no failure."""
    with suppress(KeyboardInterrupt):
        while True:
            report = look()
            write_lines([CLEAR_SCREEN])
            _write(report, latest=latest)
            time.sleep(interval)


def _report(reader: JournalReader, journal: str | None, load: int | None) -> Report:
    view = reader.view(load)
    standing = standing_of(view)
    runs = reader.runs(view.load.load_id) if view.load is not None else []
    failures = reader.latest_failures(view.queues, _FAILURES_READ)
    keys = {row.queue_id: reader.keys(row.queue_id) for row in view.queues}
    following = next_command(standing, journal, named=load is not None)
    return Report(standing, runs, failures, names_in(reader, view), keys, following)


# --- for people -----------------------------------------------------------------------------------


def _write(report: Report, *, latest: bool) -> None:
    view = report.standing.view
    facts = [(f"{label}:", value) for label, value in _facts(report, latest=latest)]
    sections = [
        Section(
            _FAILURES,
            [_failure_row(it, report) for it in _last_of_each(report.failures)],
            FAILURES_SHOWN,
        ),
        Section(_RUNS, [_run_row(run, report) for run in report.runs], RUNS_SHOWN),
        Section(_OTHERS, [*map(_other_row, view.left)], OTHERS_SHOWN),
    ]
    write_table((Column(""), Column("", wrap=True)), facts, titles=False)
    _write_section(_STAGES, [_stage_row(row) for row in view.queues])
    for section, most in zip(sections, _shown(facts, view, sections), strict=True):
        _write_section(section.columns, section.rows[-most:] if most else [])
        if most and len(section.rows) > most and not on_terminal():
            write_lines([f"and {len(section.rows) - most:,} before these"])


class Section(NamedTuple):
    """A table below the stages.

    Attributes:
        columns: Its columns.
        rows: All its rows; the last ones matter most.
        most: Most rows to show.
    """

    columns: tuple[Column, ...]
    rows: list[tuple[str, ...]]
    most: int


def _shown(
    facts: Sequence[tuple[str, str]], view: JournalView, sections: Sequence[Section]
) -> list[int]:
    """Return how many rows of each section are shown: on a terminal, as many as fit."""
    wanted = [min(section.most, len(section.rows)) for section in sections]
    if not on_terminal():
        return wanted
    columns, lines = shutil.get_terminal_size()
    width = max(20, columns - max(len(label) for label, _ in facts) - 2)
    taken = sum(-(-max(1, len(value)) // width) for _, value in facts)
    # The last line is for the prompt.
    return allotted(lines - 1 - taken - _TITLE_LINES - len(view.queues), wanted)


def allotted(room: int, wanted: Sequence[int]) -> list[int]:
    """Share lines among sections: a row for each first, then in turns.

    Args:
        room: Lines that are left.
        wanted: Rows that each section has; one with any takes `_TITLE_LINES` beside them.

    Returns:
        How many rows of each fit.
    """
    given = [0] * len(wanted)
    for _ in range(max(wanted, default=0)):
        for number, want in enumerate(wanted):
            cost = 1 if given[number] else 1 + _TITLE_LINES
            if given[number] < want and cost <= room:
                given[number] += 1
                room -= cost
    return given


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
    for row in view.queues if standing.running else ():
        if row.held:
            yield "waits", f"{row.name}: {masked_text(row.held)}"
    if view.load is not None and view.load.purged_at is not None:
        yield "purged", f"{moment(view.load.purged_at)}; failures and parked items are kept"
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
    shown = Failing(result) if result in _BAD_RESULTS else result
    pid = str(run.command.peer.pid)
    return str(run.run_id), moment(run.started_at), took, pid, shown, run.reason or "-"


_BAD_RESULTS: Final = frozenset({"killed", "failed"})


def _result(run: Run, report: Report) -> str:
    if run.result is not None:
        return run.result.value
    return "running" if report.standing.running and run is report.runs[-1] else "killed"


def _failure_row(attempt: FailedAttempt, report: Report) -> tuple[str, ...]:
    error = shortened(error_in_words(attempt.failure), _ERROR_WIDTH)
    name = report.names.of(attempt.failure.item_id)
    return moment(attempt.at), name, Failing(f"{error} of {_in_brief(attempt.item)}")


def _in_brief(item: Item | None) -> str:
    if item is None:
        return "what cannot be read"
    return in_brief(item.codec, item.payload, _ERROR_WIDTH)


# --- for programs ---------------------------------------------------------------------------------


def _as_object(report: Report) -> dict[str, Any]:
    standing, view = report.standing, report.standing.view
    return {
        "name": view.name,
        "journal": view.path,
        "load": view.load.load_id if view.load is not None else None,
        "kind": view.load.kind if view.load is not None else None,
        "state": standing.state,
        "purged": _purged(report),
        "pid": view.run.command.peer.pid if standing.running and view.run is not None else None,
        "outstanding": view.outstanding,
        "done": standing.done,
        "dropped": standing.dropped,
        "parked": view.parked,
        "parameters": {param.name: param.shown for param in view.params},
        "stages": [_stage_object(row, running=standing.running) for row in view.queues],
        "runs": [_run_object(run, report) for run in report.runs],
        "failures": [
            _failure_object(attempt, report) for attempt in report.failures[:FAILURES_SHOWN]
        ],
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


def _purged(report: Report) -> str | None:
    load = report.standing.view.load
    return load.purged_at.isoformat() if load is not None and load.purged_at is not None else None


def _stage_object(row: QueueRow, *, running: bool) -> dict[str, Any]:
    return {
        "stage": row.name,
        "put": row.put,
        "done": row.done,
        "dropped": row.dropped,
        "parked": row.parked,
        "outstanding": row.outstanding,
        "sealed": row.sealed_total is not None,
        "waits": masked_text(row.held) if running and row.held else None,
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
        "name": report.names.full(item_id),
        "stage": report.names.stage(item_id),
        "id": item_id,
        "key": report.keys[queue_of(item_id)].of(item_id),
        "kind": failure.kind.value,
        "type": failure.type,
        "message": masked_text(failure.message),
        "traceback": masked_text(failure.traceback),
    }
