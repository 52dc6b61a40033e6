"""The facts about a load that stand above the tables of ``persistq status``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persistq.cli.shape import shape_in_words
from persistq.cli.standing import brief, moment
from persistq.text.masking import masked_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from persistq.cli.report import Report
    from persistq.journal.queuerow import QueueRow


def facts_of(report: Report, *, latest: bool) -> Iterator[tuple[str, str]]:
    """Yield what is said of a load in one line each, with what that is about.

    Args:
        report: The load.
        latest: Whether nobody has named it: it is the one that ran last.
    """
    standing, view = report.standing, report.view
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
    if shape := shape_in_words(view):
        yield "stages", shape
    for row in view.queues:
        if row.duplicates or row.skipped:
            yield "left out", f"{row.name}: {_left_out(row)}"
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


def _left_out(row: QueueRow) -> str:
    """Return which puts were left out for their natural keys."""
    duplicates = f"{row.duplicates:,} duplicates" if row.duplicates else ""
    skipped = f"{row.skipped:,} done by earlier loads" if row.skipped else ""
    return ", ".join(filter(None, (duplicates, skipped)))


def _state(report: Report) -> str:
    standing, run = report.standing, report.view.run
    if not standing.running or run is None:
        return standing.state
    broker = f", broker {standing.holder.peer.pid}" if standing.holder is not None else ""
    return f"running: {run.command.peer}{broker}"
