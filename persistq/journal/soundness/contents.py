"""Blocks: their bytes, how they follow on each other, when they were put, and by whom."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, starmap
from typing import TYPE_CHECKING, Final

from persistq.items import item_id_of, number_of, queue_of
from persistq.journal.soundness.decoding import flaw_of, is_readable
from persistq.journal.soundness.origins import Origins, QueueFacts

if TYPE_CHECKING:
    import sqlite3

    from persistq.journal.soundness.findings import Findings

_BLOCKS: Final = """
    SELECT first_id, count, codec, data, crc, turn_id, at, load_id, run_id, origin, steps, spool_id
    FROM put_block LEFT JOIN turn USING (turn_id) LEFT JOIN run USING (run_id) ORDER BY first_id"""
_QUEUES: Final = """
    SELECT queue_id, load_id, next_n - 1, purged_at IS NOT NULL FROM queue
    JOIN load USING (load_id)"""
_SPANS: Final = "SELECT put_before, run_id FROM put_span WHERE queue_id = ? ORDER BY put_before"
_PARAMS: Final = "SELECT codec, payload, load_id FROM param"
_CHECKPOINTS: Final = "SELECT item_id, codec, data, crc FROM checkpoint"
_CURSORS: Final = "SELECT source_id, codec, data, crc FROM cursor"


@dataclass(slots=True)
class _Block:
    """A row of ``put_block``, with the run of its turn and the load of that."""

    first_id: int
    count: int
    codec: int
    data: bytes
    crc: int
    turn_id: int
    at: int | None
    load_id: int | None
    run_id: int | None
    origin: int | None
    steps: bytes | None
    spool_id: int | None


class _Series:
    """The blocks of one queue, which are looked at one after the other.

    Args:
        queue_id: The queue.
        facts: What is known of it.
        spans: How many items it had before each run, and the run, in order.
    """

    def __init__(self, queue_id: int, facts: QueueFacts, spans: list[tuple[int, int]]) -> None:
        self._facts = facts
        self._before = [before for before, _ in spans]
        self._runs = [run_id for _, run_id in spans]
        self._following = item_id_of(queue_id, 1)
        self._turn_id = 0

    def misplaced(self, block: _Block) -> str | None:
        """Return how a block lies wrong between the one before and the end of its queue."""
        expected, self._following = self._following, block.first_id + block.count
        if block.first_id < expected:
            return "items are in the block before as well"
        if block.first_id > expected and not self._facts.purged:
            return "items do not follow those of the block before"
        if number_of(block.first_id) + block.count - 1 > self._facts.put:
            return "items are more than its queue has"
        return None

    def mistimed(self, block: _Block) -> str | None:
        """Return what is wrong with the turn of a block."""
        before, self._turn_id = self._turn_id, block.turn_id
        in_run = block.run_id is not None
        if block.at is None or (in_run and block.load_id != self._facts.load_id):
            return "turn is missing, or of another load"
        if block.turn_id < before:
            return "turn is earlier than that of the block before"
        if in_run and block.run_id != self._run_of(block):
            return "run is not that of put_span"
        return None

    def _run_of(self, block: _Block) -> int | None:
        """Return the run that put a block, as its span says; None if there is not one for all."""
        first = number_of(block.first_id)
        position = bisect_left(self._before, first)
        crossed = position != bisect_left(self._before, first + block.count - 1)
        return self._runs[position - 1] if position and not crossed else None


def check_blocks(connection: sqlite3.Connection, findings: Findings) -> None:
    """Look at every block, once, in order."""
    queues = {queue_id: QueueFacts(*row) for queue_id, *row in connection.execute(_QUEUES)}
    origins = Origins(connection, queues)
    blocks = starmap(_Block, connection.execute(_BLOCKS))
    for queue_id, group in groupby(blocks, key=lambda block: queue_of(block.first_id)):
        if (facts := queues.get(queue_id)) is None:
            findings.add("put_block has blocks of {} queues that do not exist", queue_id)
            continue
        spans = connection.execute(_SPANS, (queue_id,)).fetchall()
        for block, flaw in _flaws(_Series(queue_id, facts, spans), origins, group):
            findings.add(f"put_block has {{}} blocks whose {flaw}", block.first_id)


def check_params(connection: sqlite3.Connection, findings: Findings) -> None:
    """Look at the values of parameters, which have no checksum."""
    for codec, payload, load_id in connection.execute(_PARAMS):
        if not is_readable(codec, payload):
            findings.add("{} parameters have a value that cannot be decoded", load_id)


def check_cursors(connection: sqlite3.Connection, findings: Findings) -> None:
    """Look at the values of cursors."""
    for source_id, *value in connection.execute(_CURSORS):
        if (flaw := flaw_of(1, *value)) is not None:
            findings.add(f"{{}} cursors have a value whose {flaw}", source_id)


def check_checkpoints(connection: sqlite3.Connection, findings: Findings) -> None:
    """Look at the values of checkpoints."""
    for item_id, *value in connection.execute(_CHECKPOINTS):
        if (flaw := flaw_of(1, *value)) is not None:
            findings.add(f"{{}} checkpoints have a value whose {flaw}", item_id)


def _flaws(
    series: _Series, origins: Origins, blocks: Iterable[_Block]
) -> Iterator[tuple[_Block, str]]:
    for block in blocks:
        content = _flaw_of_content(block)
        # Only what is decoded is known to have so many items.
        origin = (
            None
            if content
            else origins.flaw_of(block.first_id, block.count, block.origin, block.steps)
        )
        for flaw in (series.misplaced(block), series.mistimed(block), content, origin):
            if flaw is not None:
                yield block, flaw


def _flaw_of_content(block: _Block) -> str | None:
    if block.spool_id is None:
        return flaw_of(block.count, block.codec, block.data, block.crc)
    blank = block.codec == block.crc == 0 and not block.data and block.steps == b"\0"
    return None if blank else "items are in a spool, and in the block as well"
