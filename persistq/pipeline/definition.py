"""What the decorators of a pipeline have collected, once it is known that it can be run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import msgspec

from persistq.codec import ItemCodec
from persistq.errors import UsageError
from persistq.graph import Graph
from persistq.pipeline.callables import required_of
from persistq.pipeline.context import Context
from persistq.pipeline.source import Source
from persistq.pipeline.stage import Stage

if TYPE_CHECKING:
    from persistq.settings import Settings
    from persistq.wire.messages import StageSpec

LIMITS: Final = ("max_outstanding", "max_outstanding_bytes")
"""How much a stage may hold before what feeds it waits, by setting."""


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

    def specs(self, settings: Settings) -> list[StageSpec]:
        """Return the stages as a broker needs them, with the settings where they say nothing."""
        limits = {name: getattr(settings, name) for name in LIMITS}
        entries = self.graph.entries
        return [
            msgspec.structs.replace(
                stage.spec(settings),
                **(limits | dict(self.source.limits) if stage.name in entries else limits),
            )
            for stage in self.stages
        ]

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
    from persistq.settings import options_of

    limits = options_of(f"source {source.name!r}", **source.limits)
    checked = [stage.validated() for stage in stages]
    return Definition(name, replace(source, limits=limits), checked, context, codec)
