"""The page of a report: what ``persistq status`` shows to people."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from persistq.cli.facts import facts_of
from persistq.cli.output import Column, Failing, write_table
from persistq.cli.report import FAILURES_SHOWN
from persistq.cli.sections import TITLE_LINES, Section, write_section, write_sections
from persistq.cli.show import error_in_words
from persistq.cli.standing import duration, moment
from persistq.text.payloads import in_brief, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persistq.cli.report import Report
    from persistq.items import Item
    from persistq.journal.load import Left
    from persistq.journal.queuerow import QueueRow
    from persistq.journal.reader import FailedAttempt
    from persistq.journal.run import Run

RUNS_SHOWN: Final = 10
"""Runs in the table for people; JSON has them all."""
OTHERS_SHOWN: Final = 10
"""Other loads in the table for people; JSON has them all."""

_ERROR_WIDTH: Final = 300
_BAD_RESULTS: Final = frozenset({"killed", "failed"})

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


def write_page(report: Report, *, latest: bool) -> None:
    """Write a report: facts, stages, then as much of its past as fits.

    Args:
        report: The load.
        latest: Whether nobody has named it: it is the one that ran last.
    """
    facts = [(f"{label}:", value) for label, value in facts_of(report, latest=latest)]
    stages = [_stage_row(row) for row in report.view.queues]
    write_table((Column(""), Column("", wrap=True)), facts, titles=False)
    write_section(_STAGES, stages)
    write_sections(_sections(report), _height(facts) + TITLE_LINES + len(stages))


def _sections(report: Report) -> list[Section]:
    failures = [_failure_row(attempt, report) for attempt in report.last_of_each]
    return [
        Section(_FAILURES, failures, FAILURES_SHOWN),
        Section(_RUNS, [_run_row(run, report) for run in report.runs], RUNS_SHOWN),
        Section(_OTHERS, [*map(_other_row, report.view.left)], OTHERS_SHOWN),
    ]


def _height(facts: Sequence[tuple[str, str]]) -> int:
    """Return how many lines of a terminal facts take: a long one is continued below."""
    width = shutil.get_terminal_size().columns - max(len(label) for label, _ in facts) - 2
    return sum(-(-max(1, len(value)) // max(20, width)) for _, value in facts)


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
    result = report.result(run)
    alive = result == "running"
    end = datetime.now(UTC) if alive else run.ended_at
    took = duration(end - run.started_at) if end is not None else "-"
    shown = Failing(result) if result in _BAD_RESULTS else result
    pid = str(run.command.peer.pid)
    return str(run.run_id), moment(run.started_at), took, pid, shown, run.reason or "-"


def _failure_row(attempt: FailedAttempt, report: Report) -> tuple[str, ...]:
    error = shortened(error_in_words(attempt.failure), _ERROR_WIDTH)
    name = report.names.of(attempt.failure.item_id)
    return moment(attempt.at), name, Failing(f"{error} of {_in_brief(attempt.item)}")


def _in_brief(item: Item | None) -> str:
    if item is None:
        return "what cannot be read"
    return in_brief(item.codec, item.payload, _ERROR_WIDTH)
