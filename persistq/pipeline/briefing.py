"""The briefing of a run: what each of its processes is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from persistq.pipeline.cursors import Cursors
from persistq.pipeline.eventloop import EventLoop
from persistq.pipeline.parameters import CURSOR, SETTINGS, taken_by, wants
from persistq.pipeline.routes import Routes
from persistq.pipeline.sourcetask import SourceTask
from persistq.pipeline.task import StageTask
from persistq.pipeline.typedcodec import TypedCodec
from persistq.pool.capture import levels_of_loggers
from persistq.pool.recycling import Limits

if TYPE_CHECKING:
    from persistq.client.handle import Handle
    from persistq.pipeline.opening import OpenLoad
    from persistq.pipeline.polling import Polling
    from persistq.pipeline.source import Source
    from persistq.pipeline.stage import Stage

T = TypeVar("T")


class Briefing:
    """What the processes of a run are told, each when it starts.

    Args:
        load: The load that they work on.
    """

    def __init__(self, load: OpenLoad) -> None:
        self._definition = load.definition
        self._settings = load.settings
        self._arguments = load.arguments
        self._handle = load.opened.handle
        self._states = load.opened.welcome.sources
        self._queue_ids = {queue.name: queue.queue_id for queue in load.opened.welcome.queues}
        # One for all stages: where they share a process, as inline, they share the context.
        context = self._definition.context
        self._loop = EventLoop()
        self._context = None if context is None else context.lifespan(self._settings, self._loop)

    def sources(self) -> Iterator[SourceTask]:
        """Yield what each source's process is told, but for those that have come to their end."""
        sources = {(source.name, source.to): source for source in self._definition.sources}
        stages = {queue_id: name for name, queue_id in self._queue_ids.items()}
        for state in self._states:
            if not state.ended:
                handle = self._handle.of_source(state.queue_id, state.source_id)
                yield self._source(sources[state.name, stages[state.queue_id]], handle)

    def stages(self) -> Iterator[tuple[Stage, StageTask]]:
        """Yield the stages that are worked on, each with what its processes are told."""
        for stage in self._definition.stages:
            if not stage.results:
                yield stage, self._stage(stage)

    # --- inside ---

    def _source(self, source: Source, handle: Handle) -> SourceTask:
        definition, stage = self._definition, source.to
        return SourceTask(
            handle=handle,
            source=replace(source, polling=self._polling(source)),
            arguments=self._arguments_of(source),
            codec=definition.codec,
            cursors=self._cursors(source),
            grouping=definition.groupings.get(stage),
            key=definition.keys.get(stage),
            ordering=definition.orderings.get(stage),
            typed=self._typed(stage),
            grace=self._settings.shutdown_grace,
            sample=self._settings.sample,
            log_levels=levels_of_loggers(),
        )

    def _polling(self, source: Source) -> Polling | None:
        if source.polling is None:
            return None
        polling = source.polling.with_defaults(self._settings)
        # A sample has an end, also if there are not so many items now.
        return polling if self._settings.sample is None else replace(polling, exhausted_after=1)

    def _arguments_of(self, source: Source) -> dict[str, Any]:
        arguments = taken_by(source.function, self._arguments)
        if wants(source.function, SETTINGS):
            arguments[SETTINGS] = self._settings
        return arguments

    def _cursors(self, source: Source) -> Cursors | None:
        if not wants(source.function, CURSOR):
            return None
        return Cursors(source.name, self._definition.parameter_codec)

    def _stage(self, stage: Stage) -> StageTask:
        policy = stage.spec(self._settings)
        return StageTask(
            name=stage.name,
            pipeline=self._definition.name,
            handle=self._handle.on(self._queue_ids[stage.name]),
            handler=stage.handler,
            extras=stage.extras,
            context=self._context,
            settings=self._settings if "settings" in stage.extras else None,
            routes=self._routes(stage),
            codec=self._definition.codec,
            stream=stage.stream,
            batch=None if stage.batching is None else stage.batching.batch,
            sink=stage.sink,
            pauses=stage.pauses,
            limits=Limits(policy.max_items_per_worker, policy.max_rss_mb),
            nice=policy.nice,
            log_levels=levels_of_loggers(),
            metered=stage.rate is not None,
            grouped=stage.grouping is not None,
            hooks=tuple(self._numbers(self._definition.graph.last).values()) if stage.hook else (),
            concurrency=stage.concurrency,
            threads=stage.threads,
            loop=self._loop,
            typed=self._typed(stage.name),
            maps=stage.maps,
            tried=self._settings.sample is not None,
        )

    def _routes(self, stage: Stage) -> Routes:
        definition, graph = self._definition, self._definition.graph
        return Routes(
            stage.name,
            self._numbers(one for one in graph.feeds[stage.name] if one != stage.passes),
            self._numbers(stage.puts),
            self._by_queue(definition.groupings),
            self._by_queue(definition.keys),
            self._by_queue(definition.orderings),
            self._by_queue(definition.types),
        )

    def _typed(self, stage: str) -> TypedCodec | None:
        known = self._definition.types.get(stage)
        return None if known is None else TypedCodec(self._definition.codec, known)

    def _numbers(self, stages: Iterable[str]) -> dict[str, int]:
        return {stage: self._queue_ids[stage] for stage in stages}

    def _by_queue(self, by_stage: Mapping[str, T]) -> dict[int, T]:
        return {self._queue_ids[stage]: value for stage, value in by_stage.items()}
