"""A context: what each worker process makes once, and hands to its handlers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from persistq.pipeline.callables import called, filled, name_of
from persistq.pipeline.lifespan import Lifespan

if TYPE_CHECKING:
    from persistq.pipeline.eventloop import EventLoop


@dataclass(frozen=True, slots=True)
class Context:
    """The user's function.

    Attributes:
        name: What it is called.
        function: Called once in each worker process; see `Lifespan`.
        takes_settings: Whether it has the parameter ``settings``.
    """

    name: str
    function: Callable[..., Any]
    takes_settings: bool

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Context:
        """Check a function.

        Raises:
            UsageError: It is none, or takes a parameter that nobody fills.
        """
        name = name_of(called(function, "the context"))
        taken = filled(function, frozenset({"settings"}), f"the context {name!r}")
        return cls(name, function, bool(taken))

    def lifespan(self, settings: Any, loop: EventLoop | None = None) -> Lifespan:
        """Return its life in one process; it can be pickled if the function can.

        Args:
            settings: What it gets if it takes ``settings``.
            loop: Where it is awaited, if it is asynchronous.
        """
        arguments = {"settings": settings} if self.takes_settings else {}
        return Lifespan(self.function, arguments, loop)
