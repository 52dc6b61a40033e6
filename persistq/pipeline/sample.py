"""A sample: the first items of each source are tried, and nothing that persistq records is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import msgspec

from persistq.errors import ItemsFailed, LoadUnfinished, PersistqError, UsageError
from persistq.itemnames import item_name
from persistq.items import queue_of
from persistq.journal.opening import open_reader
from persistq.outcome import Outcome
from persistq.text.terminal import printable

if TYPE_CHECKING:
    from persistq.client.starting import OpenedRun
    from persistq.pipeline.stage import Stage
    from persistq.pipeline.summary import Summary
    from persistq.settings import Settings

TRACES_MAX: Final = 10
"""So many failures of a sample are shown with their tracebacks."""

_OF_OLD_LOADS: Final = ("load", "retry_failed", "carry_on")


@contextmanager
def throwaway(settings: Settings) -> Iterator[Settings]:
    """Have a run use a journal of its own, which is deleted at the end of the ``with`` block.

    Crash: if the program is killed, the directory ``persistq-sample-...`` is left among temporary
    files, and means nothing.

    Raises:
        UsageError: Another setting is about a load that is there already.
    """
    if meant := [name for name in _OF_OLD_LOADS if getattr(settings, name)]:
        raise UsageError(
            f"sample={settings.sample} tries items in a journal of its own, and {meant[0]} is "
            "about a load that is there: give one of the two"
        )
    with TemporaryDirectory(prefix="persistq-sample-", ignore_cleanup_errors=True) as place:
        yield msgspec.structs.replace(settings, journal=place)


def tried_stages(stages: Sequence[Stage]) -> list[Stage]:
    """Return the stages of a sample: their sinks roll back, and no hook is told of an end."""
    from persistq.sinks import FileSink, Sink, Tried

    def tried(stage: Stage) -> Stage:
        sink = stage.sink
        return replace(stage, sink=Tried(sink)) if isinstance(sink, Sink | FileSink) else stage

    return [tried(stage) for stage in stages if not stage.hook]


def announcement(count: int) -> str:
    """Return what is said before a sample."""
    return (
        f"sample of {count:,} from each source: its journal is thrown away and sinks roll back; "
        "whatever else handlers do is real"
    )


def failures_of(opened: OpenedRun) -> Iterator[str]:
    """Yield the tracebacks of failed items, which nobody can look up later."""
    with open_reader(opened.handle.site) as reader:
        stages = {queue.queue_id: queue.name for queue in opened.welcome.queues}
        for item, failure in islice(reader.parked(), TRACES_MAX):
            what = item_name(stages[queue_of(item.item_id)], item.item_id)
            why = "" if failure is None else failure.traceback or failure.message
            yield f"{what} failed:\n{printable(why.rstrip())}\n"


def told_of_sample(summary: Summary) -> tuple[str, PersistqError | None]:
    """Return in words how a sample ended, and that nothing of it is kept.

    Returns:
        The sentence, and the error that says the same, if not all was done.
    """
    text, error = _told(summary)
    return f"{text}; nothing was recorded, and sinks have rolled back", error


def _told(summary: Summary) -> tuple[str, PersistqError | None]:
    done = f"sample: {summary.done:,} items done"
    if summary.outcome is not Outcome.DONE:
        error = LoadUnfinished(summary.name, summary.reason, summary.exit_code, summary.exception)
        return f"{done}, then {summary.reason}", error
    if summary.parked:
        return f"{done}, {summary.parked:,} failed", ItemsFailed(summary.name, summary.parked)
    return done, None
