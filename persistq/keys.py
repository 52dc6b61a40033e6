"""Keys: what names an item everywhere, where its id does so in its journal only.

A key is ``<run>-<id>``: the UUID of the run that put the item as 32 hex digits, a hyphen, and the
item's id. Ids are given in order, so to know which run put an item it is enough to know how many
there were when each run began.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

KEY_LENGTH_MAX: Final = 52
"""Characters of the longest key: all of them are digits, ``a`` to ``f``, and one hyphen."""


class PutSpan(NamedTuple):
    """Items that one run put on one queue, up to where the next span begins.

    Attributes:
        after_id: Id of the last item before them.
        run: UUID of the run, 32 hex digits.
    """

    after_id: int
    run: str


class ItemKeys:
    """Makes the keys of one queue's items.

    Args:
        spans: Which run put which items, in order; ids in front of the first are not known.
    """

    def __init__(self, spans: Sequence[PutSpan]) -> None:
        self._after = [span.after_id for span in spans]
        self._runs = [span.run for span in spans]

    def of(self, item_id: int) -> str:
        """Return the key of an item, at most `KEY_LENGTH_MAX` ASCII characters.

        Raises:
            LookupError: It lies in front of all spans.
        """
        return f"{self._runs[self._place(item_id)]}-{item_id}"

    def runs(self, first: int, last: int) -> Iterator[tuple[str, int, int]]:
        """Yield who put consecutive items: a run, and the first and the last of those it put.

        Raises:
            LookupError: The first one lies in front of all spans.
        """
        place = self._place(first)
        for run, after in zip(self._runs[place:], [*self._after[place + 1 :], last], strict=True):
            if first <= (end := min(after, last)):
                yield run, first, end
                first = end + 1

    def _place(self, item_id: int) -> int:
        position = bisect_left(self._after, item_id)
        if not position:
            raise LookupError(f"it is not known which run put item {item_id}")
        return position - 1
