"""Beginning a load of a plain queue whose items come from elsewhere, some of them done."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from persistq import failpoints
from persistq.broker.possession import claim, possess
from persistq.errors import UsageError
from persistq.items import item_id_of, ranges_of
from persistq.journal.batch import Batch, Put
from persistq.journal.ground import examine
from persistq.journal.run import RunResult
from persistq.journal.sqlite import open_journal
from persistq.site.finding import site_of

if TYPE_CHECKING:
    from persistq.blocks import Block
    from persistq.journal.base import Journal
    from persistq.journal.run import Command


def begin_load(
    path: Path,
    name: str,
    blocks: Sequence[Block],
    done: Sequence[bool],
    command: Command,
    *,
    fence_timeout: float,
) -> int:
    """Record a new load with its items; whoever opens the queue carries it on.

    It is not sealed: nobody knows whether all was put.

    Crash: all of it is recorded, or nothing.

    Args:
        path: The journal; it is created if there is none.
        name: Name of the queue.
        blocks: Its items.
        done: For each item, whether it was done before.
        command: What recorded it.
        fence_timeout: Longest wait for workers of an earlier run, in seconds.

    Returns:
        The load's number.

    Raises:
        UsageError: The journal has an unfinished load.
        JournalBusy: A run is at work on it.
        JournalError: It cannot be opened or written.
    """
    file, _ = examine(path)
    lock, _ = possess(site_of(str(file)), path, file, fence_timeout=fence_timeout)
    with ExitStack() as closing:
        closing.callback(lock.release)
        journal = open_journal(path)
        closing.callback(journal.close)
        claim(lock, file)
        if (unfinished := journal.open_load()) is not None:
            raise UsageError(
                f"the journal of {name!r} has an unfinished load already ({unfinished.load_id}): "
                "carry it on by starting its program, or give this one another name with --name"
            )
        with journal.together():
            return _record(journal, name, blocks, done, command)


def _record(
    journal: Journal, name: str, blocks: Sequence[Block], done: Sequence[bool], command: Command
) -> int:
    load = journal.begin_load("queue")
    row = journal.add_queue(load.load_id, 0, name)
    run_id = journal.begin_run(load.load_id, command)
    puts = []
    for block in blocks:
        puts.append(Put(item_id_of(row.queue_id, row.next_n), block))
        row.next_n += block.count
        row.bytes += len(block.data)
    ended = ranges_of([item_id_of(row.queue_id, n) for n, is_done in enumerate(done, 1) if is_done])
    row.done = sum(done)
    journal.commit(Batch(puts=puts, done=ended, queues={row.queue_id: row}, synced=True))
    failpoints.point("importing.before_end")
    journal.end_run(run_id, RunResult.INTERRUPTED, "imported; nobody has worked on it yet")
    return load.load_id
