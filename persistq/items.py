"""The nouns: what an item is, how it can end, and the two sentinels.

An item's life, and who moves it::

              ┌── retry, or its worker died ──┐
              ▼                               │
    put ─► outstanding ─► in a worker's hands ─┼─► done       (the handler returned)
              ▲                               ├─► dropped    (it raised Drop)
              └── retried by hand ── parked ◄─┘              (its attempts are used up)
"""

from __future__ import annotations

import enum
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from persistq.outcome import Outcome

QUEUE_SHIFT: Final = 40
"""``item_id = queue_id << QUEUE_SHIFT | n``: one integer key keeps each queue's log contiguous."""

DAMAGED: Final = -1
"""Stands for the codec of an item whose bytes cannot be read; its payload is empty then."""

ITEMS_PER_QUEUE_MAX: Final = (1 << QUEUE_SHIFT) - 1


ITEM_ID_BEHIND: Final = 1 << 63
"""Greater than any item's id."""


class Item(NamedTuple):
    """One unit of work as broker and journal see it: never decoded.

    Attributes:
        item_id: Unique in its journal, never reused.
        codec: How the payload is encoded, a `persistq.codec.Codec` number.
        payload: The encoded value.
    """

    item_id: int
    codec: int
    payload: bytes


class IdRange(NamedTuple):
    """Items of one queue with consecutive ids.

    Attributes:
        first: Id of the first one.
        last: Id of the last one; not smaller.
    """

    first: int
    last: int

    @property
    def count(self) -> int:  # type: ignore[override]  # not how often a number is in it
        """How many."""
        return self.last - self.first + 1


def ranges_of(item_ids: Sequence[int]) -> list[IdRange]:
    """Return ids, in any order and each once, as few ranges, in order."""
    if not item_ids:
        return []
    first, last = item_ids[0], item_ids[-1]
    if last - first + 1 == len(item_ids) and item_ids == list(range(first, last + 1)):
        return [IdRange(first, last)]
    return [*_ranges_in(sorted(item_ids))]


def _ranges_in(ordered: Sequence[int]) -> Iterator[IdRange]:
    first = last = ordered[0]
    for item_id in ordered[1:]:
        if item_id != last + 1 or queue_of(item_id) != queue_of(last):
            yield IdRange(first, last)
            first = item_id
        last = item_id
    yield IdRange(first, last)


def merged(ranges: Iterable[IdRange]) -> list[IdRange]:
    """Return ranges, none of which overlap, in order and with neighbours joined."""
    joined: list[IdRange] = []
    for one in sorted(ranges):
        if (
            joined
            and joined[-1].last + 1 == one.first
            and queue_of(one.first) == queue_of(joined[-1].last)
        ):
            joined[-1] = IdRange(joined[-1].first, one.last)
        else:
            joined.append(one)
    return joined


def is_within(ranges: Sequence[IdRange], item_id: int) -> bool:
    """Return whether an id is in one of several ranges, which are in order."""
    position = bisect_right(ranges, (item_id, ITEM_ID_BEHIND)) - 1
    return position >= 0 and item_id <= ranges[position].last


def count_in(ranges: Iterable[IdRange]) -> int:
    """Return how many ids ranges have together."""
    return sum(last - first + 1 for first, last in ranges)


def ids_in(ranges: Iterable[IdRange]) -> Iterator[int]:
    """Return the ids of ranges one by one."""
    return (item_id for first, last in ranges for item_id in range(first, last + 1))


class DoneKind(enum.IntEnum):
    """How an item left the outstanding set for good; the numbers are stored in the done-log."""

    DONE = 0
    DROPPED = 1


class FailureKind(enum.StrEnum):
    """What went wrong with one attempt; the texts are stored in the journal."""

    EXCEPTION = "exception"
    CRASH = "crash"
    TIMEOUT = "timeout"
    SUSPECT = "suspect"
    """It was one of several that a worker died with, or that a call failed with; not counted."""
    DEFERRED = "deferred"
    """Its handler has put it off; not counted, and the last time stands for all of them."""

    @property
    def counts(self) -> bool:
        """Whether the item is parked after some of them."""
        return self not in {FailureKind.SUSPECT, FailureKind.DEFERRED}


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt at an item.

    Attributes:
        item_id: The item.
        kind: What went wrong.
        type: Name of the exception's class, or of the signal.
        message: The exception's text, capped.
        traceback: Formatted traceback, capped; empty for a crash.
        pid: Process that made the attempt, 0 when unknown.
        signal: Number of the signal that killed it, or None.
        exit_code: Exit status of the process, or None.
        peak_rss: Largest resident set of the process in bytes, or None when unknown.
        out_of_memory: Whether the kernel's OOM killer is the likely cause, or None when unknown.
        retry_at: When the item is tried again, in seconds since 1970; None if at once or never.
    """

    item_id: int
    kind: FailureKind
    type: str
    message: str
    traceback: str = ""
    pid: int = 0
    signal: int | None = None
    exit_code: int | None = None
    peak_rss: int | None = None
    out_of_memory: bool | None = None
    retry_at: float | None = None


class Sentinel(enum.Enum):
    """The two answers of a queue that are not items.

    Members of an enumeration are singletons in every process, however they travel, so ``is`` works;
    and they equal nothing else, so an item of 0, -1 or False is just an item.
    """

    DONE = Outcome.DONE
    FAILED = Outcome.FAILED

    def __repr__(self) -> str:
        return self.name


DONE: Final = Sentinel.DONE
"""All work is settled."""

FAILED: Final = Sentinel.FAILED
"""Something upstream gave up; the work stays in the journal."""


def item_id_of(queue_id: int, n: int) -> int:
    """Return the id of the n-th item (from 1) of a queue."""
    return queue_id << QUEUE_SHIFT | n


def queue_of(item_id: int) -> int:
    """Return the queue that an item belongs to."""
    return item_id >> QUEUE_SHIFT


def number_of(item_id: int) -> int:
    """Return an item's number within its queue, from 1."""
    return item_id & ITEMS_PER_QUEUE_MAX
