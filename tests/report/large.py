"""Makes the journal of a load that is large and has been resumed often, and measures its report.

``python -m tests.report.large --items 10000000 --runs 100`` says how long it takes and how large
the page is; ``make report`` calls it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from persistq.blocks import ITEMS_MAX, block_of
from persistq.items import Failure, FailureKind, IdRange, item_id_of
from persistq.journal.batch import Batch, Put
from persistq.journal.queuerow import QueueRow
from persistq.journal.route import Route, RouteKind
from persistq.journal.run import Command, RunResult, WorkerRecord
from persistq.journal.sqlite import SqliteJournal, open_journal
from persistq.peer import Peer
from persistq.timings import Sample, StageSample, StageTimes

LIMIT_S = 10.0
LIMIT_BYTES = 2_000_000

RUN_S = 3600
PAUSE_S = 1800
WORKERS = 8
FAILED_ONE_IN = 100
PARKED_ONE_IN = 1000
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_BATCH_BLOCKS = 50
_TRACEBACK = "Traceback (most recent call last):\n" + '  File "etl.py", line 7, in fetch\n' * 30
_COMMAND = Command("/usr/bin/python3", ("etl.py",), "/srv", Peer("host", 4711, 5, "node"))


class Large:
    """One load of two stages, of which each has half of the items.

    Args:
        journal: A new journal.
        items: How many items there are.
        runs: How many runs there were; all but the last were killed.
        samples: How many samples are kept of each.
    """

    def __init__(self, journal: SqliteJournal, items: int, runs: int, samples: int) -> None:
        self._journal = journal
        self._each = items // 2 // runs // samples * samples
        self._runs = runs
        self._samples = samples
        self._load = journal.begin_load("pipeline").load_id
        self._rows = [
            journal.add_queue(self._load, 0, "fetch"),
            journal.add_queue(self._load, 1, "store"),
        ]
        fetch, store = self._rows
        route = Route(fetch.queue_id, store.queue_id, RouteKind.FEEDS)
        journal.set_routes(self._load, [route])

    def make(self) -> None:
        """Write all of it."""
        for number in range(self._runs):
            run_id = self._journal.begin_run(self._load, _COMMAND)
            first_worker = self._begin_workers(number)
            for row in self._rows:
                self._put(row)
            self._work(number)
            self._end_workers(first_worker)
        for row in self._rows:
            row.sealed_total = row.put
        self._commit(Batch(settled_load=self._load))
        self._journal.end_run(run_id, RunResult.DONE, "")

    def _put(self, row: QueueRow) -> None:
        last = row.put + self._each
        while row.put < last:
            puts = list(self._blocks(row, last))
            row.bytes += sum(len(put.block.data) for put in puts)
            self._commit(Batch(puts=puts))

    def _blocks(self, row: QueueRow, last: int) -> Iterator[Put]:
        for _ in range(_BATCH_BLOCKS):
            numbers = range(row.next_n, min(last, row.put + ITEMS_MAX) + 1)
            if not numbers:
                return
            payloads = [b'{"row":%d}' % n for n in numbers]
            yield Put(item_id_of(row.queue_id, row.next_n), block_of(0, payloads))
            row.next_n += len(numbers)

    def _work(self, number: int) -> None:
        """Finish what this run has put, a little for each sample."""
        step = self._each // self._samples
        times = {row.queue_id: StageTimes(row.queue_id) for row in self._rows}
        for tick in range(self._samples):
            batch = Batch(times=times)
            for row in self._rows:
                first = number * self._each + tick * step + 1
                self._finish(batch, row, range(first, first + step))
                self._measure(batch, times[row.queue_id], item_id_of(row.queue_id, first), step)
            batch.sample = self._sample(number, tick, times)
            self._commit(batch)

    def _finish(self, batch: Batch, row: QueueRow, numbers: range) -> None:
        parked = [n for n in numbers if n % PARKED_ONE_IN == 0]
        edges = [numbers.start - 1, *parked, numbers.stop]
        for before, behind in pairwise(edges):
            if before + 1 < behind:
                ids = item_id_of(row.queue_id, before + 1), item_id_of(row.queue_id, behind - 1)
                batch.done.append(IdRange(*ids))
        batch.parked += [item_id_of(row.queue_id, n) for n in parked]
        batch.failures += [
            Failure(item_id_of(row.queue_id, n), *_fault(n), _TRACEBACK, 4712)
            for n in numbers
            if n % FAILED_ONE_IN == 0
        ]
        row.parked += len(parked)
        row.done += len(numbers) - len(parked)

    def _measure(self, batch: Batch, times: StageTimes, item_id: int, items: int) -> None:
        times.worked += items * 0.002
        times.waited += items * 0.001
        times.counts += Counter({12: items // 2, 15: items - items // 2})
        batch.slow[item_id] = 1 + item_id % 1000 / 100
        batch.no_longer_slow = [item_id - 100 * items] if item_id % 7 else []

    def _sample(self, number: int, tick: int, times: dict[int, StageTimes]) -> Sample:
        at = BEGAN.timestamp() + number * (RUN_S + PAUSE_S) + tick * RUN_S / self._samples
        stages = tuple(
            StageSample(
                row.queue_id,
                *(row.put, row.done, row.dropped, row.parked),
                *(times[row.queue_id].worked, times[row.queue_id].waited),
                60_000_000 + tick * 50_000,
            )
            for row in self._rows
        )
        return Sample(tick, at, 32_000_000, stages)

    def _begin_workers(self, number: int) -> int:
        first = self._journal.next_worker_id()
        workers = [
            WorkerRecord(first + place, self._rows[place % 2].queue_id, Peer("host", 5000 + place))
            for place in range(WORKERS)
        ]
        self._commit(Batch(workers=workers))
        return first

    def _end_workers(self, first: int) -> None:
        words = ["died" if place % 3 else "left" for place in range(WORKERS)]
        self._commit(Batch(departures={first + place: word for place, word in enumerate(words)}))

    def _commit(self, batch: Batch) -> None:
        batch.queues = {row.queue_id: row for row in self._rows}
        self._journal.commit(batch)


def _fault(number: int) -> tuple[FailureKind, str, str]:
    if number % 300 == 0:
        return FailureKind.CRASH, "SIGKILL", "its worker was killed"
    return FailureKind.EXCEPTION, f"Error{number % 7}", f"row {number} is bad"


_SHIFT = """
    UPDATE run SET started_at = :began, ended_at = iif(ended_at IS NULL, NULL, :ended)
    WHERE run_id = :of_run;
    UPDATE worker SET started_at = :began, ended_at = :ended WHERE run_id = :of_run"""


def make(path: Path, items: int, runs: int, samples: int = 240) -> None:
    """Write such a journal: its runs took an hour each, half an hour apart."""
    with closing(open_journal(path)) as journal:
        connection = journal._writer._connection
        connection.execute("PRAGMA synchronous = OFF")
        Large(journal, items, runs, samples).make()
        connection.execute("BEGIN")
        for number in range(runs):
            began = BEGAN + timedelta(seconds=number * (RUN_S + PAUSE_S))
            ended = began + timedelta(seconds=RUN_S)
            for text in _SHIFT.split(";"):
                values = {"began": _iso(began), "ended": _iso(ended), "of_run": number + 1}
                connection.execute(text, values)
        connection.execute("COMMIT")


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")


def main() -> None:
    """Make the journal, then write its report, and say what that takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=100)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        path = Path(home, "journals", "large.db")
        make(path, wanted.items, wanted.runs)
        page = Path(home, "large.html")
        taken = measured(path, page)
        print(
            f"{wanted.items:,} items, {wanted.runs} runs: {path.stat().st_size:,} bytes of journal"
        )
        print(f"the report took {taken:.2f} s and has {page.stat().st_size:,} bytes")
        sys.exit(taken >= LIMIT_S or page.stat().st_size >= LIMIT_BYTES)


def measured(journal: Path, page: Path) -> float:
    """Write a report, and return how many seconds the command has taken."""
    words = ["report", journal.stem, "--journal", str(journal.parent), "-o", str(page)]
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "persistq.cli", *words], check=True, capture_output=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
