"""`persistq.map`: a function over items, in processes, whose results survive."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from inspect import Parameter
from multiprocessing import get_context, util
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

import msgspec

from persistq import ending
from persistq.codec import ItemCodec
from persistq.errors import UsageError
from persistq.journal.opening import open_reader
from persistq.origin import current_directory
from persistq.pickles import own_modules
from persistq.pipeline.aside import LEFT, Aside
from persistq.pipeline.callables import called, module_of_caller, name_of, parameters_of
from persistq.pipeline.definition import definition_of
from persistq.pipeline.feeding import Feeder
from persistq.pipeline.importable import require_importable
from persistq.pipeline.inorder import AsMade, InOrder
from persistq.pipeline.keeping import RESULTS
from persistq.pipeline.results import Results, kept_in
from persistq.pipeline.source import Source
from persistq.pipeline.stageoptions import stage_of
from persistq.pool.child import end_if_imported
from persistq.settings import Settings, load_settings

if TYPE_CHECKING:
    from types import TracebackType

    from persistq.journal.reader import JournalReader
    from persistq.pipeline.definition import Definition

T = TypeVar("T")
R = TypeVar("R")

PAUSE_S: Final = 0.01
PAUSE_MAX_S: Final = 0.05
"""How long to wait before the journal is looked at again for results, at first and at most."""

FUNCTION: Final = "function"
"""What the stage is called whose function has no name of its own, as a lambda."""

_EXIT_PRIORITY: Final = 100
"""Before multiprocessing joins this process's children, which would wait for more work."""


def map(  # noqa: A001 - as in `multiprocessing.Pool`
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    name: str,
    workers: int | None = None,
    ordered: bool = False,
    **overrides: Any,
) -> Mapped[R]:
    """Call a function with each item, in worker processes, and iterate over the results.

    It is a resumable `multiprocessing.Pool.imap_unordered`. Items and results are kept in a
    journal. Called again after a crash, it gives all results: first those that are there, then the
    others, for which alone the function is called. When the caller has got the last one, the load
    is over, and the next call begins anew.

    Example:
        >>> for size in persistq.map(fetch, urls, name="sizes", workers=8):     # doctest: +SKIP
        ...     print(size)

    Crash: each item has one result in the journal, recorded together with the end of its item. Who
    dies before the iteration has come to its end gets all results again. The function may be called
    again for the items that were at work. A power cut may take what was done in the last second.

    Args:
        function: Takes one item. What it returns is one result, also None; it has to be storable,
            as items have. Under another start method than fork it has to be importable.
        items: Any iterable. A thread of this process iterates over it, and waits while
            ``max_outstanding`` items are outstanding. A call that carries on iterates again, and
            what it repeats is recognised.
        name: Name of the load, and of its journal. Each call in a program needs its own.
        workers: Processes; None takes the setting, whose default is the number of CPUs. 0 calls the
            function in this process, on a thread.
        ordered: Whether results come in the order of the items; by default as they are made.
        overrides: Further settings by name, such as ``retries``, ``timeout`` or ``journal``.
            ``progress`` is ``none`` unless it is set somewhere.

    Returns:
        An iterator, which works meanwhile. Closing it, or letting go of it, ends the run when the
        items in hand are finished; the next call carries on. At its end it raises what
        `Pipeline.run` raises: `ItemsFailed` if items are parked, which have no results, and
        `LoadUnfinished` if the run has failed, with what ``items`` has raised as its cause.

    Raises:
        UsageError: The function takes more or fewer arguments, or cannot be called in other
            processes; the unfinished load of that name is that of another function.
        JournalError: The journal cannot be used, or a call of that name is at work.
    """
    end_if_imported()
    ending.install()
    settings = _settings(workers, overrides)
    _require_plain(function)
    if settings.workers != 0:
        require_importable(function, settings.start_method)
        if get_context(settings.start_method).get_start_method() != "fork":
            # Nothing but a fork starts in a directory that has been deleted.
            current_directory()
    feeder = Feeder(_checked(items))
    codec = ItemCodec(item_bytes_max=settings.item_bytes_max, own=own_modules(module_of_caller()))
    aside = Aside(_definition(name, function, feeder, codec), settings, feeder)
    return Mapped(aside, _results(aside, codec, ordered=ordered))


