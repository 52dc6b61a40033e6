"""Where what a stage makes may go, and what a handler puts there while it is at work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import get_ident
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from persistq import forking
from persistq.client.outputs import Encoder
from persistq.errors import NotAResult, UsageError
from persistq.groups import Grouping, MarkingCodec
from persistq.naturalkeys import KeyedCodec, NaturalKey
from persistq.ordering import OrderedCodec, Ordering
from persistq.pipeline.callables import require_result
from persistq.pipeline.typedcodec import TypedCodec
from persistq.routing import To

if TYPE_CHECKING:
    from persistq.codec import ItemCodec
    from persistq.groups import Encodes
    from persistq.pipeline.itemtype import ItemType


class Takes(Protocol):
    """Takes outputs, each for one queue."""

    def add(self, queue_id: int, value: Any) -> None:
        """Take one."""


@dataclass(frozen=True, slots=True)
class Routes:
    """The stages that may get what a stage makes.

    Attributes:
        stage: The stage.
        feeds: Those behind it, with their queues.
        puts: Those further ones that it may put into, with theirs.
        groupings: In which groups those get their items that get them so, by queue.
        keys: What says which of their items are the same, by queue, where that is not their values.
        orderings: In which order those hand out their items that have one, by queue.
        types: What their items are, by queue, where the handlers of their stages say it.
    """

    stage: str
    feeds: Mapping[str, int]
    puts: Mapping[str, int]
    groupings: Mapping[int, Grouping] = field(default_factory=dict)
    keys: Mapping[int, NaturalKey] = field(default_factory=dict)
    orderings: Mapping[int, Ordering] = field(default_factory=dict)
    types: Mapping[int, ItemType] = field(default_factory=dict)

    def codec(self, queue_id: int, codec: ItemCodec) -> Encoder:
        """Return what encodes items of a queue: with group, key and rank, if its stage has such."""
        grouping, key = self.groupings.get(queue_id), self.keys.get(queue_id)
        known, ordering = self.types.get(queue_id), self.orderings.get(queue_id)
        typed: Encodes = codec if known is None else TypedCodec(codec, known)
        grouped = typed if grouping is None else MarkingCodec(typed, grouping)
        keyed = grouped if key is None else KeyedCodec(grouped, key)
        return keyed if ordering is None else OrderedCodec(keyed, ordering)

    @property
    def many(self) -> bool:
        """Whether an output may have to say where it goes."""
        return bool(self.puts) or len(self.feeds) > 1

    def queues(self, to: To) -> list[int]:
        """Return the queues that get an item.

        Raises:
            NotAResult: One of them is of no stage that this one says it feeds.
        """
        known = {**self.feeds, **self.puts}
        if unknown := [name for name in to.stages if name not in known]:
            raise NotAResult("the handler", f"puts into {unknown[0]!r}: {self._in_words()}")
        return [known[name] for name in dict.fromkeys(to.stages)]

    def unnamed(self) -> list[int]:
        """Return the queues that get an item that names none: at most one.

        Raises:
            NotAResult: There are several.
        """
        if len(self.feeds) > 1:
            raise NotAResult(
                "the handler",
                f"does not say which stage gets what it has made: {self._in_words()}; say it with "
                f"To({next(iter(self.feeds))!r}, item)",
            )
        return [*self.feeds.values()]

    def alone(self, to: To) -> Any:
        """Return the item of a `To` where there is one stage behind this one, and no other way."""
        self.queues(to)
        return to.item

    def _in_words(self) -> str:
        feeds, puts = _listed([*self.feeds]), _listed([*self.puts])
        also = f" and puts into {puts}" if puts else ""
        return f"stage {self.stage!r} feeds {feeds or 'no other'}{also}"


def routed(outputs: Iterable[Any], routes: Routes) -> Iterator[tuple[int, Any]]:
    """Yield outputs as they come, each with a queue that gets it.

    Raises:
        NotAResult: It is not known which.
    """
    for output in outputs:
        if type(output) is not To:
            yield from ((queue_id, output) for queue_id in routes.unnamed())
            continue
        require_result(output.item, "the handler", "yielded")
        yield from ((queue_id, output.item) for queue_id in routes.queues(output))


class _Attempt(NamedTuple):
    """The attempt that this process is at.

    Attributes:
        routes: Where its outputs may go.
        takes: Takes them.
        forks: How often the process had forked when it began.
        thread: Which thread is at it.
    """

    routes: Routes
    takes: Takes
    forks: int
    thread: int


_at_work: list[_Attempt] = []

_here: ContextVar[list[_Attempt]] = ContextVar("persistq_attempt")
"""The attempt of the present context, where there are others beside it; empty when it is over."""


@contextmanager
def at_work_here(routes: Routes, takes: Takes) -> Iterator[None]:
    """Do what `at_work` does for one of several attempts, in its context and copies of that."""
    attempt = [_Attempt(routes, takes, forking.forks, get_ident())]
    token = _here.set(attempt)
    try:
        yield
    finally:
        # Tasks that the handler has left behind put nothing any more.
        attempt.clear()
        _here.reset(token)


@contextmanager
def at_work(routes: Routes, takes: Takes) -> Iterator[None]:
    """Have what the handler puts with `put` taken as outputs of its item."""
    attempt = _Attempt(routes, takes, forking.forks, get_ident())
    _at_work.append(attempt)
    try:
        yield
    finally:
        # Several inline runs of one process come and go in any order.
        _at_work.remove(attempt)


def put(stage: str | tuple[str, ...], item: Any) -> None:
    """Put an item as an output of the one that the handler is at; see `Pipeline.put`.

    Raises:
        UsageError: No handler of a stage that may do so is at work in this process.
        NotAResult: Its stage does not say that it puts there.
    """
    attempt = _own_attempt()
    if attempt is None or attempt.forks != forking.forks:
        raise UsageError(
            f"put({stage!r}, ...) is for a handler while it is at work, in its own process, of a "
            "stage that says puts= or that feeds several; with batch=, sink= or group_by= it "
            "returns To(...) instead"
        )
    require_result(item, "the handler", "puts")
    for queue_id in attempt.routes.queues(To(stage, item)):
        attempt.takes.add(queue_id, item)


def _own_attempt() -> _Attempt | None:
    """Return the attempt of this context, or of this thread; that of another is its handler's."""
    here = _here.get(_at_work)
    own = (attempt for attempt in reversed(here) if attempt.thread == get_ident())
    return next(own, here[-1] if here else None)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(map(repr, names))
