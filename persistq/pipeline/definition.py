"""What the decorators of a pipeline have collected, once it is known that it can be run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from persistq.codec import ItemCodec
from persistq.errors import UsageError
from persistq.graph import Graph
from persistq.pipeline.callables import required_of
from persistq.pipeline.context import Context
from persistq.pipeline.source import Source
from persistq.pipeline.stage import Stage


@dataclass(frozen=True, slots=True)
class Definition:
    """A pipeline that can be run.

    Attributes:
        name: Name of the load; parameters in it are not filled yet.
        source: What yields the items of the first stage.
        stages: The stages in order, with options that have been checked.
        context: What each worker makes once, if anything.
        codec: How items are stored.
    """

    name: str
    source: Source
    stages: Sequence[Stage]
    context: Context | None
    codec: ItemCodec

    @property
    def graph(self) -> Graph:
        """Who feeds whom."""
        return Graph.chain([stage.name for stage in self.stages])

    @property
    def parameter_codec(self) -> ItemCodec:
        """How values of any type are stored: a pipeline may be narrow in what its items are."""
        codec = self.codec
        return ItemCodec(allow_pickle=codec.allow_pickle, item_bytes_max=codec.item_bytes_max)


def definition_of(
    name: str,
    source: Source | None,
    stages: Sequence[Stage],
    context: Context | None,
    codec: ItemCodec,
) -> Definition:
    """Return a pipeline that can be run.

    Raises:
        UsageError: It has no source or no stage, a handler takes what nobody makes, or an option
            is wrong.
    """
    if source is None or not stages:
        raise UsageError(f"pipeline {name!r} needs a source and at least one stage")
    for stage in stages:
        # All its items would fail of it.
        if context is None and "ctx" in required_of(stage.handler):
            raise UsageError(
                f"the handler of stage {stage.name!r} takes ctx, and pipeline {name!r} "
                "has no context: decorate the function that makes it with @pipeline.context"
            )
    checked = [stage.validated() for stage in stages]
    return Definition(name, source, checked, context, codec)
