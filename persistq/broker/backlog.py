"""The items of a queue that are on disk only, and are read from the journal when there is room."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from persistq.broker.span import Span

if TYPE_CHECKING:
    from persistq.blocks import Slice


class Backlog(deque[Span]):
    """Ranges still to be read, in order."""

    def leave(self, after: int, last: int) -> None:
        """Leave newly journaled items on disk, behind all others."""
        end = self[-1] if self else None
        if end is not None and end.untouched and end.last == after:
            end.last = last
        else:
            self.append(Span(after, last, untouched=True))

    def have_read(self, slices: Sequence[Slice]) -> None:
        """A page of the first range was read; if it was empty, or the last one, all of it was."""
        span = self[0]
        if not slices or slices[-1].ids.last >= span.last:
            self.popleft()
        else:
            span.after = slices[-1].ids.last

    def found_in(self, item_ids: Iterable[int]) -> set[int]:
        """Return which of these items will be found when all is read."""
        return {n for n in item_ids if any(span.after < n <= span.last for span in self)}
