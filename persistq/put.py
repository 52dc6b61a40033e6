"""`Put`: what a source yields to say beside an item how far it has come, or that it waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

from persistq.duration import due_of


@dataclass(frozen=True, slots=True)
class Put:
    """An item, and how far the source has come with it, or how long it waits.

    With a cursor it is yielded by a source that has a parameter ``cursor``. Item and cursor are
    recorded in one transaction. When the source is called again in the same load, its argument
    ``cursor`` is the last one recorded (None if there is none), and it goes on behind it.

    With a delay the item is handed out when that time has passed, also if everything is killed in
    between; until then it is outstanding.

    Example:
        >>> def lines(path, cursor):
        ...     with open(path) as file:
        ...         file.seek(cursor or 0)
        ...         while line := file.readline():
        ...             yield Put(line, cursor=file.tell())

    Args:
        item: The item, of any type that can be stored.
        cursor: How far the source has come, of any such type; None says nothing new of that.
        delay: How long the item waits from now on, in seconds or as a text like ``"5min"``, a week
            at most; None is not at all.
    """

    item: Any
    cursor: Any = None
    delay: float | str | None = None

    def due(self) -> int | None:
        """Return until when the item waits, in milliseconds since 1970; None if it does not.

        Raises:
            UsageError: The delay is no length of time.
        """
        return None if self.delay is None else due_of("Put(..., delay)", self.delay)

    def __reduce__(self) -> NoReturn:
        raise TypeError("Put is no item: only a source yields it")
