"""Any sequence of writes, crashes and openings leaves what a model says, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from persistq.blocks import Block, block_of, count_of, items_of
from persistq.errors import JournalCorrupt
from persistq.items import Failure, FailureKind, item_id_of, ranges_of
from persistq.journal.attempts import Attempts
from persistq.journal.batch import Batch, Put
from persistq.journal.load import LoadState
from persistq.journal.queuerow import QueueRow
from persistq.journal.sqlite import SqliteJournal, open_journal
from persistq.testing.journals.feed import COMMAND

from .opaque import contradictions

EVERYTHING = 1 << 62
FULL = os.environ.get("PERSISTQ_TEST_FULL") == "1"


class JournalMachine(RuleBasedStateMachine):
    """One queue in a real file, and beside it the sets that its items should be in.

    A crash is a copy of the file and its log, made by another process while the connection is open,
    and opened in its place: the connection that is dropped has no way to tidy up.
    """

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="journal-machine-"))
        self.generation = 0
        self.journal: SqliteJournal = open_journal(self.path)
        self.load_id = self.journal.begin_load("queue").load_id
        self.journal.begin_run(self.load_id, COMMAND)
        self.row: QueueRow = self.journal.add_queue(self.load_id, 0, "stage")
        self.put: dict[int, bytes] = {}
        self.outstanding: set[int] = set()
        self.done: set[int] = set()
        self.dropped: set[int] = set()
        self.parked: set[int] = set()
        self.failures: dict[int, int] = {}
        self.settled = False

    @property
    def path(self) -> Path:
        """Where the journal is in this generation."""
        return self.home / f"{self.generation}.db"

    def teardown(self) -> None:
        """Drop the file."""
        self.journal._writer._connection.close()
        shutil.rmtree(self.home)

    # --- rules ---

    @precondition(lambda self: not self.settled)
    @rule(
        payloads=st.lists(st.binary(max_size=40), min_size=1, max_size=130),
        synced=st.booleans(),
        data=st.data(),
    )
    def put_items(self, payloads: list[bytes], synced: bool, data: st.DataObject) -> None:
        """New items take the next numbers, in blocks of any size."""
        first = item_id_of(self.row.queue_id, self.row.next_n)
        new = {first + n: payload for n, payload in enumerate(payloads)}
        assert not new.keys() & self.put.keys()
        puts, next_id = [], first
        for block in self._blocks(payloads, data):
            puts.append(Put(next_id, block))
            next_id += block.count
        self.row.next_n += len(new)
        self.row.bytes += sum(len(put.block.data) for put in puts)
        self.row.sealed_total = None
        self._commit(Batch(puts=puts, synced=synced))
        self.put |= new
        self.outstanding |= new.keys()

    @precondition(lambda self: self.outstanding)
    @rule(data=st.data())
    def finish_items(self, data: st.DataObject) -> None:
        """Some become done, some dropped, some parked, in one batch."""
        chosen = data.draw(
            st.lists(st.sampled_from(sorted(self.outstanding)), min_size=1, unique=True)
        )
        ways = data.draw(st.lists(st.integers(0, 3), min_size=len(chosen), max_size=len(chosen)))
        done, dropped, parked = (
            [item for item, way in zip(chosen, ways, strict=True) if way in those]
            for those in ((0, 1), (2,), (3,))
        )
        self.row.done += len(done)
        self.row.dropped += len(dropped)
        self.row.parked += len(parked)
        failures = [Failure(item, FailureKind.EXCEPTION, "Error", "no") for item in parked]
        ends = {"done": ranges_of(done), "dropped": ranges_of(dropped)}
        self._commit(Batch(**ends, parked=parked, failures=failures))
        self.outstanding -= set(chosen)
        self.done |= set(done)
        self.dropped |= set(dropped)
        self.parked |= set(parked)
        self._count_failures(parked)

    @precondition(lambda self: self.outstanding)
    @rule(data=st.data())
    def fail_item(self, data: st.DataObject) -> None:
        """An attempt fails, and its item stays outstanding."""
        item = data.draw(st.sampled_from(sorted(self.outstanding)))
        failure = Failure(item, FailureKind.EXCEPTION, "Error", "again")
        self._commit(Batch(failures=[failure]))
        self._count_failures([item])

    @precondition(lambda self: self.parked)
    @rule()
    def unpark(self) -> None:
        """All parked items become outstanding again; their failures are forgiven."""
        parked = self.journal.parked_ids(self.row.queue_id)
        assert parked == sorted(self.parked)
        self.row.parked = 0
        self._commit(Batch(unparked=parked, reopened_load=self.load_id, synced=True))
        for item in self.parked:
            self.failures.pop(item, None)
        self.outstanding |= self.parked
        self.parked = set()
        self.settled = False

    @precondition(lambda self: not self.settled)
    @rule()
    def seal(self) -> None:
        """Nothing more will be put, for the time being."""
        self.row.sealed_total = self.row.put
        self._commit(Batch(synced=True))

    @precondition(lambda self: not self.settled and self.row.settled)
    @rule()
    def settle(self) -> None:
        """A sealed load without outstanding items is settled."""
        self._commit(Batch(settled_load=self.load_id))
        self.settled = True

    @precondition(lambda self: self.put)
    @rule(data=st.data())
    def contradict(self, data: st.DataObject) -> None:
        """A batch that contradicts what is recorded changes nothing at all."""
        ended = sorted(self.done | self.dropped | self.parked)
        known = data.draw(st.sampled_from(sorted(self.put)))
        batch = Batch(puts=[Put(known, block_of(1, [b"again"] * data.draw(st.integers(1, 9))))])
        if ended and data.draw(st.booleans()):
            again = {*self.outstanding, data.draw(st.sampled_from(ended))}
            batch = Batch(done=ranges_of(sorted(again)))
        with pytest.raises(JournalCorrupt):
            self.journal.commit(batch)

    @rule()
    def flush(self) -> None:
        """Bring everything to the disk."""
        self.journal.flush()
        assert not self.journal._writer.unsynced

    @rule()
    def reopen(self) -> None:
        """Close in good order, and open again."""
        self.journal.close()
        self._open()

    @rule()
    def crash_and_reopen(self) -> None:
        """Lose the process, and open what it has left."""
        left = [path for path in (self.path, Path(f"{self.path}-wal")) if path.exists()]
        self.generation += 1
        for path in left:
            # By another process: opening and closing the file here would drop SQLite's locks.
            target = str(self.path) + path.name.partition(".db")[2]
            subprocess.run(["cp", path, target], check=True)
        self.journal._writer._connection.close()
        self._open()

    # --- invariants ---

    @invariant()
    def outstanding_is_what_the_model_says(self) -> None:
        """The difference of the logs, with every payload."""
        items = list(items_of(self.journal.outstanding_page(0, EVERYTHING, 1 << 20, 1 << 30)))
        assert [item.item_id for item in items] == sorted(self.outstanding)
        assert {item.item_id: item.payload for item in items}.items() <= self.put.items()

    @invariant()
    def pages_are_outstanding_items_in_order(self) -> None:
        """However small they are."""
        found, position = [], 0
        while page := self.journal.outstanding_page(position, EVERYTHING, 7, 1 << 30):
            assert count_of(page) <= 7
            position = page[-1].ids.last
            found += [item.item_id for item in items_of(page)]
        assert found == sorted(self.outstanding)

    @invariant()
    def everything_put_is_there(self) -> None:
        """The put-log holds every item, as it was put."""
        items = items_of(self.journal.put_page(0, EVERYTHING, 1 << 20, 1 << 30))
        assert {item.item_id: item.payload for item in items} == self.put

    @invariant()
    def counters_are_what_the_model_says(self) -> None:
        """As read back, and as the broker keeps them."""
        (row,) = self.journal.queues(self.load_id)
        assert row == self.row
        assert (row.put, row.done, row.dropped, row.parked) == (
            len(self.put),
            len(self.done),
            len(self.dropped),
            len(self.parked),
        )

    @invariant()
    def failures_are_counted_of_outstanding_items(self) -> None:
        """Not of others, and not those that were forgiven."""
        expected = [
            Attempts(item, FailureKind.EXCEPTION, count)
            for item, count in sorted(self.failures.items())
            if item in self.outstanding
        ]
        assert self.journal.failed_attempts(self.load_id) == expected

    @invariant()
    def state_is_what_the_model_says(self) -> None:
        """Settled or open."""
        load = self.journal.latest_load()
        assert load is not None
        assert (load.state is LoadState.SETTLED) == self.settled

    @invariant()
    def journal_agrees_with_itself(self) -> None:
        """By the checker, which reads the file through a connection of its own."""
        assert contradictions(self.path) == []

    # --- inside ---

    def _commit(self, batch: Batch) -> None:
        batch.queues[self.row.queue_id] = self.row
        self.journal.commit(batch)

    @staticmethod
    def _blocks(payloads: list[bytes], data: st.DataObject) -> Iterator[Block]:
        while payloads:
            count = data.draw(st.integers(1, len(payloads)))
            yield block_of(1, payloads[:count])
            payloads = payloads[count:]

    def _open(self) -> None:
        self.journal = open_journal(self.path)
        self.journal.begin_run(self.load_id, COMMAND)
        self.row = self.journal.queues(self.load_id)[0]

    def _count_failures(self, items: list[int]) -> None:
        for item in items:
            self.failures[item] = self.failures.get(item, 0) + 1


TestJournalMachine: Any = JournalMachine.TestCase
TestJournalMachine.settings = settings(
    max_examples=500 if FULL else 25, stateful_step_count=30, deadline=None
)
