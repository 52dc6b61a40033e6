"""Journals are killed, copied and carried on: a key names one item, and an item has one key."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from persistq.blocks import block_of
from persistq.items import item_id_of
from persistq.journal.batch import Batch, Put
from persistq.journal.queuerow import QueueRow
from persistq.journal.sqlite import SqliteJournal, open_journal
from persistq.keys import ItemKeys
from persistq.testing import check_journal
from persistq.testing.journals.feed import COMMAND

QUEUES = 2
JOURNALS_MAX = 4
FULL = os.environ.get("PERSISTQ_TEST_FULL") == "1"

Place = tuple[int, int]
"""A queue's position and an item's number in it."""


@dataclass
class Live:
    """A journal with its present run.

    Attributes:
        path: The file.
        journal: Its writer.
        rows: Its queues.
        items: What was put, each with a number that no other put has in any journal.
    """

    path: Path
    journal: SqliteJournal
    rows: list[QueueRow]
    items: dict[Place, int] = field(default_factory=dict)

    def put(self, position: int, serial: int) -> None:
        """Put one item."""
        row = self.rows[position]
        self.items[position, row.next_n] = serial
        put = Put(item_id_of(row.queue_id, row.next_n), block_of(0, [b"1"]))
        row.next_n += 1
        row.bytes += 1
        self.journal.commit(Batch(puts=[put], queues={row.queue_id: row}))

    def keys(self) -> dict[int, str]:
        """Return the key of each item by its number, as this journal makes it."""
        spans = [ItemKeys(self.journal.put_spans(row.queue_id)) for row in self.rows]
        return {
            serial: spans[position].of(item_id_of(self.rows[position].queue_id, n))
            for (position, n), serial in self.items.items()
        }


class KeyMachine(RuleBasedStateMachine):
    """Journals in real files, and the keys that each item had when it was put."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="key-machine-"))
        self.keys: dict[int, str] = {}
        self.serial = 0
        self.made = 0
        journal = open_journal(self.new_path())
        load_id = journal.begin_load("pipeline").load_id
        first = journal.add_queue(load_id, 0, "first")
        journal.begin_run(load_id, COMMAND)
        second = journal.add_queue(load_id, 1, "second")
        self.live = [Live(Path(journal.path), journal, [first, second])]

    def new_path(self) -> Path:
        """Return where no journal is yet."""
        self.made += 1
        return self.home / f"{self.made}.db"

    def carried_on(self, path: Path, items: dict[Place, int]) -> Live:
        """Open a journal as a new broker does."""
        journal = open_journal(path)
        load = journal.latest_load()
        assert load is not None
        journal.begin_run(load.load_id, COMMAND)
        return Live(path, journal, journal.queues(load.load_id), dict(items))

    def teardown(self) -> None:
        """All journals are sound; drop the files."""
        for one in self.live:
            one.journal._writer._connection.close()
            assert check_journal(one.path) == []
        shutil.rmtree(self.home)

    @rule(which=st.integers(0, 9), position=st.integers(0, QUEUES - 1), count=st.integers(1, 3))
    def put(self, which: int, position: int, count: int) -> None:
        """One of the live runs puts items."""
        one = self.live[which % len(self.live)]
        for _ in range(count):
            self.serial += 1
            one.put(position, self.serial)
            self.keys[self.serial] = one.keys()[self.serial]

    @rule(which=st.integers(0, 9), times=st.integers(1, 2))
    def start_again(self, which: int, times: int) -> None:
        """A broker is killed, and others begin; one of them may die before it has put anything."""
        which %= len(self.live)
        for _ in range(times):
            one = self.live[which]
            one.journal._writer._connection.close()
            self.live[which] = self.carried_on(one.path, one.items)

    @precondition(lambda self: len(self.live) < JOURNALS_MAX)
    @rule(which=st.integers(0, 9))
    def copy(self, which: int) -> None:
        """A copy is made while a run is at work, which goes on; the copy is carried on as well."""
        one, path = self.live[which % len(self.live)], self.new_path()
        with closing(sqlite3.connect(one.path)) as source, closing(sqlite3.connect(path)) as copy:
            source.backup(copy)
        path.chmod(0o600)
        self.live.append(self.carried_on(path, one.items))

    @invariant()
    def an_item_has_one_key(self) -> None:
        """Each journal that holds an item makes the same key for it, for ever."""
        for one in self.live:
            assert one.keys().items() <= self.keys.items()

    @invariant()
    def a_key_names_one_item(self) -> None:
        """No two items have the same key, in whichever journals they are."""
        assert len(set(self.keys.values())) == len(self.keys)


TestKeyMachine: Any = KeyMachine.TestCase
TestKeyMachine.settings = settings(
    max_examples=500 if FULL else 25, stateful_step_count=25, deadline=None
)
