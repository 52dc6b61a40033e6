"""Asynchronous functions and iterators, called and read by code that is not asynchronous."""

from __future__ import annotations

from collections.abc import AsyncIterable, Coroutine, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import asyncio

_END: Final = object()


class Loop:
    """An event loop, made when it is first needed, and closed with all its tasks at the end."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Return what a coroutine returns."""
        if self._runner is None:
            import asyncio  # It takes a while to import, and few sources need it.

            self._runner = asyncio.Runner()
        # Without the runner's own ways with Ctrl-C, which ends a source like any other.
        return self._runner.get_loop().run_until_complete(coroutine)

    def each(self, items: AsyncIterable[Any]) -> Iterator[Any]:
        """Yield what an asynchronous iterator yields; the loop runs while an item is awaited."""
        iterator = aiter(items)

        async def following() -> Any:
            return await anext(iterator, _END)

        while (item := self.run(following())) is not _END:
            yield item

    def __enter__(self) -> Loop:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._runner is not None:
            self._runner.__exit__(kind, error, trace)


def each(items: AsyncIterable[Any]) -> Iterator[Any]:
    """Yield what an asynchronous iterator yields.

    It has an event loop of its own, which runs while its next item is awaited, and is closed, with
    the iterator and all tasks, at the end.
    """
    with Loop() as loop:
        yield from loop.each(items)