class Mapped(Iterator[R], Generic[R]):
    """The results of a `map`, while it works; use it in a ``with`` block to end it early.

    Args:
        aside: The run.
        results: Yields them.
    """

    def __init__(self, aside: Aside, results: Generator[R, None, None]) -> None:
        self._aside = aside
        self._results = results
        # Also at the end of the process, or when nobody has this object any more.
        self._finalizer = util.Finalize(self, aside.stop, exitpriority=_EXIT_PRIORITY)

    def __next__(self) -> R:
        try:
            return next(self._results)
        except KeyboardInterrupt:
            self._end("interrupted by SIGINT")
            raise
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the run, if it is still at work; the next call carries on.

        Crash: see `map`.
        """
        self._end(LEFT)

    def _end(self, reason: str) -> None:
        self._finalizer.cancel()
        self._aside.stop(reason)
        # It reads the journal as long as it is there. Another thread may be waiting in it.
        with suppress(ValueError):
            self._results.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _results(aside: Aside, codec: ItemCodec, *, ordered: bool) -> Generator[Any, None, None]:
    """Yield results while there may be more; then let the load be settled."""
    opened = aside.run.opened
    load_id, [stage, *_] = opened.welcome.load_id, opened.welcome.queues
    with closing(open_reader(opened.handle.site)) as reader:
        results = Results(reader, kept_in(reader.view(load_id)).queue_id, codec)
        order = InOrder(results, reader, stage.queue_id) if ordered else AsMade(results)
        pause, idle, complete = PAUSE_S, False, False
        while True:
            if page := results.more():
                yield from order.take(page)
                pause, idle = PAUSE_S, False
            elif order.passes():
                yield from order.take([])
            elif complete:
                break
            else:
                # To ask costs more than to look: who gets results all the time need not.
                complete = idle and _is_complete(aside, reader)
                idle = True
                if not complete:
                    aside.over.wait(pause)
                    pause = min(pause * 1.5, PAUSE_MAX_S)
        yield from order.rest()
    aside.finish()


def _is_complete(aside: Aside, reader: JournalReader) -> bool:
    """Return whether no result comes that is not in the journal by now."""
    load_id = aside.run.opened.welcome.load_id
    return aside.over.is_set() or reader.view(load_id).queues[0].settled


def _settings(workers: int | None, overrides: dict[str, Any]) -> Settings:
    settings = load_settings(workers=workers, **overrides)
    # A live line would be in the way of what the caller prints of its results.
    if settings.says("progress"):
        return settings
    return msgspec.structs.replace(settings, progress="none")


def _definition(
    name: str, function: Callable[..., Any], feeder: Feeder, codec: ItemCodec
) -> Definition:
    called_so = name_of(function)
    plain = called_so.isidentifier() and called_so != RESULTS
    stage = stage_of(function, {"name": called_so if plain else FUNCTION, "keep_results": True})
    sources = [
        Source("items", feeder.items, here=True),
        Source("caller", _nothing, to=RESULTS, here=True),
    ]
    stage = replace(stage, maps=True, extras=frozenset())
    return definition_of(name, sources, [stage], None, codec)


def _nothing() -> Iterator[Any]:
    """Yield what the caller puts: it takes."""
    return iter(())


def _checked(items: Any) -> Iterable[Any]:
    """Return items that can be iterated over.

    Raises:
        UsageError: They cannot.
    """
    try:
        # A source that returns a text means the whole.
        kept = type(items) in {list, tuple, range}
        found: Iterable[Any] = items if kept else iter(items)
        return found
    except TypeError:
        raise UsageError(f"the items of map are to be an iterable, and {items!r} is none") from None


def _require_plain(function: Any) -> None:
    """Require that a function can be called with one item and nothing else.

    Raises:
        UsageError: It cannot.
    """
    parameters = (parameters_of(called(function, "what map calls")) or {}).values()
    variadic = {Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD}
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in variadic]
    if len(needed) > 1:
        raise UsageError(
            f"the function {name_of(function)!r} needs {', '.join(needed)}, and map calls it with "
            "one item: bind the others with functools.partial, or give tuples as items"
        )
