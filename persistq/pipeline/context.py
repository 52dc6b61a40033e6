"""A context: what each worker process makes once, and hands to its handlers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from persistq.errors import NotAResult, UsageError
from persistq.pipeline.callables import checked, filled, innermost, name_of, require_result


@dataclass(frozen=True, slots=True)
class Context:
    """The user's function.

    Attributes:
        name: What it is called.
        function: Called once in each worker process.
        takes_settings: Whether it has the parameter ``settings``.
    """

    name: str
    function: Callable[..., Any]
    takes_settings: bool

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Context:
        """Check a function.

        Raises:
            UsageError: It is a generator or a coroutine, or takes a parameter that nobody fills.
        """
        name = name_of(checked(function, "the context"))
        if inspect.isgeneratorfunction(innermost(function)):
            raise UsageError(
                f"the context {name!r} is a generator function, and handlers would get the "
                "generator: return what they are to get"
            )
        taken = filled(function, frozenset({"settings"}), f"the context {name!r}")
        return cls(name, function, bool(taken))

    def maker(self, settings: Any) -> Callable[[], Any]:
        """Return what a worker calls; it can be pickled if the function can."""
        return partial(made, self, settings if self.takes_settings else None)


def made(context: Context, settings: Any) -> Any:
    """Make a context in this process.

    Raises:
        NotAResult: The function has only promised to make one.
    """
    value = context.function(settings=settings) if context.takes_settings else context.function()
    what = f"the context {context.name!r}"
    require_result(value, what)
    if inspect.isgenerator(value):
        raise NotAResult(what, "returned a generator: return what handlers are to get")
    return value
