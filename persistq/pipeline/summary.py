"""What a run says at its beginning and at its end, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from persistq.client.openings import left_sentence, resume_command
from persistq.client.starting import OpenedRun
from persistq.errors import ItemsFailed, LoadUnfinished, PersistqError
from persistq.outcome import Outcome
from persistq.pool.conclusion import Conclusion, outstanding_in
from persistq.text.leftovers import left_over

if TYPE_CHECKING:
    from persistq.wire.messages import QueueSizes, Welcome


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
        duplicates: Items that were left out, because one with their natural key was put before.
        skipped: Items that were left out, because an earlier load has done their key.
        inputs: Items put into the stages that sources feed, each counted once however many stages
            it leads through.
        results: Results that are kept, of stages with ``keep_results=True``.
        exception: What a source has raised, see `persistq.LoadUnfinished.exception`.
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
    duplicates: int = 0
    skipped: int = 0
    inputs: int = 0
    results: int = 0
    exception: BaseException | None = None


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
        duplicates=sum(queue.duplicates for queue in conclusion.queues),
        skipped=sum(queue.skipped for queue in conclusion.queues),
        inputs=inputs_in(opened.welcome, conclusion.queues),
        results=conclusion.results,
        exception=conclusion.exception,
    )


def inputs_in(welcome: Welcome, queues: Iterable[QueueSizes]) -> int:
    """Return how many items were put into the stages that sources feed, but for kept results."""
    fed = {source.queue_id for source in welcome.sources} or {*welcome.entries}
    return sum(queue.put for queue in queues if queue.queue_id in fed and not queue.results)


def beginning(opened: OpenedRun) -> Iterator[str]:
    """Yield what a run says before it works."""
    welcome, handle = opened.welcome, opened.handle
    params = ", ".join(f"{param.name}={param.shown}" for param in welcome.params)
    place = f"journal {handle.journal}{f'; parameters {params}' if params else ''}"
    if welcome.carried_on:
        done = sum(queue.done + queue.dropped for queue in welcome.queues if not queue.results)
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


def facts_of(summary: Summary) -> dict[str, Any]:
    """Return what a run leaves behind as JSON has it, but for the name and what was raised."""
    return {
        "load": summary.load_id,
        "outcome": summary.outcome.name,
        "reason": summary.reason,
        "done": summary.done,
        "dropped": summary.dropped,
        "parked": summary.parked,
        "outstanding": summary.outstanding,
        "duplicates": summary.duplicates,
        "skipped": summary.skipped,
        "inputs": summary.inputs,
        "results": summary.results,
        "journal": summary.journal,
        "exit_code": summary.exit_code,
    }


def told(summary: Summary, opened: OpenedRun) -> tuple[str, PersistqError | None]:
    """Return in words how a run ended and how to carry on.

    Returns:
        The sentence, and the error that says the same, if something is left.
    """
    left = left_over(opened.welcome.left)
    others = f"; other loads have left {left}" if left else ""
    if summary.outcome is not Outcome.DONE:
        error = LoadUnfinished(summary.name, summary.reason, summary.exit_code, summary.exception)
        return f"{summary.reason}; {_left(summary)}; carry on with: {_resume(opened)}", error
    if not summary.parked:
        noun = "item" if summary.done == 1 else "items"
        return f"done: {summary.done:,} {noun}{left_out(summary)}{others}", None
    failed = ItemsFailed(summary.name, summary.parked)
    return f"{failed}{others}; retry them with: {_resume(opened, failed=True)}", failed


def left_out(summary: Summary) -> str:
    """Return what was left out for its natural key, in words; empty if nothing was."""
    skipped = f"; {summary.skipped:,} skipped, done by earlier loads" if summary.skipped else ""
    duplicates = f"; {summary.duplicates:,} duplicates left out" if summary.duplicates else ""
    return skipped + duplicates


def _left(summary: Summary) -> str:
    return f"{summary.outstanding:,} outstanding" if summary.outstanding else "source unfinished"


def _resume(opened: OpenedRun, *, failed: bool = False) -> str:
    load = opened.welcome.load_id if opened.welcome.reopened else None
    return resume_command(opened.handle.name, opened.handle.journal, failed=failed, load=load)
