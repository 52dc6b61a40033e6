"""Items are passed on when they are done with, whichever part of a block they are."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from persistq.blocks import Block, Origin
from persistq.broker.passing import Passing
from persistq.items import IdRange
from persistq.journal.sqlite import open_journal
from persistq.testing.journals.feed import Feed


class Intake:
    """Takes what is put."""

    def __init__(self) -> None:
        self.passed: set[int] = set()
        self.put_there: list[tuple[int, Block, Origin]] = []

    def put(
        self, queue_id: int, blocks: list[Block], *, synced: bool, origins: list[Origin]
    ) -> None:
        """Keep what is put."""
        assert not synced
        self.put_there += [(queue_id, *one) for one in zip(blocks, origins, strict=True)]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("ranges", [[(2, 3)], [(1, 1)], [(5, 5)], [(1, 5)], [(1, 1), (4, 5)]])
def test_part_of_a_block_is_passed_on(tmp_path: Path, ranges: list[tuple[int, int]]) -> None:
    """Each of these items once, in order, and made of itself."""
    journal = open_journal(tmp_path / "a.db")
    feed = Feed(journal)
    feed.put_together(5)
    intake = Intake()
    nobody: Any = SimpleNamespace()
    passing = Passing(journal, {}, intake, nobody)  # type: ignore[arg-type]
    passing.begin({feed.row.queue_id: 77})
    passing.pass_on([IdRange(feed.id(first), feed.id(last)) for first, last in ranges])
    journal.close()
    found = [one for _, block, origin in intake.put_there for one in origin.each(block.count)]
    assert found == [feed.id(n) for first, last in ranges for n in range(first, last + 1)]
    assert {queue_id for queue_id, _, _ in intake.put_there} == {77}
    payloads = [one for _, block, _ in intake.put_there for one in block.payloads()]
    assert payloads == [b"payload"] * len(found)
