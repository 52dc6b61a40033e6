"""`To`: what a handler yields to say which stage gets an item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn


@dataclass(frozen=True, slots=True)
class To:
    """An item, and the stage that gets it.

    Yielded, or returned, by a handler whose stage feeds several others, or may put into earlier
    ones. It is recorded in the transaction that records the handler's own item as done.

    Example:
        >>> def route(page):
        ...     yield To("store", page["text"])
        ...     for link in page["links"]:
        ...         yield To("fetch", link)

    Args:
        stage: The name of the stage, or several of them as a tuple: then each gets the item.
        item: The item, of any type that can be stored.
    """

    stage: str | tuple[str, ...]
    item: Any

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the stages."""
        return (self.stage,) if isinstance(self.stage, str) else tuple(self.stage)

    def __reduce__(self) -> NoReturn:
        raise TypeError("To is no item: only a handler yields it, to say which stage gets one")
