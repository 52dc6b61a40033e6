"""The object of a report: what ``persistq status --json`` gives to programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from persistq.cli.report import FAILURES_SHOWN
from persistq.cli.shape import targets_of
from persistq.items import queue_of
from persistq.journal.route import RouteKind
from persistq.text.masking import masked_text, masked_words

if TYPE_CHECKING:
    from persistq.cli.report import Report
    from persistq.journal.load import Left
    from persistq.journal.queuerow import QueueRow
    from persistq.journal.reader import FailedAttempt
    from persistq.journal.run import Run
    from persistq.journal.view import JournalView


def object_of(report: Report) -> dict[str, Any]:
    """Return a report as JSON has it."""
    standing, view = report.standing, report.view
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
        "duplicates": sum(row.duplicates for row in view.queues),
        "skipped": sum(row.skipped for row in view.queues),
        "parameters": {param.name: param.shown for param in view.params},
        "stages": [_stage_object(row, view, running=standing.running) for row in view.queues],
        "runs": [_run_object(run, report) for run in report.runs],
        "failures": [
            _failure_object(attempt, report) for attempt in report.failures[:FAILURES_SHOWN]
        ],
        "others": [_other_object(left) for left in view.left],
        "next": report.next,
    }


def _purged(report: Report) -> str | None:
    load = report.view.load
    return load.purged_at.isoformat() if load is not None and load.purged_at is not None else None


def _stage_object(row: QueueRow, view: JournalView, *, running: bool) -> dict[str, Any]:
    return {
        "stage": row.name,
        "put": row.put,
        "done": row.done,
        "dropped": row.dropped,
        "parked": row.parked,
        "outstanding": row.outstanding,
        "duplicates": row.duplicates,
        "skipped": row.skipped,
        "sealed": row.sealed_total is not None,
        "feeds": targets_of(view, row, RouteKind.FEEDS),
        "passes": targets_of(view, row, RouteKind.PASSES),
        "puts": targets_of(view, row, RouteKind.PUTS),
        "waits": masked_text(row.held) if running and row.held else None,
    }


def _run_object(run: Run, report: Report) -> dict[str, Any]:
    ended = run.ended_at
    return {
        "run": run.run_id,
        "started": run.started_at.isoformat(),
        "ended": ended.isoformat() if ended is not None else None,
        "seconds": (ended - run.started_at).total_seconds() if ended is not None else None,
        "result": report.result(run),
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


def _other_object(left: Left) -> dict[str, Any]:
    return {
        "load": left.load_id,
        "state": left.state.value,
        "parked": left.parked,
        "outstanding": left.outstanding,
    }
