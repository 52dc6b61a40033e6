"""Sources of a load: who put which items, and how far each has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from persistq.blocks import Block


@dataclass(slots=True)
class SourceRow:
    """A source of a load.

    Attributes:
        source_id: Its number; rises in the order in which its program names them.
        queue_id: What it puts on.
        name: Its name, which no other source of the queue has.
        ended: Whether it has come to its end, and is not called again.
    """

    source_id: int
    queue_id: int
    name: str
    ended: bool = False


class SourceSpan(NamedTuple):
    """From which item of a queue on it was another one that put.

    Attributes:
        first_id: The item.
        source_id: The source; None for what a stage has made.
    """

    first_id: int
    source_id: int | None


class Cursor(NamedTuple):
    """How far a source has come.

    Attributes:
        put: How many items of its queue were put up to it.
        value: The source's own value, as a block of one.
        duplicates: How many puts up to it were left out, as `QueueRow` counts them.
        skipped: The same.
    """

    put: int
    value: Block
    duplicates: int = 0
    skipped: int = 0
