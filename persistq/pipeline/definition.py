"""What the decorators of a pipeline have collected, once it is known that it can be run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec

from persistq.codec import ItemCodec
from persistq.errors import UsageError
from persistq.graph import Graph
from persistq.pipeline.callables import required_of
from persistq.pipeline.context import Context
from persistq.pipeline.itemtype import types_of
from persistq.pipeline.keeping import require_last, with_results
from persistq.pipeline.keying import keys_of
from persistq.pipeline.source import Source
from persistq.pipeline.sourceoptions import LIMITS
from persistq.pipeline.stage import Stage
from persistq.pipeline.validation import validated
from persistq.text.suggestions import suggestion

if TYPE_CHECKING:
    from persistq.groups import Grouping
    from persistq.naturalkeys import NaturalKey
    from persistq.ordering import Ordering
    from persistq.pipeline.itemtype import ItemType
    from persistq.settings import Settings
    from persistq.wire.messages import StageSpec


@dataclass(frozen=True, slots=True)
class Definition:
    """A pipeline that can be run.

    Attributes:
        name: Name of the load; parameters in it are not filled yet.
        sources: What yields the items, in the order of their definition.
        stages: The stages in order, with options that have been checked.
        context: What each worker makes once, if anything.
        codec: How items are stored.
        keys: What says which of the items put into a stage are the same, by stage, where anything
            but their values does.
        types: What the items put into a stage are, by stage, where its handler says it.
    """

    name: str
    sources: Sequence[Source]
    stages: Sequence[Stage]
    context: Context | None
    codec: ItemCodec
    keys: Mapping[str, NaturalKey] = field(default_factory=dict)
    types: Mapping[str, ItemType] = field(default_factory=dict)

    @property
    def graph(self) -> Graph:
        """Who feeds whom."""
        return graph_of(self.stages)

    @property
    def called(self) -> list[Callable[..., Any]]:
        """What is called in processes of its own: sources, handlers, and what makes the context."""
        sources = [source.function for source in self.sources if not source.here]
        handlers = [stage.handler for stage in self.stages if not stage.results]
        return [*sources, *handlers, *([] if self.context is None else [self.context.function])]

    @property
    def groupings(self) -> dict[str, Grouping]:
        """In which groups stages get their items, by stage, where they get them in groups."""
        found = ((stage.name, stage.grouping) for stage in self.stages)
        return {name: grouping for name, grouping in found if grouping is not None}

    @property
    def orderings(self) -> dict[str, Ordering]:
        """In which order stages get their items, by stage, where not as they were put."""
        found = ((stage.name, stage.ordering) for stage in self.stages)
        return {name: ordering for name, ordering in found if ordering is not None}

    def specs(self, settings: Settings) -> list[StageSpec]:
        """Return the stages as a broker needs them, with the settings where they say nothing."""
        limits = {name: getattr(settings, name) for name in LIMITS}
        graph = self.graph
        once = {source.to for source in self.sources if source.once}
        return [
            msgspec.structs.replace(
                stage.spec(settings),
                feeds=[*graph.feeds[stage.name]],
                puts=stage.puts,
                keyed=stage.name in self.keys,
                once=stage.name in once,
                **({} if stage.results else limits | self._limits(stage.name)),
            )
            for stage in self.stages
        ]

    def _limits(self, stage: str) -> dict[str, int]:
        """Return what the sources of a stage say of how much it may hold: the least of each."""
        least: dict[str, int] = {}
        for source in self.sources:
            for name, value in source.limits.items() if source.to == stage else ():
                least[name] = min(value, least.get(name, value))
        return least

    @property
    def parameter_codec(self) -> ItemCodec:
        """How values of any type are stored: a pipeline may be narrow in what its items are."""
        codec = self.codec
        return ItemCodec(allow_pickle=codec.allow_pickle, item_bytes_max=codec.item_bytes_max)


def graph_of(stages: Sequence[Stage]) -> Graph:
    """Return who feeds whom: the stage before each one, where it says nothing else.

    Raises:
        UsageError: A stage puts into one that does not lead to it.
    """
    names = [stage.name for stage in stages]
    befores = [(), *((name,) for name in names)]
    after = {
        stage.name: before if stage.after is None else stage.after
        for stage, before in zip(stages, befores, strict=False)
    }
    feeds = {name: tuple(other for other in names if name in after[other]) for name in names}
    return Graph(
        feeds,
        {stage.name: stage.puts for stage in stages if stage.puts},
        tuple(stage.name for stage in stages if stage.hook),
    )


def require_known(before: Sequence[str], stage: Stage) -> None:
    """Require that the stages a new one names are there.

    Args:
        before: The names of those defined before.
        stage: The new one.

    Raises:
        UsageError: One is not, or nothing would come to the new one.
    """
    if stage.after == ():
        raise UsageError(f"stage {stage.name!r}: after=() is refused: nothing would come to it")
    for option, names in (("after", stage.after or ()), ("puts", stage.puts)):
        known = [*before, stage.name] if option == "puts" else before
        for name in names:
            if name not in known:
                where = "defined before it" if option == "after" else "before it, nor itself"
                raise UsageError(
                    f"stage {stage.name!r}: {option}={name!r} is no stage {where}"
                    f"{suggestion(name, known)}"
                )


def definition_of(
    name: str,
    sources: Sequence[Source],
    stages: Sequence[Stage],
    context: Context | None,
    codec: ItemCodec,
) -> Definition:
    """Return a pipeline that can be run.

    Raises:
        UsageError: It has no source or no stage, a source feeds a stage that it has not, a handler
            takes what nobody makes, or an option is wrong, or says ``once`` without a key.
    """
    if not sources or not stages:
        raise UsageError(f"pipeline {name!r} needs a source and at least one stage")
    for stage in stages:
        # All its items would fail of it.
        if context is None and "ctx" in required_of(stage.handler):
            raise UsageError(
                f"the handler of stage {stage.name!r} takes ctx, and pipeline {name!r} "
                "has no context: decorate the function that makes it with @pipeline.context"
            )
    stages = with_results(stages)
    graph = graph_of(stages)
    require_last(stages, graph)
    for stage in stages:
        if stage.grouping is not None and graph.turns(stage.name):
            raise UsageError(
                f"stage {stage.name!r}: group_by= does not go with puts= of a stage that it leads "
                "to: more of a group might come as long as one is not complete"
            )
    checked = [validated(stage) for stage in stages]
    fitted = [_fitted(source, graph) for source in sources]
    keys, types = keys_of(fitted, checked), types_of(checked)
    for typed in keys.keys() & types.keys():
        keys[typed] = replace(keys[typed], item=types[typed].item)
    checked = [_looking_at_items(stage, types) for stage in checked]
    return Definition(name, fitted, checked, context, codec, keys, types)


def _looking_at_items(stage: Stage, types: Mapping[str, ItemType]) -> Stage:
    """Return a stage whose groups and order go by its items, and not by what is put for them."""
    if stage.name not in types:
        return stage
    item, grouping, ordering = types[stage.name].item, stage.grouping, stage.ordering
    return replace(
        stage,
        grouping=grouping and replace(grouping, item=item),
        ordering=ordering and replace(ordering, item=item),
    )


def _fitted(source: Source, graph: Graph) -> Source:
    """Return a source that knows its stage, with options that have been checked."""
    from persistq.settings import options_of

    what = f"source {source.name!r}"
    if source.to and source.to not in graph.feeds:
        raise UsageError(f"{what} is to feed {source.to!r}, which is no stage")
    limits = options_of(what, **source.limits)
    polling = source.polling and source.polling.validated(what)
    return replace(source, to=source.to or graph.entries[0], limits=limits, polling=polling)
