"""The places of a run: a process for each source, and some for each stage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from persistq.pipeline.draining import run_source
from persistq.pool.crew import Place
from persistq.pool.worker import run_worker

if TYPE_CHECKING:
    from persistq.pipeline.briefing import Briefing
    from persistq.pipeline.sourcetask import SourceTask
    from persistq.pipeline.stage import Stage
    from persistq.pipeline.task import StageTask
    from persistq.settings import Settings


def places_of(briefing: Briefing, settings: Settings) -> Iterator[Place]:
    """Yield the places to fill, sources first.

    Args:
        briefing: What their processes are told.
        settings: The settings of this start, for stages that say nothing.
    """
    for told in briefing.sources():
        if not told.source.here:
            yield _of_source(told)
    for stage, task in briefing.stages():
        yield from _of_stage(stage, task, settings)


def _of_source(told: SourceTask) -> Place:
    return Place(
        f"source {told.source.name}",
        run_source,
        (told,),
        source=True,
        source_id=told.handle.source_id,
        polls=told.source.polling is not None,
    )


def _of_stage(stage: Stage, task: StageTask, settings: Settings) -> Iterator[Place]:
    limit = stage.spec(settings).timeout
    for number in range(1, stage.processes(settings) + 1):
        yield Place(
            f"worker {stage.name}-{number}",
            run_worker,
            (task,),
            limit=limit,
            queue_id=task.handle.queue_id,
            stage=stage.name,
        )
