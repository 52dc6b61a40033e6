"""Which items of a queue with natural keys are new, and how the others are counted."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from persistq.blocks import Block, Origin, block_of, with_digests
from persistq.broker.uniqueness import Uniqueness
from persistq.items import item_id_of
from persistq.journal.queuerow import QueueRow

QUEUE = 1


class PutLog:
    """As much of a journal as keys are read of."""

    def __init__(self) -> None:
        self.blocks: list[tuple[int, bytes]] = []
        self.done: list[tuple[int, bytes]] = []
        self.by_hand: list[int] = []

    def digests(self, after_id: int, last_id: int, limit: int) -> list[tuple[int, bytes]]:
        """Return blocks behind an id."""
        return [one for one in self.blocks if after_id < one[0] <= last_id][:limit]

    def done_keys(self, _names: Any, _load: int, after_id: int, limit: int) -> list[Any]:
        """Return what other loads have done."""
        return [one for one in self.done if one[0] > after_id][:limit]

    def replacements(self, _queue_id: int) -> list[int]:
        """Return what was put by hand."""
        return self.by_hand


def digest(key: int) -> bytes:
    """Return the digest of a key."""
    return bytes([key + 1]) * 16


def keyed(*keys: int) -> Block:
    """Return a block of items that have these keys, and values that differ."""
    values = [b"%d" % (1000 + n) for n, _ in enumerate(keys)]
    [block] = with_digests([block_of(0, values)], [*map(digest, keys)])
    return block


def put(unique: Uniqueness, row: QueueRow, log: PutLog, *keys: int) -> list[int]:
    """Put a block, as transitions do, and return the positions of what was new."""
    blocks, _ = unique.admit([keyed(*keys)])
    found = []
    for block in blocks:
        assert block.digests is not None
        log.blocks.append((item_id_of(QUEUE, row.next_n), block.digests))
        row.next_n += block.count
        found += [int(payload) - 1000 for payload in block.payloads()]
    return found


@given(
    st.lists(st.integers(0, 12), max_size=30),
    st.sets(st.integers(0, 12), max_size=4),
    st.lists(st.integers(0, 29), max_size=4),
    st.data(),
)
def test_however_often_a_source_begins_again_its_counts_are_those_of_one_pass(
    keys: list[int], done_before: set[int], stops: list[int], data: st.DataObject
) -> None:
    """Each time it may yield in another order; the last time it comes to its end."""
    log, row = PutLog(), QueueRow(QUEUE, 7, 0, "load", keyed=True, once=True)
    log.done = [(1, b"".join(map(digest, sorted(done_before))))] if done_before else []
    stored: list[int] = []
    for stop in [*stops, len(keys)]:
        order = data.draw(st.permutations(keys)) if stop < len(keys) else keys
        passed = keys[:stop] if stop < len(keys) and data.draw(st.booleans()) else order[:stop]
        with closing(Uniqueness(log, row, {"load"})) as unique:  # type: ignore[arg-type]
            unique.expect_again()
            for start in range(0, len(passed), 3):
                part = passed[start : start + 3]
                stored += [part[n] for n in put(unique, row, log, *part)]
    assert sorted(stored) == sorted({*keys} - done_before)
    assert row.put == len(stored)
    skipped = sum(key in done_before for key in keys)
    assert (row.skipped, row.duplicates) == (skipped, len(keys) - skipped - len(stored))


def test_outputs_keep_their_origins_when_some_are_left_out() -> None:
    """Each run of new ones is a block, because a block names where it begins."""
    log, row = PutLog(), QueueRow(QUEUE, 7, 0, "load", keyed=True)
    with closing(Uniqueness(log, row)) as unique:  # type: ignore[arg-type]
        put(unique, row, log, 2, 5)
        origin = Origin(100, bytes([1, 2, 3, 4, 5]))
        blocks, origins = unique.admit([keyed(1, 2, 3, 4, 5, 6)], [origin])
        assert [block.payloads() for block in blocks] == [[b"1000"], [b"1002", b"1003"], [b"1005"]]
        assert origins == [Origin(100), Origin(103, b"\3"), Origin(115)]
        same = unique.admit([keyed(7, 1, 8, 9)], [Origin(50)])[1]
        assert same == [Origin(50), Origin(50)]
    assert row.duplicates == 3


def test_of_a_damaged_block_what_is_new_stays_damaged() -> None:
    """Its consumers say so; its keys are known all the same."""
    log, row = PutLog(), QueueRow(QUEUE, 7, 0, "load", keyed=True)
    with closing(Uniqueness(log, row)) as unique:  # type: ignore[arg-type]
        put(unique, row, log, 2)
        [left], _ = unique.admit([keyed(1, 2, 3)._replace(crc=0)])
    assert (left.count, left.intact, left.digests) == (2, False, digest(1) + digest(3))


def test_what_was_put_by_hand_does_not_come_again() -> None:
    """An edited item has the key of the one before."""
    log, row = PutLog(), QueueRow(QUEUE, 7, 0, "load", keyed=True)
    with closing(Uniqueness(log, row)) as unique:  # type: ignore[arg-type]
        put(unique, row, log, 1, 2)
    log.by_hand = [item_id_of(QUEUE, 3)]
    log.blocks.append((item_id_of(QUEUE, 3), digest(2)))
    row.next_n += 1
    with closing(Uniqueness(log, row)) as unique:  # type: ignore[arg-type]
        unique.expect_again()
        assert put(unique, row, log, 1, 2, 1) == []
    assert row.duplicates == 1


def test_what_is_new_in_a_block_stays_on_its_terms() -> None:
    """It has the same place in an order, and waits as long, also if the block is damaged."""
    log, row = PutLog(), QueueRow(QUEUE, 7, 0, "load", keyed=True)
    with closing(Uniqueness(log, row)) as unique:  # type: ignore[arg-type]
        put(unique, row, log, 2)
        for block in (keyed(1, 2, 3), keyed(4, 2, 5)._replace(crc=0)):
            [new], _ = unique.admit([block._replace(rank=7, due=9)])
            assert (new.count, new.rank, new.due) == (2, 7, 9)
