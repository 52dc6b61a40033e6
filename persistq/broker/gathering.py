"""The items of a stage that groups: which wait for others, and which groups are complete.

What waits is on disk, and known here by its id: eight bytes for each item, and some hundred for
each group that is not complete. A group that is complete is read again when somebody can take it.
"""

from __future__ import annotations

import heapq
from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Final, NamedTuple

from persistq.blocks import Slice
from persistq.broker.span import Span
from persistq.groups import LAST, Mark, marks_of
from persistq.items import ranges_of

READY_BYTES: Final = 4 << 20
"""So many bytes of complete groups are read ahead."""

NO_GROUP: Final = Mark("", 0, "")
"""Of what was put before the stage grouped: it waits for what cannot come."""


class _Open:
    """A group that is not complete."""

    __slots__ = ("ids", "members", "size")

    def __init__(self) -> None:
        self.ids = array("q")
        self.members: set[str] = set()
        self.size = 0

    @property
    def count(self) -> int:
        """How many members there are."""
        return len(self.members) or len(self.ids)

    @property
    def complete(self) -> bool:
        """Whether nothing more is awaited."""
        return self.size == LAST or 0 < self.size <= self.count

    def add(self, item_id: int, mark: Mark) -> None:
        """Take in an item."""
        self.ids.append(item_id)
        if mark.member:
            self.members.add(mark.member)
        if mark.size:
            self.size = mark.size


class Incomplete(NamedTuple):
    """A group to which nothing more can come.

    Attributes:
        key: Its key, as it is stored.
        item_ids: Its items.
        count: How many members are there.
        size: How many there should be; 0 if that is not known.
    """

    key: str
    item_ids: list[int]
    count: int  # type: ignore[assignment]  # not how often something is in it
    size: int

    def __str__(self) -> str:
        if not self.key:
            return "it was put before its stage grouped, so it belongs to no group"
        of = f" of {self.size:,}" if self.size > 0 else ""
        awaited = "" if self.size > 0 else ", and its last one did not come"
        return f"nothing more comes, and group {self.key} has {self.count:,}{of}{awaited}"


class Gathering:
    """The groups of one queue.

    Attributes:
        waiting: How many items wait for others.
        dues: When items of an earlier run are tried again, by id, of those that are not read yet.
    """

    def __init__(self) -> None:
        self.waiting = 0
        self.dues: dict[int, float] = {}
        self._open: dict[str, _Open] = {}
        self._complete: deque[list[int]] = deque()
        self._delayed: list[tuple[float, int, list[int]]] = []
        self._ready: deque[list[Slice]] = deque()
        self._ready_bytes = 0
        self._order = count()

    def __bool__(self) -> bool:
        return bool(self._open or self._complete or self._delayed or self._ready)

    # --- items come ---

    def note(self, slices: Iterable[Slice]) -> None:
        """Take in items that are journaled."""
        for part in slices:
            first, last = part.ids
            try:
                marks = marks_of(part)
            except ValueError:
                # Whoever gets them says that they cannot be read.
                self._complete.extend([item_id] for item_id in range(first, last + 1))
                continue
            for item_id, mark in zip(range(first, last + 1), marks, strict=True):
                self._add(item_id, mark or NO_GROUP)

    def _add(self, item_id: int, mark: Mark) -> None:
        group = self._open.setdefault(mark.key, _Open())
        group.add(item_id, mark)
        self.waiting += 1
        if group.complete:
            del self._open[mark.key]
            self.waiting -= len(group.ids)
            self._line_up(sorted(group.ids))

    def _line_up(self, item_ids: list[int]) -> None:
        due = max((self.dues.pop(item_id, 0.0) for item_id in item_ids), default=0.0)
        if due:
            self.delay(item_ids, due)
        else:
            self._complete.append(item_ids)

    def delay(self, item_ids: list[int], due: float) -> None:
        """Have items, which are a group, wait until a time."""
        heapq.heappush(self._delayed, (due, next(self._order), item_ids))

    def put_back(self, slices: Sequence[Slice]) -> None:
        """Take in what was handed out and not finished, at the front, group by group."""
        returned: dict[str, list[Slice]] = {}
        for part in slices:
            try:
                [*keys] = {(mark or NO_GROUP).key for mark in marks_of(part)}
            except ValueError:
                keys = [f"\0{part.first_id}"]
            if len(keys) == 1:
                returned.setdefault(keys[0], []).append(part)
                continue
            for one in part.apart():
                mark = marks_of(one)[0] or NO_GROUP
                returned.setdefault(mark.key, []).append(one)
        for group in reversed(returned.values()):
            self._ready.appendleft(group)
            self._ready_bytes += _size(group)

    # --- groups go ---

    @property
    def due(self) -> float | None:
        """When the next group is due that waits for its time."""
        return self._delayed[0][0] if self._delayed else None

    @property
    def delayed(self) -> int:
        """How many items wait for their time."""
        return sum(len(item_ids) for _, _, item_ids in self._delayed) + len(self.dues)

    @property
    def ready(self) -> bool:
        """Whether a group can be handed out."""
        return bool(self._ready)

    @property
    def unread(self) -> bool:
        """Whether a group is complete and has to be read."""
        return bool(self._complete) and self._ready_bytes < READY_BYTES

    def wake(self, now: float) -> None:
        """Line up groups whose time has come."""
        while self._delayed and self._delayed[0][0] <= now:
            self._complete.append(heapq.heappop(self._delayed)[2])

    def wanted(self) -> tuple[int, list[Span]]:
        """Return how many items the next group has, and the ranges to read."""
        ranges = ranges_of(self._complete[0])
        return len(self._complete[0]), [Span(first - 1, last) for first, last in ranges]

    def have_read(self, slices: list[Slice]) -> None:
        """Take in the group that was wanted."""
        self._complete.popleft()
        self._ready.append(slices)
        self._ready_bytes += _size(slices)

    def take(self) -> list[Slice]:
        """Take the next group, nothing if there is none."""
        if not self._ready:
            return []
        slices = self._ready.popleft()
        self._ready_bytes -= _size(slices)
        return slices

    # --- the end ---

    @property
    def incomplete(self) -> bool:
        """Whether there are groups that are not complete."""
        return bool(self._open)

    def give_up(self, most: int) -> Iterator[Incomplete]:
        """Take out groups that are not complete, until they have so many items together."""
        taken = 0
        while self._open and taken < most:
            key, group = self._open.popitem()
            self.waiting -= len(group.ids)
            taken += len(group.ids)
            yield Incomplete(key, sorted(group.ids), group.count, group.size)


def _size(slices: Sequence[Slice]) -> int:
    return sum(part.size for part in slices)
