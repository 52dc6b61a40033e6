"""Events: what happens in a journal, numbered in the order of its commits."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any, NamedTuple

from persistq.itemnames import item_name
from persistq.items import FailureKind, IdRange


class EventKind(enum.StrEnum):
    """What has happened; the texts are stored in the journal, and are those of JSON."""

    PUT = "put"
    """Items were put, or made by a stage."""
    FAILED = "failed"
    """An attempt at an item has failed; it is tried again, unless it is parked next."""
    PARKED = "parked"
    """Items have failed for good."""
    RETRIED = "retried"
    """Parked items were put back to work by hand."""
    DISCARDED = "discarded"
    """Parked items were dropped, or replaced, by hand."""
    SETTLED = "settled"
    """A load has come to its end: each item is done, dropped or parked."""
    ABANDONED = "abandoned"
    """A load was given up for a new one, with what was outstanding in it."""


class Event(NamedTuple):
    """One thing that has happened.

    Attributes:
        number: Its place in the order of commits, which is the cursor behind it.
        kind: What has happened.
        at: When, by the clock of the broker.
        load: Number of the load.
        stage: The stage of the items; empty if it is about the load.
        ids: The ids of the items, one event may tell of many; None if it is about the load.
        error: Of what has failed, the error in one text; secrets in it are masked. Empty else.
        cause: How it has failed; None if it has not.
        retry_at: When it is tried again; None if at once, or never.
    """

    number: int
    kind: EventKind
    at: datetime
    load: int
    stage: str = ""
    ids: IdRange | None = None
    error: str = ""
    cause: FailureKind | None = None
    retry_at: datetime | None = None

    @property
    def items(self) -> int:
        """How many items it is about."""
        return 0 if self.ids is None else self.ids.count

    @property
    def first(self) -> str:
        """What the first of its items is called, such as ``clean:6@3``; empty if there is none."""
        return "" if self.ids is None else item_name(self.stage, self.ids.first, self.load)

    @property
    def last(self) -> str:
        """What the last of its items is called; empty if there is none."""
        return "" if self.ids is None else item_name(self.stage, self.ids.last, self.load)

    def as_object(self) -> dict[str, Any]:
        """Return it as JSON has it: the same members for all kinds."""
        return {
            "event": self.number,
            "kind": self.kind.value,
            "at": self.at.isoformat(),
            "load": self.load,
            "stage": self.stage or None,
            "items": self.items,
            "first": self.first or None,
            "last": self.last or None,
            "error": self.error or None,
            "cause": None if self.cause is None else self.cause.value,
            "retry_at": None if self.retry_at is None else self.retry_at.isoformat(),
        }
