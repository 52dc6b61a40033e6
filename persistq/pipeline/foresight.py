"""What a display is told of a load beforehand: how its stages are worked on, and who feeds them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from persistq.display.plan import LoadPlan, StagePlan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from persistq.client.starting import OpenedRun
    from persistq.graph import Graph
    from persistq.pipeline.definition import Definition
    from persistq.pipeline.stage import Stage
    from persistq.settings import Settings


def plan_of(opened: OpenedRun, definition: Definition, settings: Settings) -> LoadPlan:
    """Return what is known of a load when its run begins.

    Args:
        opened: The open run.
        definition: The pipeline.
        settings: The settings of this start, for stages that say nothing.
    """
    welcome, graph = opened.welcome, definition.graph
    numbers = {queue.name: queue.queue_id for queue in welcome.queues}
    sourced = {source.queue_id for source in welcome.sources if not source.ended}
    stages = {
        numbers[stage.name]: StagePlan(
            hands=stage.processes(settings) * (stage.concurrency or stage.threads or 1),
            calls=_calls_of(stage),
            feeders=tuple(_feeders(stage, graph, numbers)),
            open=numbers[stage.name] in sourced or graph.turns(stage.name),
            hook=bool(stage.hook),
        )
        for stage in definition.stages
        if not stage.results
    }
    return LoadPlan(opened.handle.name, welcome.load_id, welcome.queues, stages)


def _calls_of(stage: Stage) -> float:
    """Return how many items a second may be begun; where a call gets several, nobody knows."""
    alone = stage.batching is None and stage.grouping is None
    return 1 / stage.rate.interval if stage.rate is not None and alone else math.inf


def _feeders(stage: Stage, graph: Graph, numbers: dict[str, int]) -> Iterable[int]:
    return (numbers[name] for name, targets in graph.feeds.items() if stage.name in targets)
