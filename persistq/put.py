"""`Put`: what a source yields to say beside an item how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn


@dataclass(frozen=True, slots=True)
class Put:
    """An item, and how far the source has come with it.

    Yielded by a source that has a parameter ``cursor``. Item and cursor are recorded in one
    transaction. When the source is called again in the same load, its argument ``cursor`` is the
    last one recorded (None if there is none), and it goes on behind it.

    Example:
        >>> def lines(path, cursor):
        ...     with open(path) as file:
        ...         file.seek(cursor or 0)
        ...         while line := file.readline():
        ...             yield Put(line, cursor=file.tell())

    Args:
        item: The item, of any type that can be stored.
        cursor: How far the source has come, of any such type; None says nothing new of that.
    """

    item: Any
    cursor: Any = None

    def __reduce__(self) -> NoReturn:
        raise TypeError("Put is no item: only a source that takes cursor yields it")
