"""The items in what a handler returns or yields."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from functools import lru_cache
from typing import Any, Final

from persistq.errors import NotAResult
from persistq.flow import Drop, Retry
from persistq.pipeline.callables import require_result
from persistq.promises import is_plain, promise
from persistq.routing import To

_REQUESTS: Final = (Retry, Drop)
"""What a handler asks for by raising it."""


def outputs_of(result: Any, alone: Callable[[To], Any] | None = None) -> Iterable[Any]:
    """Return the items in a handler's result: what it yields, or returns unless None.

    A generator, or a `map` and its like, runs while they are gone through; before its end its work
    is not done, and an error in it comes before anything is recorded.

    Args:
        result: What it has returned.
        alone: Takes the item out of a `To`, where all goes to the same stage; None leaves it in.

    Raises:
        NotAResult: It is, or yields, what only promises a result, or is to be raised.
    """
    if result is None:
        return ()
    kind: Any = type(result)
    if is_plain(result, kind):
        return (result,)
    if _is_lazy(kind) and not promise(result):
        return _yielded(result, alone)
    return (_required(result, "returned", alone),)


def output_of(output: Any, alone: Callable[[To], Any] | None = None) -> Any:
    """Return an item that a handler yields.

    Args:
        output: What it has yielded.
        alone: As for `outputs_of`.

    Raises:
        NotAResult: It is what only promises a result, or is to be raised.
    """
    kind: Any = type(output)
    return output if is_plain(output, kind) else _required(output, "yielded", alone)


def _yielded(results: Iterable[Any], alone: Callable[[To], Any] | None) -> Iterator[Any]:
    for output in results:
        kind: Any = type(output)
        yield output if is_plain(output, kind) else _required(output, "yielded", alone)


def _required(output: Any, verb: str, alone: Callable[[To], Any] | None) -> Any:
    if type(output) is To:
        if alone is None:
            return output
        output = alone(output)
    require_result(output, "the handler", verb)
    if isinstance(output, _REQUESTS) or any(output is request for request in _REQUESTS):
        raise NotAResult("the handler", f"{verb} {output!r}: raise it")
    return output


@lru_cache(maxsize=1024)
def _is_lazy(kind: type) -> bool:
    """Return whether objects of a type compute their parts when these are asked for."""
    if kind.__module__ in {"builtins", "itertools"}:
        return issubclass(kind, Iterator)
    # What other modules iterate over may be a file or a cursor, which are done without that.
    return issubclass(kind, Generator)
