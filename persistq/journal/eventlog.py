"""What happens, in the order of commits: a row for each thing that others want to hear of.

It is written in the transaction that it tells of, so it is there exactly if that has happened. Puts
may be told of a moment later, together: one more page in each of many small commits would cost a
fifth of them. Each queue says up to which item they were told of, so none is forgotten.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from persistq import failpoints
from persistq.items import QUEUE_SHIFT, ranges_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from persistq.event import EventKind
    from persistq.journal.writer import Writer

OF_ITEMS: Final = "INSERT INTO event (kind, at, first_id, last_id) VALUES (?, ?, ?, ?)"
OF_LOAD: Final = "INSERT INTO event (kind, at, load_id) VALUES (:kind, :at, :of_load)"
OF_FAILURES: Final = """
    INSERT INTO event (kind, at, first_id, last_id, failure_id)
    SELECT 'failed', :at, item_id, item_id, failure_id FROM failure
    WHERE failure_id > :before AND kind <> 'deferred' ORDER BY failure_id"""
OF_PUTS: Final = f"""
    INSERT INTO event (kind, at, first_id, last_id)
    SELECT 'put', :at, (queue_id << {QUEUE_SHIFT}) + told + 1,
        (queue_id << {QUEUE_SHIFT}) + next_n - 1
    FROM queue WHERE queue_id IN (SELECT value FROM json_each(:ids)) AND told < next_n - 1
    ORDER BY queue_id"""  # noqa: S608
TOLD: Final = """
    UPDATE queue SET told = next_n - 1 WHERE queue_id IN (SELECT value FROM json_each(:ids))"""

UNTOLD: Final = "SELECT queue_id FROM queue WHERE told < next_n - 1"
LAST_FAILURE: Final = "SELECT coalesce(max(failure_id), 0) FROM failure"


class EventLog:
    """Writes events, each within the transaction of what it tells.

    A transaction that may write some is made in a ``with`` block of it: if it is rolled back, it is
    looked up again what was told.

    Crash: an event is recorded with what it tells of, or neither is; puts that were not told of
    yet are told of by who opens the journal next.

    Args:
        writer: The journal's connection.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._untold: set[int] | None = None

    def __enter__(self) -> None:
        """Begin a transaction."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End it."""
        if kind is not None:
            self._untold = None

    def note_puts(self, queues: Iterable[int]) -> None:
        """Remember that something was put on queues."""
        if self._untold is not None:
            self._untold.update(queues)

    @property
    def has_untold(self) -> bool:
        """Whether there may be puts that are not told of."""
        return self._untold is None or bool(self._untold)

    def tell_puts(self) -> None:
        """Tell of all that was put, as the counters say that are recorded: one event a queue."""
        if self._untold is None:
            self._untold = {queue_id for (queue_id,) in self._writer.execute(UNTOLD)}
        if self._untold:
            failpoints.point("journal.before_event")
            ids = str([*self._untold])
            self._writer.execute(OF_PUTS, at=_now(), ids=ids)
            self._writer.execute(TOLD, ids=ids)
            self._untold.clear()

    def items(self, kind: EventKind, item_ids: Sequence[int]) -> None:
        """Tell what became of items that were put before: one event for each range of them."""
        if item_ids:
            self.tell_puts()
            at, word = _now(), kind.value
            rows = [(word, at, *ids) for ids in ranges_of(item_ids)]
            self._writer.many(OF_ITEMS, rows)

    def last_failure(self) -> int:
        """Return the number of the last failure, for `failed`."""
        return int(self._writer.execute(LAST_FAILURE).fetchone()[0])

    def failed(self, before: int) -> None:
        """Tell of each failure behind a number, but not of what was only put off."""
        self.tell_puts()
        self._writer.execute(OF_FAILURES, at=_now(), before=before)

    def load(self, kind: EventKind, load_id: int) -> None:
        """Tell that a load has ended."""
        self.tell_puts()
        self._writer.execute(OF_LOAD, kind=kind.value, at=_now(), of_load=load_id)


def _now() -> int:
    return int(time.time() * 1000)
