"""A load that has given up its items can still be asked for those that failed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from persistq import DONE, PersistentQueue
from persistq.blocks import block_of
from persistq.errors import QueueClosed
from persistq.items import Failure, FailureKind, IdRange, item_id_of
from persistq.journal.batch import Batch, Put
from persistq.journal.holding import held
from persistq.journal.sqlite import open_journal
from persistq.site.finding import site_of
from persistq.testing.journals.feed import COMMAND


def purged(path: Path) -> None:
    """Leave a settled load of three numbers, the second of which is parked, and purge it."""
    with closing(open_journal(path)) as journal:
        load = journal.begin_load("queue")
        journal.begin_run(load.load_id, COMMAND)
        row = journal.add_queue(load.load_id, 0, "work")
        first, parked, last = (item_id_of(row.queue_id, n) for n in (1, 2, 3))
        block = block_of(0, [b"1", b"2", b"3"])
        row.next_n, row.done, row.parked, row.sealed_total = 4, 2, 1, 3
        row.bytes = len(block.data)
        batch = Batch(
            puts=[Put(first, block)],
            done=[IdRange(first, first), IdRange(last, last)],
            parked=[parked],
            failures=[Failure(parked, FailureKind.CRASH, "SIGKILL", "")],
            queues={row.queue_id: row},
            settled_load=load.load_id,
        )
        journal.commit(batch)
    with held(site_of(str(path))) as journal:
        assert journal.purge_load(1)
        while journal.tidy(1):
            pass


def put_and_flush(queue: PersistentQueue[int]) -> None:
    """Put one number, and wait until it is recorded."""
    queue.put(1)
    queue.flush()


def test_a_purged_load_takes_no_puts_and_gives_what_failed(
    journal_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    open_queue: Callable[[], PersistentQueue[int]],
) -> None:
    """What is put again could not be told from what is new, so nothing is handled twice."""
    journal_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    purged(journal_dir / "work.db")
    monkeypatch.setenv("PERSISTQ_LOAD", "work:1")
    monkeypatch.setenv("PERSISTQ_RETRY_FAILED", "1")
    queue = open_queue()
    with pytest.raises(QueueClosed):
        put_and_flush(queue)
    assert queue.get() == 2
    queue.task_done()
    assert queue.get() is DONE
