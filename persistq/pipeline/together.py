"""`run_all`: several pipelines at the same time, which one signal stops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from persistq.errors import PersistqError, UsageError
from persistq.pool.signals import Signals
from persistq.pool.stops import Stop
from persistq.text.streams import broken_pipes_told

if TYPE_CHECKING:
    from persistq.pipeline.live import LiveRun
    from persistq.pipeline.pipeline import Pipeline
    from persistq.pipeline.summary import Summary


@broken_pipes_told()
def run_all(*pipelines: Pipeline, check: bool = True, **overrides: Any) -> list[Summary]:
    """Run several pipelines at the same time, each as `persistq.Pipeline.run` does.

    A signal stops all of them. If one fails, the others go on to their ends; if one cannot be
    started, those that are at work are stopped. On a terminal progress is shown in plain lines.

    Example:
        >>> persistq.run_all(orders, refunds, progress="none")          # doctest: +SKIP

    Crash: as `Pipeline.run`, for each of them: what is outstanding is in its journal.

    Args:
        pipelines: The pipelines, which have different names.
        check: Whether to raise unless everything of all of them is done.
        overrides: What `Pipeline.run` takes, for all of them.

    Returns:
        What was done and what is left, in the order of the pipelines.

    Raises:
        UsageError: There is none, one is named twice, or one is wrong.
        JournalError: As `Pipeline.run`.
        LoadUnfinished: One failed or was interrupted, and ``check`` is set. If several have raised,
            the first of them counts; what the others say was said.
        ItemsFailed: One is settled with failed items, and ``check`` is set.
    """
    names = [pipeline.name for pipeline in pipelines]
    if not names:
        raise UsageError("run_all() needs a pipeline, as in run_all(orders, refunds)")
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"run_all() got pipeline {twice[0]!r} twice")
    runs = [
        pipeline._live(check=check, beside=len(names) > 1, **overrides)  # noqa: SLF001 - as start
        for pipeline in pipelines
    ]
    with Signals(lambda stop: _order(runs, stop)):
        _begin(runs)
        return _results(runs)


def _begin(runs: list[LiveRun]) -> None:
    begun: list[LiveRun] = []
    try:
        for live in runs:
            begun.append(live.begin())
            live.await_begin()
    except BaseException:
        _order(begun, Stop("run_all()"))
        for live in begun:
            live.join()
        raise


def _order(runs: list[LiveRun], stop: Stop) -> None:
    for live in runs:
        live.order(stop)


def _results(runs: list[LiveRun]) -> list[Summary]:
    summaries: list[Summary] = []
    errors: list[PersistqError] = []
    for live in runs:
        try:
            summaries.append(live.wait())
        except PersistqError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return summaries
