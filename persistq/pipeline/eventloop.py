"""The event loop of one process, for what is asynchronous in code that is not."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


class EventLoop:
    """An event loop that is made when it is first needed, and runs while something is awaited.

    Between two calls of `run` its tasks stand still. The runner's own ways with Ctrl-C are left
    out: it ends what is awaited like anything else.
    """

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # What is sent to another process is made anew there, once for all who share it.
        return EventLoop, ()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop itself."""
        if self._runner is None:
            import asyncio  # It takes a while to import, and few pipelines need it.

            self._runner = asyncio.Runner()
        return self._runner.get_loop()

    def run(self, awaited: Awaitable[T]) -> T:
        """Return what an awaitable results in."""
        import asyncio

        loop = self.loop
        return loop.run_until_complete(asyncio.ensure_future(awaited, loop=loop))

    def close(self) -> None:
        """Cancel and await what is left, and close the loop; nothing if there is none."""
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.close()
