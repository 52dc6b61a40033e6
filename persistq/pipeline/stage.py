"""A stage: a handler, how it is called, and what is done when it fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from persistq.policy import OPTIONS
from persistq.wire.messages import StageSpec

if TYPE_CHECKING:
    from persistq.groups import Grouping
    from persistq.naturalkeys import NaturalKey
    from persistq.ordering import Ordering
    from persistq.policy import Batching
    from persistq.pool.worker import Pauses
    from persistq.rate import Rate
    from persistq.settings import Settings
    from persistq.sinks import FileSink, Sink, Tried


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a pipeline.

    Attributes:
        name: Unique in its pipeline; by default the handler's name.
        was: The name it had before, or empty.
        handler: Called with an item, or a list of them; returns the value for the next stage, or
            yields several, or one for each item of the list.
        extras: What the handler takes beside the item, see `persistq.pipeline.extras`.
        workers: Number of processes; None means the pipeline's.
        stream: Whether what it makes goes on at once, before its item is done.
        said: What it says of its `Policy`, by option; the settings say the rest.
        batching: How its items are handed out, if not one by one.
        sink: Where its items are stored, if they are, each once.
        pauses: For which errors of the handler the stage rests, and for how many seconds.
        rate: How often the handler may be called; None if there is no limit.
        after: The stages that feed it; None is the one before it, or the source.
        puts: Earlier stages, or itself, that its handler may put into.
        grouping: In which groups it gets its items, if in any.
        hook: Whether it is a hook: ``settled`` or ``failed``; empty if it is a stage.
        key: What says which of the items that are put into it are the same, if it says so.
        ordering: In which order its items are handed out, if not as they were put.
        concurrency: How many items an asynchronous handler works on at the same time, in each
            process; None if it is none.
        threads: How many threads each process has for the handler; None if it has no others.
        keeps: Whether its results are kept.
        results: Whether it is the hidden one that keeps them, which nobody works on.
        maps: Whether all that its handler returns is one result, also None.
        passes: The stage that gets its items themselves, when it is done with them, if one does.
    """

    name: str
    was: str
    handler: Callable[..., Any]
    extras: frozenset[str]
    workers: int | None
    stream: bool
    said: Mapping[str, Any]
    batching: Batching | None = None
    sink: Sink | FileSink | Tried | None = None
    pauses: Pauses = ()
    rate: Rate | None = None
    after: tuple[str, ...] | None = None
    puts: tuple[str, ...] = ()
    grouping: Grouping | None = None
    hook: Literal["", "settled", "failed"] = ""
    key: NaturalKey | None = None
    ordering: Ordering | None = None
    concurrency: int | None = None
    threads: int | None = None
    keeps: bool = False
    results: bool = False
    maps: bool = False
    passes: str = ""

    @property
    def stored_by(self) -> str:
        """The option by which its items are stored, for messages; empty if there is none."""
        return "" if self.sink is None else getattr(self.sink, "option", "sink=")

    def processes(self, settings: Settings) -> int:
        """Return how many processes work on it: as many as processors where nobody says it."""
        wanted = settings.workers if self.workers is None else self.workers
        if wanted is not None:
            return wanted
        from persistq.settings import available_cpus

        return available_cpus()

    def spec(self, settings: Settings) -> StageSpec:
        """Return its policy, with the settings where the stage says nothing."""
        if self.results:
            return StageSpec(name=self.name, results=True)
        policy = {name: getattr(settings, name) for name in OPTIONS} | dict(self.said)
        return StageSpec(
            name=self.name,
            was=self.was,
            stream=self.stream,
            batching=self.batching,
            rate=self.rate,
            groups=self.grouping is not None,
            hook=self.hook,
            ordered=self.ordering is not None,
            passes=self.passes,
            **policy,
        )
