"""What the command's tests share: a load written by hand, a program, the command itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from click.testing import Result

from persistq.codec import ItemCodec
from persistq.items import Failure, FailureKind, item_id_of, ranges_of
from persistq.journal.batch import Batch, Put
from persistq.journal.queuerow import QueueRow
from persistq.journal.run import RunResult
from persistq.journal.sqlite import SqliteJournal

TIMEOUT_S = 50.0

COMMAND = [sys.executable, "-m", "persistq.cli"]

PIPELINE = """\
import os
import signal
import sys
from pathlib import Path

from persistq import Pipeline

HERE = Path(__file__).parent
pipeline = Pipeline("sales", workers=1)


def note(*words):
    with (HERE / "notes").open("a") as file:
        file.write(" ".join(map(str, words)) + "\\n")


@pipeline.source
def numbers(count: int = 5, text: str = "-"):
    note("source", repr(count), repr(text), *sys.argv[1:])
    yield from range(count)
    if "STOPPING" in os.environ:
        signal.pause()


@pipeline.stage
def store(number):
    if os.environ.get("DEADLY") == str(number):
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ.get("BROKEN") == str(number):
        raise ValueError(f"{number} is broken")
    if os.environ.get("STOPPING") == str(number):
        os.kill(os.getppid(), signal.SIGTERM)
    note("stored", number, os.getcwd())
"""


@dataclass
class Ledger:
    """One load of one stage, written as a broker would write it."""

    journal: SqliteJournal
    load_id: int
    run_id: int
    row: QueueRow
    codec: ItemCodec = field(default_factory=ItemCodec)

    def id(self, n: int) -> int:
        """Return the id of the n-th item."""
        return item_id_of(self.row.queue_id, n)

    def put(self, *values: object) -> None:
        """Put values."""
        first, self.row.next_n = self.row.next_n, self.row.next_n + len(values)
        puts = list[Put]()
        for block in self.codec.encode_many(values):
            puts.append(Put(self.id(first), block))
            first += block.count
            self.row.bytes += len(block.data)
        self._commit(Batch(puts=puts))

    def done(self, *numbers: int) -> None:
        """Record items as done."""
        self.row.done += len(numbers)
        self._commit(Batch(done=ranges_of([self.id(n) for n in numbers])))

    def fail(self, number: int, kind: str, message: str, *, park: bool = True) -> None:
        """Record a failed attempt, and park its item."""
        failure = Failure(self.id(number), FailureKind.EXCEPTION, kind, message, "Traceback ...")
        self.row.parked += park
        self._commit(Batch(failures=[failure], parked=[self.id(number)] if park else []))

    def settle(self) -> None:
        """Seal the queue, settle its load, end its run."""
        self.row.sealed_total = self.row.put
        self._commit(Batch(settled_load=self.load_id))
        self.journal.end_run(self.run_id, RunResult.DONE, "")

    def unpark(self, number: int, journal: SqliteJournal) -> None:
        """Put a parked item back to work, by the journal as another load has it open."""
        self.row.parked -= 1
        queues = {self.row.queue_id: self.row}
        journal.commit(Batch(unparked=[self.id(number)], queues=queues, reopened_load=self.load_id))

    def _commit(self, batch: Batch) -> None:
        batch.queues[self.row.queue_id] = self.row
        self.journal.commit(batch)


Call = Callable[..., Result]
Shell = Callable[..., "subprocess.CompletedProcess[str]"]
WriteScript = Callable[..., Path]
Notes = Callable[..., list[str]]
Record = Callable[..., Ledger]
