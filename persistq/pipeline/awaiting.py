"""Asynchronous iterators, read item by item by code that is not asynchronous."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterator
from typing import Any, Final

_END: Final = object()


def each(items: AsyncIterable[Any]) -> Iterator[Any]:
    """Yield what an asynchronous iterator yields.

    It has an event loop of its own, which runs while its next item is awaited, and is closed, with
    the iterator and all tasks, at the end.
    """
    import asyncio  # It takes a while to import, and few sources need it.

    iterator = aiter(items)

    async def following() -> Any:
        return await anext(iterator, _END)

    with asyncio.Runner() as runner:
        # Without the runner's own ways with Ctrl-C, which ends a source like any other.
        loop = runner.get_loop()
        while (item := loop.run_until_complete(following())) is not _END:
            yield item
