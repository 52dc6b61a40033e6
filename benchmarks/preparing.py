"""Journals as a crash leaves them, of millions of items, written by the tree that is measured.

A file of one tree need not be readable for another, so each writes its own: the functions here are
played with the persistq of the contender that needs the journal. They take seconds, not minutes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from persistq.blocks import Block

NAME = "bench"
JOURNAL = Path("journal", f"{NAME}.db")

BLOCK = 512
BLOCKS_A_COMMIT = 100

_NUMBERS = "WITH RECURSIVE number(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM number WHERE n < ?)"
_JSON = "CAST(CAST(n - 1 AS TEXT) AS BLOB)"
_PUT = f"INSERT INTO put_log {_NUMBERS} SELECT ? + n, 0, {_JSON} FROM number"
_DONE = f"INSERT INTO done_log {_NUMBERS} SELECT ? + n, 0 FROM number WHERE n % ?"
_COUNT = "UPDATE queue SET next_n = ?, done = ? WHERE queue_id = ?"


class State(NamedTuple):
    """Which items of a load are done; item n is the integer n - 1.

    Attributes:
        put: How many were put.
        done: So many of the first ones are done,
        but_every: but not each of this number: with 100, items 100, 200 and so on are outstanding.
            0 leaves out none.
    """

    put: int
    done: int
    but_every: int = 0

    @property
    def outstanding(self) -> int:
        """How many are not done."""
        return self.put - self.done + self._left_out(self.done)

    def done_before(self, item: int) -> int:
        """Return how many of the first so many items are done."""
        reached = min(item, self.done)
        return reached - self._left_out(reached)

    def spans(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Yield the first and last of done items that follow each other, within these bounds."""
        last = min(last, self.done)
        while first <= last:
            hole = last + 1 if not self.but_every else -(-first // self.but_every) * self.but_every
            if first < hole:
                yield first, min(hole - 1, last)
            first = hole + 1

    def _left_out(self, items: int) -> int:
        return items // self.but_every if self.but_every else 0


def prepare(put: int, done: int, but_every: int = 0) -> None:
    """Write the journal of an open load; arguments as for `State`."""
    state = State(put, done, but_every)
    if find_spec("persistq.blocks"):
        _by_blocks(state)
    else:
        _row_by_row(state)


def _row_by_row(state: State) -> None:
    """Write a journal that has a row for each item and each done mark."""
    from persistq.items import item_id_of
    from persistq.journal.sqlite import open_journal

    with closing(open_journal(JOURNAL.resolve())) as journal:
        queue_id = journal.add_queue(journal.begin_load("queue").load_id, 0, NAME).queue_id
    base, every = item_id_of(queue_id, 0), state.but_every or state.put + 1
    with closing(sqlite3.connect(JOURNAL)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(_PUT, (state.put, base))
        if state.done:
            connection.execute(_DONE, (state.done, base, every))
        done = state.done_before(state.put)
        connection.execute(_COUNT, (state.put + 1, done, queue_id))


def _by_blocks(state: State) -> None:
    """Write a journal of blocks and ranges; no range is longer than a block, as in a real run."""
    from persistq.items import IdRange, item_id_of
    from persistq.journal.batch import Batch, Put
    from persistq.journal.run import Command
    from persistq.journal.sqlite import open_journal
    from persistq.site.processes import this_process

    with closing(open_journal(JOURNAL.resolve())) as journal:
        load_id = journal.begin_load("queue").load_id
        journal.begin_run(load_id, Command("python", ("etl.py",), "/", this_process()))
        queue = journal.add_queue(load_id, 0, NAME)
        base = item_id_of(queue.queue_id, 0)
        for blocks in _commits(state.put):
            last = blocks[-1][-1] + 1
            puts = [Put(base + block[0] + 1, _block(block)) for block in blocks]
            queue.bytes += sum(len(put.block.data) for put in puts)
            batch = Batch(
                puts=puts,
                done=[
                    IdRange(base + start, base + end)
                    for block in blocks
                    for start, end in state.spans(block[0] + 1, block[-1] + 1)
                ],
                queues={
                    queue.queue_id: replace(queue, next_n=last + 1, done=state.done_before(last))
                },
            )
            journal.commit(batch)


def _commits(items: int) -> Iterator[list[range]]:
    """Yield the values of each commit's blocks."""
    step = BLOCK * BLOCKS_A_COMMIT
    for start in range(0, items, step):
        values = range(start, min(start + step, items))
        yield [values[at : at + BLOCK] for at in range(0, len(values), BLOCK)]


def _block(values: range) -> Block:
    from persistq.blocks import JSON, block_of

    return block_of(JSON, [b"%d" % value for value in values])
