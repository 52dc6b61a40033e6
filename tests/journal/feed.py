"""Drives one queue of a journal, as a broker would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persistq.items import Item, item_id_of
from persistq.journal.base import Batch, Command, Load, QueueRow
from persistq.peer import Peer

if TYPE_CHECKING:
    from persistq.journal.sqlite import SqliteJournal

COMMAND = Command(
    "/usr/bin/python3",
    ("etl.py", "--day", "caf\udce9"),
    "/srv/caf\udce9",
    Peer("host", 4711, 5, "node"),
)


class Feed:
    """Moves items of one queue through a journal, and keeps its counters truthful."""

    def __init__(self, journal: SqliteJournal, position: int = 0, load: Load | None = None) -> None:
        self.journal = journal
        self.load = load or journal.begin_load("pipeline")
        if load is None:
            self.run_id = journal.begin_run(self.load.load_id, COMMAND)
        name = f"stage{position}"
        self.row: QueueRow = journal.add_queue(self.load.load_id, position, name)

    def id(self, n: int) -> int:
        """Return the id of the n-th item."""
        return item_id_of(self.row.queue_id, n)

    def put(self, count: int, payload: bytes = b"payload", synced: bool = False) -> list[Item]:
        """Put items, and return them."""
        first = self.row.next_n
        items = [Item(self.id(n), 1, payload) for n in range(first, first + count)]
        self.row.next_n += count
        self._commit(Batch(puts=items, synced=synced))
        return items

    def done(self, *numbers: int) -> None:
        """Record items as done."""
        self.row.done += len(numbers)
        self._commit(Batch(done=[self.id(n) for n in numbers]))

    def drop(self, *numbers: int) -> None:
        """Record items as dropped."""
        self.row.dropped += len(numbers)
        self._commit(Batch(dropped=[self.id(n) for n in numbers]))

    def park(self, *numbers: int) -> None:
        """Record items as parked."""
        self.row.parked += len(numbers)
        self._commit(Batch(parked=[self.id(n) for n in numbers]))

    def unpark(self, *numbers: int) -> None:
        """Put parked items back to work."""
        self.row.parked -= len(numbers)
        ids = [self.id(n) for n in numbers]
        self._commit(Batch(unparked=ids, reopened_load=self.load.load_id, synced=True))

    def settle(self) -> None:
        """Seal the queue and settle its load."""
        self.row.sealed_total = self.row.put
        self._commit(Batch(settled_load=self.load.load_id))

    def outstanding(self, limit: int = 1000, bytes_max: int = 1 << 30) -> list[int]:
        """Return the numbers of the first page of outstanding items."""
        page = self.journal.outstanding_page(self.id(0), self.id(1 << 30), limit, bytes_max)
        return [item.item_id - self.id(0) for item in page]

    def _commit(self, batch: Batch) -> None:
        batch.queues[self.row.queue_id] = self.row
        self.journal.commit(batch)
