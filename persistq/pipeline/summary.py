"""What a run says at its beginning and at its end, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from persistq.client.openings import left_sentence, resume_command
from persistq.client.starting import OpenedRun
from persistq.errors import ItemsFailed, LoadUnfinished, PersistqError
from persistq.outcome import Outcome
from persistq.pool.conclusion import Conclusion, outstanding_in
from persistq.text.leftovers import left_over
from persistq.text.streams import say


@dataclass(frozen=True, slots=True)
class Summary:
    """What `Pipeline.run` leaves behind.

    Attributes:
        name: The load's name.
        load_id: Its number in the journal.
        outcome: ``DONE`` (settled), ``FAILED``, ``INTERRUPTED`` or ``LOST``; it equals that text.
        reason: Why it is not ``DONE``.
        done: Items done, over all stages.
        dropped: Items dropped.
        parked: Items parked as failed.
        outstanding: Items left.
        journal: Path of the journal.
        exit_code: What a command should exit with.
    """

    name: str
    load_id: int
    outcome: Outcome
    reason: str
    done: int
    dropped: int
    parked: int
    outstanding: int
    journal: str
    exit_code: int


def summary_of(opened: OpenedRun, conclusion: Conclusion) -> Summary:
    """Return what a run leaves behind."""
    return Summary(
        name=opened.handle.name,
        load_id=opened.welcome.load_id,
        outcome=conclusion.outcome,
        reason=conclusion.reason,
        done=conclusion.done,
        dropped=conclusion.dropped,
        parked=conclusion.parked,
        outstanding=conclusion.outstanding,
        journal=opened.handle.journal,
        exit_code=conclusion.exit_code,
    )


def beginning(opened: OpenedRun) -> Iterator[str]:
    """Yield what a run says before it works."""
    welcome, handle = opened.welcome, opened.handle
    params = ", ".join(f"{param.name}={param.shown}" for param in welcome.params)
    place = f"journal {handle.journal}{f'; parameters {params}' if params else ''}"
    if welcome.carried_on:
        done = sum(queue.done + queue.dropped for queue in welcome.queues)
        outstanding = outstanding_in(welcome.queues)
        delayed = sum(queue.delayed for queue in welcome.queues)
        waiting = f" ({delayed:,} of them not before their next attempt is due)" if delayed else ""
        yield (
            f"carrying on load {welcome.load_id}: {outstanding:,} outstanding{waiting}, "
            f"{done:,} done before; {place}"
        )
        return
    yield f"load {welcome.load_id} begins; {place}"
    if welcome.left:
        yield left_sentence(handle.name, handle.journal, welcome.left)


def tell(summary: Summary, opened: OpenedRun) -> PersistqError | None:
    """Say how a run ended and how to carry on.

    Returns:
        The error that says the same, if something is left.
    """
    text, error = _told(summary, opened)
    say(f"{summary.name}: {text}")
    if error is not None:
        error.told = True
    return error


def _told(summary: Summary, opened: OpenedRun) -> tuple[str, PersistqError | None]:
    left = left_over(opened.welcome.left)
    others = f"; other loads have left {left}" if left else ""
    if summary.outcome is not Outcome.DONE:
        error = LoadUnfinished(summary.name, summary.reason, summary.exit_code)
        return f"{summary.reason}; {_left(summary)}; carry on with: {_resume(opened)}", error
    if not summary.parked:
        return f"done: {summary.done:,} items{others}", None
    failed = ItemsFailed(summary.name, summary.parked)
    return f"{failed}{others}; retry them with: {_resume(opened, failed=True)}", failed


def _left(summary: Summary) -> str:
    return f"{summary.outstanding:,} outstanding" if summary.outstanding else "source unfinished"


def _resume(opened: OpenedRun, *, failed: bool = False) -> str:
    load = opened.welcome.load_id if opened.welcome.reopened else None
    return resume_command(opened.handle.name, opened.handle.journal, failed=failed, load=load)
