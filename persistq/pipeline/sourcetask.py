"""The task of a source's process: what it is told, and how it encodes what the source yields."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from persistq.blocks import Block
from persistq.client.handle import Handle
from persistq.codec import ItemCodec
from persistq.errors import ItemNotStorable, NotAResult
from persistq.groups import Encodes, Grouping, MarkingCodec
from persistq.naturalkeys import NaturalKey
from persistq.ordering import Ordering
from persistq.pipeline import awaiting
from persistq.pipeline.callables import require_result
from persistq.pipeline.cursors import Cursors
from persistq.pipeline.parameters import CURSOR
from persistq.pipeline.source import Source
from persistq.pipeline.typedcodec import TypedCodec
from persistq.put import Put

Encoded = tuple[int, bytes, Block | None, bytes | None, int | None, int | None]
"""A codec's number, an item's payload, how far the source has come with it, the digest of its
natural key, its rank, and until when it waits: what `Producer.put_one` takes."""


@dataclass(frozen=True, slots=True)
class SourceTask:
    """What a source's process is told when it starts.

    Attributes:
        handle: The run, and the queue to put on.
        source: The source.
        arguments: What it is called with, but for its cursor.
        codec: Encodes items.
        cursors: Its cursors; None if it takes none.
        grouping: In which groups the stage behind it gets its items, if in any.
        key: Says which items are the same; None if their whole values do.
        ordering: In which order the stage behind it gets its items, if in any.
        typed: Encodes items in place of ``codec``, where the handler that gets them says what they
            are.
        grace: If it raises, how long what it has put may be worked off, in seconds.
        sample: After so many items it is over; None is when it says so.
        log_levels: The levels of the supervisor's loggers, by name.
    """

    handle: Handle
    source: Source
    arguments: dict[str, Any]
    codec: ItemCodec
    cursors: Cursors | None = None
    grouping: Grouping | None = None
    key: NaturalKey | None = None
    ordering: Ordering | None = None
    typed: TypedCodec | None = None
    grace: float = 0.0
    sample: int | None = None
    log_levels: Mapping[str, int] = field(default_factory=dict)

    @property
    def encodes(self) -> Encodes:
        """What encodes items."""
        codec = self.typed or self.codec
        return codec if self.grouping is None else MarkingCodec(codec, self.grouping)

    @property
    def encoder(self) -> Callable[[Any], tuple[Any, ...]]:
        """What makes of each value what `Producer.put_one` takes."""
        return self.encodes.encode if self._has_values_only else self.encode

    @property
    def is_plain(self) -> bool:
        """Whether its items are nothing but their values, in the form that those have."""
        return self.typed is None and self._has_values_only

    @property
    def _has_values_only(self) -> bool:
        marks = (self.cursors, self.key, self.grouping, self.ordering)
        return all(mark is None for mark in marks)

    def called_with(self, cursor: Block | None) -> dict[str, Any]:
        """Return the arguments of the source.

        Args:
            cursor: The last cursor that was recorded, if any.

        Raises:
            CursorNotReadable: It cannot be decoded here.
        """
        if self.cursors is None:
            return self.arguments
        return {**self.arguments, CURSOR: self.cursors.value(cursor)}

    def encoded(self, item: Any) -> tuple[Any, ...]:
        """Encode what the source has yielded, be it a `Put`; errors as for `encode`."""
        try:
            return self.encoder(item)
        except ItemNotStorable:
            if type(item) is not Put:
                raise
            return self.encode(item)

    def encode(self, item: Any) -> Encoded:
        """Encode what a source has yielded that says more of its items than what they are.

        Raises:
            ItemNotStorable: Item or cursor cannot be encoded.
            ItemNotValid: The item is not what the handler that gets it says.
            KeyNotUsable: The item has no key.
            OrderNotUsable: It has no place in the order of the stage.
            NotAResult: It comes with a cursor, and the source takes none.
            UsageError: It waits for what is no length of time.
        """
        cursor = due = None
        if type(item) is Put:
            cursor, due, item = self._cursor(item), item.due(), item.item
        number, payload = self.encodes.encode(item)
        digest = None if self.key is None else self.key.digest(item)
        rank = None if self.ordering is None else self.ordering.rank(item)
        return number, payload, cursor, digest, rank, due

    def _cursor(self, put: Put) -> Block | None:
        """Return how far the source has come, as a block of one."""
        if put.cursor is None:
            return None
        if self.cursors is None:
            what = f"source {self.source.name!r}"
            raise NotAResult(what, "yields a cursor and takes none: give it a parameter cursor")
        return self.cursors.block(put.cursor)

    def iterable(self, found: Any) -> Iterable[Any]:
        """Return what the source has returned if it is a number of items.

        Raises:
            NotAResult: It is not.
        """
        if isinstance(found, AsyncIterable):
            return awaiting.each(found)
        what = f"source {self.source.name!r}"
        require_result(found, what)
        # A text has characters as its items, but whoever returns one means the whole.
        if not isinstance(found, str | bytes):
            with contextlib.suppress(TypeError):
                iterator: Iterable[Any] = iter(found)
                return iterator
        seen = "None" if found is None else f"one {type(found).__name__}"
        raise NotAResult(
            what, f"returned {seen}: it has to yield the items, or return a list of them"
        )
