"""The life of a context in one process: set up when it is first asked for, cleaned up once."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from persistq import failpoints
from persistq.pipeline.callables import name_of, require_result
from persistq.pipeline.eventloop import EventLoop

if TYPE_CHECKING:
    import asyncio

MADE_BY_CONTEXTLIB = frozenset({"_GeneratorContextManager", "_AsyncGeneratorContextManager"})
"""Types that are there to be entered, and for nothing else."""


class Lifespan:
    """A context in one process.

    What is sent to another process begins anew there. The function may return the context, promise
    it (``async def``), yield it once, or be or make a context manager, asynchronous ones included.
    What a plain function returns is handed over as it is: a connection that could be entered is
    not, because for many that begins a transaction.

    Crash: what is to be done after the ``yield``, or at the manager's exit, is not done if the
    process is killed.

    Args:
        function: Makes the context.
        arguments: What it is called with.
        loop: Where it is awaited, if it is asynchronous.

    Attributes:
        cleans_up: Whether it has been set up, and is to be cleaned up.
    """

    def __init__(
        self, function: Callable[..., Any], arguments: dict[str, Any], loop: EventLoop | None = None
    ) -> None:
        self._function = function
        self._arguments = arguments
        self._loop = loop or EventLoop()
        self._stack = contextlib.ExitStack()
        self._value: Any = None
        self._begun = False
        self.cleans_up = False

    def __reduce__(self) -> tuple[Any, ...]:
        return Lifespan, (self._function, self._arguments, self._loop)

    @property
    def loop(self) -> EventLoop:
        """Where it is awaited, and the handlers of its process with it."""
        return self._loop

    @property
    def what(self) -> str:
        """What it is called, for messages."""
        return f"the context {name_of(self._function)!r}"

    def set_up(self) -> Any:
        """Return the context, which is made by the first call.

        Raises:
            NotAResult: The function has only promised to make one.
            BaseException: Whatever it raises.
        """
        if not self._begun:
            self._begun = True
            failpoints.point("worker.before_set_up")
            self._value = self._made(self._function(**self._arguments))
        return self._value

    def clean_up(self) -> None:
        """Do what is to be done when the context is needed no more; a second call does nothing.

        Raises:
            BaseException: Whatever the user's code raises.
        """
        stack, self._stack = self._stack, contextlib.ExitStack()
        try:
            if self.cleans_up:
                self.cleans_up = False
                failpoints.point("worker.before_clean_up")
            stack.close()
        finally:
            self._loop.close()

    # --- inside ---

    def _made(self, value: Any) -> Any:
        if _is_asynchronous(value, self._function):
            self.cleans_up = True
            living = _Living(value, self._function, self._loop)
            self._stack.callback(living.end)
            return living.begin()
        manager = _manager_of(value, self._function)
        if manager is None:
            require_result(value, self.what)
            return value
        self.cleans_up = True
        return self._stack.enter_context(manager)


class _Living:
    """An asynchronous context: one task enters and leaves it, as task groups in it expect."""

    def __init__(self, promised: Any, function: Callable[..., Any], loop: EventLoop) -> None:
        self._promised = promised
        self._function = function
        self._loop = loop
        self._task: asyncio.Task[None] | None = None
        self._over: asyncio.Event | None = None

    def begin(self) -> Any:
        return self._loop.run(self._begun())

    def end(self) -> None:
        task, over = self._task, self._over
        if task is not None and over is not None:
            over.set()
            self._loop.run(task)

    async def _begun(self) -> Any:
        import asyncio

        ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        over = asyncio.Event()
        task = asyncio.create_task(self._live(ready, over))
        await asyncio.wait([ready, task], return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            # It has raised, and nothing is left of it.
            task.result()
        self._task, self._over = task, over
        return ready.result()

    async def _live(self, ready: asyncio.Future[Any], over: asyncio.Event) -> None:
        async with contextlib.AsyncExitStack() as stack:
            ready.set_result(await self._entered(self._promised, stack))
            await over.wait()

    async def _entered(self, value: Any, stack: contextlib.AsyncExitStack) -> Any:
        if inspect.iscoroutine(value):
            value = await value
        if (manager := _async_manager_of(value, self._function)) is not None:
            return await stack.enter_async_context(manager)
        if (plain := _manager_of(value, self._function)) is not None:
            return stack.enter_context(plain)
        if inspect.iscoroutine(value):
            require_result(value, f"the context {name_of(self._function)!r}")
        # What can be awaited may well be a context once it was: a pool of connections is.
        return value


def _is_asynchronous(value: Any, function: Callable[..., Any]) -> bool:
    return inspect.iscoroutine(value) or _async_manager_of(value, function) is not None


def _manager_of(
    value: Any, function: Callable[..., Any]
) -> contextlib.AbstractContextManager[Any] | None:
    """Return what has to be entered to get a context, None if the value is one."""
    if inspect.isgenerator(value):
        return contextlib.contextmanager(lambda: value)()
    return value if _is_to_be_entered(value, function, "__enter__") else None


def _async_manager_of(
    value: Any, function: Callable[..., Any]
) -> contextlib.AbstractAsyncContextManager[Any] | None:
    if inspect.isasyncgen(value):
        return contextlib.asynccontextmanager(lambda: value)()
    both = hasattr(type(value), "__enter__")
    return value if not both and _is_to_be_entered(value, function, "__aenter__") else None


def _is_to_be_entered(value: Any, function: Callable[..., Any], method: str) -> bool:
    """Return whether it is a context manager that was given as one."""
    if not hasattr(type(value), method):
        return False
    # A class of context managers that is decorated itself has no other meaning.
    return inspect.isclass(function) or type(value).__name__ in MADE_BY_CONTEXTLIB
