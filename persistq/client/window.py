"""What was handed to this process, and when it asks for more."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, count, islice, repeat
from typing import Any, Final

from persistq.blocks import Slice, count_of
from persistq.codec import decoded
from persistq.items import IdRange, ranges_of
from persistq.wire.messages import Items

Delivery = tuple[int, int, Any, int]
"""An item as it was handed to this process: its id, codec, payload, and attempts made before.

Codec and payload are for `persistq.codec.ItemCodec.decode`; what lay in a block of JSON with others
has been decoded with them, and the codec says so (`persistq.codec.VALUE`).

A plain tuple: a named one costs 100 ns to make, for each item.
"""

Together = tuple[int, list[Delivery]]
"""Items that are begun together: the name of the attempt, which is the id if it is one item, and
the items."""

NEVER = -1


def deliveries(
    slices: Iterable[Slice], failed: Mapping[int, int] | None = None
) -> Iterator[Delivery]:
    """Return the items of slices as they are handed out.

    Args:
        slices: The items.
        failed: The failed attempts of those that have any, by id.
    """
    return chain.from_iterable(_of_slice(part, failed) for part in slices)


def _of_slice(part: Slice, failed: Mapping[int, int] | None) -> Iterable[Delivery]:
    """Make deliveries of a slice with nothing done for each item in Python."""
    first_id, block, start, stop = part
    codec, payloads = decoded(block)
    ids = range(first_id + start, first_id + stop)
    attempts = map(failed.get, ids, repeat(0)) if failed else repeat(0)
    # Two of them are endless.
    return zip(ids, repeat(codec), payloads[start:stop], attempts)


FAILED_MAX: Final = 4096
"""Of so many items it is known at most how often they have failed: more than can be in hand."""


class Window:
    """Items handed to this process that nobody got yet.

    Threads take from its front at the same time without a lock, which `deque` allows. All else is
    called by one thread at a time.

    Attributes:
        items: The items, next one first.
        seen: How many windows have come, for requests.
        ask_at: The next window is asked for when so many are left, so that work never pauses; or
            ``NEVER``: it has been, or there is one item only.
        asked: Whether it was asked for, and has not come.
        failed: How often items have failed that were handed out lately, if they have.
    """

    def __init__(self) -> None:
        self.items: deque[Delivery] = deque()
        self.seen = 0
        self.ask_at = NEVER
        self.asked = False
        self.failed: dict[int, int] = {}
        self._received = 0
        self._attempts: deque[tuple[int, int]] = deque()

    @property
    def taken(self) -> int:
        """How many items were taken so far, by whomever."""
        return self._received - len(self.items)

    def add(self, handed: Items) -> bool:
        """Take in what the broker hands out; return whether it is several items."""
        number = count_of(handed.slices)
        self.seen += 1
        self.asked = False
        self.ask_at = number // 2 if number > 1 else NEVER
        self._received += number
        self._attempts.extend(zip(count(handed.first), handed.sizes, strict=False))
        self.items.extend(deliveries(handed.slices, handed.attempts))
        if handed.attempts:
            self._note_failed(handed.attempts)
        return number > 1

    def _note_failed(self, attempts: dict[int, int]) -> None:
        self.failed |= attempts
        for item_id in [*islice(self.failed, max(0, len(self.failed) - FAILED_MAX))]:
            del self.failed[item_id]

    def take_together(self) -> Together:
        """Take the items of the next attempt, which no other thread does at the same time.

        Raises:
            IndexError: There is none.
        """
        name, size = self._attempts.popleft() if self._attempts else (0, 1)
        items = [self.items.popleft() for _ in range(size)]
        return name if size > 1 else items[0][0], items

    def note_asked(self) -> bool:
        """Note that the next window is asked for now; False if it has been already."""
        if self.ask_at is NEVER:
            return False
        self.ask_at = NEVER
        self.asked = True
        return True

    def take_back(self) -> tuple[list[IdRange], bool]:
        """Empty it from its end, while another thread may take from its front.

        Returns:
            The ids of the items that nobody got, and whether more had been asked for.
        """
        taken: list[int] = []
        with contextlib.suppress(IndexError):
            while True:
                taken.append(self.items.pop()[0])
        self._attempts.clear()
        asked, self.asked = self.asked, False
        return ranges_of(taken[::-1]), asked
