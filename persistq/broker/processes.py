"""The processes of a run as the journal knows them: how they begin, what they print, their end."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import starmap
from typing import TYPE_CHECKING

from persistq.journal.batch import Line
from persistq.journal.run import WorkerRecord

if TYPE_CHECKING:
    from persistq.broker.record import Record
    from persistq.journal.run import Ending
    from persistq.peer import Peer


class Processes:
    """Notes what is recorded of processes.

    Crash: what was noted since the last commit is not kept; nobody goes by it.

    Args:
        record: What is recorded.
        next_id: The first number that no process's record has.
    """

    def __init__(self, record: Record, next_id: int) -> None:
        self._record = record
        self._next_id = next_id

    def begin(self, queue_id: int, peer: Peer) -> int:
        """A process begins to take items from a queue; return the number of its record."""
        worker_id, self._next_id = self._next_id, self._next_id + 1
        self._record.batch.workers.append(WorkerRecord(worker_id, queue_id, peer))
        return worker_id

    def end(self, worker_id: int, how: str) -> None:
        """Such a process is gone; ``how`` is a word for it."""
        self._record.batch.departures[worker_id] = how

    def note_ending(self, ending: Ending) -> None:
        """Its parent has learnt how a process ended, which is kept with what it is blamed for."""
        self._record.batch.endings.append(ending)

    def note_printed(self, lines: Iterable[tuple[int, int, str]]) -> None:
        """Keep lines that handlers have printed, as (item, stream, text).

        Crash: what was noted since the last commit is not kept; it was shown.
        """
        self._record.batch.printed += starmap(Line, lines)
