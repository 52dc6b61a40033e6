"""A stage: a handler, how it is called, and what is done when it fails."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from inspect import Parameter
from typing import TYPE_CHECKING, Any, Final

from persistq.errors import NotAResult, UsageError
from persistq.flow import Drop, Retry
from persistq.pipeline.callables import (
    checked,
    filled,
    name_of,
    parameters_of,
    require_result,
)
from persistq.policy import OPTIONS, Batching, StageOptions, batching_of
from persistq.promises import is_plain, promise
from persistq.wire.messages import StageSpec

if TYPE_CHECKING:
    from persistq.settings import Settings
    from persistq.sinks import FileSink, Sink

EXTRAS: Final = frozenset({"ctx", "item", "settings"})
"""Names of parameters that a handler may have beside the item."""

BATCH_EXTRAS: Final = frozenset({"ctx", "items", "settings"})
"""The same for a handler that gets batches."""

SINK_EXTRAS: Final = frozenset({"conn"})
"""What a handler of a stage with a sink may have as well."""


@dataclass(frozen=True, slots=True)
class ItemInfo:
    """What a handler learns about its item through a parameter named ``item``.

    The handler of a batch gets a list of them, one for each item, through one named ``items``.

    Attributes:
        id: The item's id, by which commands name it. Every journal counts anew, so never store it
            as a key.
        attempt: 1 at the first attempt.
        stage: The stage's name.
        key: Names this item and no other, in any journal, and is the same at every attempt and in
            every run: a key for what the handler stores. At most 52 ASCII characters.
    """

    id: int
    attempt: int
    stage: str
    key: str


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a pipeline.

    Attributes:
        name: Unique in its pipeline; by default the handler's name.
        was: The name it had before, or empty.
        handler: Called with an item, or a list of them; returns the value for the next stage, or
            yields several, or one for each item of the list.
        extras: Which of `EXTRAS`, or `BATCH_EXTRAS`, the handler takes.
        workers: Number of processes; None means the pipeline's.
        stream: Whether what it makes goes on at once, before its item is done.
        said: What it says of its `Policy`, by option; the settings say the rest.
        batching: How its items are handed out, if not one by one.
        sink: Where its items are stored, if they are, each once.
    """

    name: str
    was: str
    handler: Callable[..., Any]
    extras: frozenset[str]
    workers: int | None
    stream: bool
    said: Mapping[str, Any]
    batching: Batching | None = None
    sink: Sink | FileSink | None = None

    @classmethod
    def of(cls, handler: Callable[..., Any], options: StageOptions) -> Stage:
        """Make a stage of a handler.

        Raises:
            UsageError: The handler takes no item or unknown parameters, or a call of it would not
                do its work.
        """
        called = name_of(checked(handler, "the handler"))
        name = options.get("name") or called
        batching = batching_of(f"stage {name!r}", options)
        sink = sink_of(options.get("sink"))
        extras = EXTRAS if batching is None else BATCH_EXTRAS
        if sink is not None:
            extras |= SINK_EXTRAS
        return cls(
            name,
            options.get("was") or "",
            handler,
            extras_of(handler, extras, what=f"the handler {called!r}"),
            options.get("workers"),
            options.get("stream") or False,
            {name: value for name, value in options.items() if name in OPTIONS},
            batching,
            sink,
        )

    def validated(self) -> Stage:
        """Return this stage with options that the broker and the supervisor can rely on.

        Raises:
            UsageError: An option is wrong.
        """
        from persistq.settings import options_of

        if self.workers == 0:
            raise UsageError(
                f"stage {self.name!r}: workers=0 is refused: it would wait for ever; "
                "Pipeline(workers=0) runs all stages inline"
            )
        if not isinstance(self.stream, bool):
            raise UsageError(
                f"stage {self.name!r}: stream={self.stream!r} is refused: "
                "it should be True or False"
            )
        if self.stream and (self.batching is not None or self.sink is not None):
            option, done = ("sink=", "stored") if self.batching is None else ("batch=", "done")
            raise UsageError(
                f"stage {self.name!r}: stream=True does not go with {option}: what is made of an "
                f"item goes on when it is {done}"
            )
        said = options_of(f"stage {self.name!r}", workers=self.workers, **self.said)
        return replace(self, workers=said.pop("workers", None), said=said)

    def spec(self, settings: Settings) -> StageSpec:
        """Return its policy, with the settings where the stage says nothing."""
        policy = {name: getattr(settings, name) for name in OPTIONS} | dict(self.said)
        return StageSpec(
            name=self.name, was=self.was, stream=self.stream, batching=self.batching, **policy
        )


def sink_of(given: Any) -> Sink | FileSink | None:
    """Return the sink that a stage has said.

    Raises:
        UsageError: It is none.
    """
    if given is None:
        return None
    from persistq.sinks import FileSink, Sink

    return given if isinstance(given, Sink | FileSink) else Sink(given)


def extras_of(
    handler: Callable[..., Any], names: frozenset[str] = EXTRAS, *, what: str
) -> frozenset[str]:
    """Return which extra parameters a handler takes.

    Args:
        handler: The handler.
        names: Those that somebody fills.
        what: What it is, for the message.

    Raises:
        UsageError: It takes no item, or a parameter that nobody fills.
    """
    parameters = parameters_of(handler)
    if parameters is not None and not any(map(_takes_item, list(parameters.values())[:1])):
        raise UsageError(f"{what} takes no parameter: its first one is the item")
    return filled(handler, names, what, after=1)


def _takes_item(parameter: Parameter) -> bool:
    return parameter.kind not in {parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD}


def outputs_of(result: Any) -> Iterable[Any]:
    """Return the items in a handler's result: what it yields, or returns unless None.

    A generator, or a `map` and its like, runs while they are gone through; before its end its work
    is not done, and an error in it comes before anything is recorded.

    Raises:
        NotAResult: It is, or yields, what only promises a result, or is to be raised.
    """
    if result is None:
        return ()
    kind: Any = type(result)
    if is_plain(result, kind):
        return (result,)
    if _is_lazy(kind) and not promise(result):
        return _yielded(result)
    _require(result, "returned")
    return (result,)


def _yielded(results: Iterable[Any]) -> Iterator[Any]:
    for output in results:
        kind: Any = type(output)
        if not is_plain(output, kind):
            _require(output, "yielded")
        yield output


def _require(output: Any, verb: str) -> None:
    require_result(output, "the handler", verb)
    if isinstance(output, _REQUESTS) or any(output is request for request in _REQUESTS):
        raise NotAResult("the handler", f"{verb} {output!r}: raise it")


_REQUESTS: Final = (Retry, Drop)


@lru_cache(maxsize=1024)
def _is_lazy(kind: type) -> bool:
    """Return whether objects of a type compute their parts when these are asked for."""
    if kind.__module__ in {"builtins", "itertools"}:
        return issubclass(kind, Iterator)
    # What other modules iterate over may be a file or a cursor, which are done without that.
    return issubclass(kind, Generator)
