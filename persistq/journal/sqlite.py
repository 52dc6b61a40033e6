"""The journal in a SQLite file.

A commit that is not synced survives the death of the process, and not a power cut; the next synced
one, or `flush`, brings all earlier ones to the disk too.
"""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from persistq import failpoints
from persistq.blocks import Block, digest_at
from persistq.items import IdRange, merged, queue_of
from persistq.journal import changes, marks, purges, queries
from persistq.journal.attempts import Attempts, Delay
from persistq.journal.base import Journal
from persistq.journal.batch import Batch
from persistq.journal.creation import create
from persistq.journal.donekeys import DoneKeys
from persistq.journal.eventlog import EventLog
from persistq.journal.ground import examine
from persistq.journal.load import EndedLoad, Left, Load, LoadState, Param
from persistq.journal.pages import queue_range
from persistq.journal.queuerow import QueueRow
from persistq.journal.recording import Recording
from persistq.journal.retention import Retention
from persistq.journal.route import Route
from persistq.journal.rows import (
    attempts_from,
    command_values,
    cursor_from,
    delay_from,
    ended_from,
    left_from,
    load_from,
    now,
    param_from,
    param_row,
    queue_from,
    route_from,
    source_from,
    spans_from,
    storable,
)
from persistq.journal.run import Command, RunResult
from persistq.journal.sourcerow import Cursor, SourceRow, SourceSpan
from persistq.journal.turns import TURN_S, Turns
from persistq.journal.writer import Writer
from persistq.timings import SlowItem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from persistq.blocks import Slice
    from persistq.keys import PutSpan

Durability = Literal["normal", "full"]


def open_journal(path: Path, *, durability: Durability = "normal") -> SqliteJournal:
    """Open a journal for writing, and make or upgrade it first where needed.

    The caller holds the run lock of the name: there must be one writing journal only.

    Args:
        path: The journal file; its directory is made when missing.
        durability: ``full`` syncs every commit, ``normal`` only those that ask for it.

    Raises:
        JournalForeign: The file is not a journal; it was not touched.
        JournalNewer: A newer persistq wrote it; it was not touched.
        JournalCorrupt: The file is damaged.
        JournalUnavailable: It cannot be read or written, is where no journal can be, or others may
            write it.

    Whoever had it open before can record nothing more from now on, whatever let both in.

    Crash: a new journal exists whole or not at all; an older one is upgraded whole or not at all,
    and its backup is complete before the upgrade begins.
    """
    file, version = examine(path)
    if version is None:
        create(file)
    elif version < marks.SCHEMA_VERSION:
        from persistq.journal import migrate  # Alembic takes half a second to import.

        migrate.upgrade(file, version)
    return SqliteJournal(file, durability)


class SqliteJournal(Journal):
    """The writing side of a journal in a SQLite file; made by `open_journal`.

    It is long because its contract is: one method for each promise, a few lines each. Statements,
    rows, pages, what a batch is written as, and the discipline of transactions have files of their
    own.

    Attributes:
        path: The journal file, without symbolic links.
    """

    def __init__(self, file: Path, durability: Durability) -> None:
        self.path = str(file)
        self._writer = Writer(file, always_full=durability == "full")
        self._turns = Turns()
        self._events = EventLog(self._writer)
        self._retention = Retention(self._writer, self.path)
        self._done_keys = DoneKeys(self._writer, self.path)
        self._recording = Recording(
            self._writer, self.path, self._turns, self._events, self._done_keys
        )

    # --- loads and runs ---

    @contextmanager
    def together(self) -> Iterator[None]:
        """Record what the ``with`` block records in one transaction, or nothing of it. Synced.

        Crash: everything in the block is recorded, or nothing; the same if the block raises.
        """
        with self._turns, self._events, self._writer.together():
            yield

    def latest_load(self) -> Load | None:
        """Return the load that was begun last, or None in a new journal."""
        return self._one_load(queries.LATEST_LOAD)

    def open_load(self) -> Load | None:
        """Return the load that is carried on by a start that names none, or None."""
        return self._one_load(queries.OPEN_LOAD)

    def load(self, load_id: int) -> Load | None:
        """Return the load with this number, or None."""
        return self._one_load(queries.LOAD, of_load=load_id)

    def left_by_others(self, load_id: int) -> list[Left]:
        """Return the loads, but this one, that have parked or outstanding items, oldest first."""
        return [left_from(row) for row in self._writer.read(queries.LEFT, but_load=load_id)]

    def begin_load(self, kind: str, params: Iterable[Param] = ()) -> Load:
        """Record a new open load of a kind, ``queue`` or ``pipeline``. Synced.

        Crash: the load is recorded whole, with its parameters, or not at all.
        """
        with self._writer.transaction(synced=True):
            self._writer.execute(changes.BEGIN_LOAD, kind=kind, created_at=now())
            load = self.latest_load()
            assert load is not None
            rows = [param_row(load.load_id, param) for param in params]
            self._writer.many(changes.ADD_PARAM, rows)
        return load

    def note_template(self, template: str) -> None:
        """Record what the journal's name was made from, as in ``sales-{day}``. Synced.

        Crash: it is recorded, or not: then loads in other journals do not count with those here.
        """
        with self._writer.transaction(synced=True):
            self._writer.execute(changes.NOTE_TEMPLATE, template=template)

    def params(self, load_id: int) -> dict[str, Param]:
        """Return the parameters of a load by name."""
        params = map(param_from, self._writer.read(queries.PARAMS, of_load=load_id))
        return {param.name: param for param in params}

    def abandon_load(self, load_id: int) -> None:
        """Mark an open load as abandoned; it stays, and is never carried on by itself. Synced.

        Crash: it is abandoned, or open as before.
        """
        with self._writer.transaction(synced=True):
            self._recording.end_load(load_id, LoadState.ABANDONED)

    def reopen_load(self, load_id: int) -> None:
        """Mark a load that had ended as reopened. Synced.

        Crash: it is reopened, or ended as before.
        """
        with self._writer.transaction(synced=True):
            self._recording.reopen(load_id)

    def begin_run(self, load_id: int, command: Command) -> int:
        """Record that a process starts to work on a load; return the run's id. Synced.

        What is put from now on is put by this run, until the next one begins.

        Crash: the run, and where its items begin in each queue, are recorded whole or not at all.
        """
        values = command_values(command) | {"uuid": uuid.uuid4().hex}
        moment = now()
        with self._writer.transaction(synced=True):
            failpoints.point("journal.before_begin_run")
            cursor = self._writer.execute(
                changes.BEGIN_RUN, load_id=load_id, started_at=moment, seen_at=moment, **values
            )
            assert cursor.lastrowid is not None
            failpoints.point("journal.before_spans")
            self._writer.execute(changes.BEGIN_SPANS, of_run=cursor.lastrowid, of_queue=None)
        self._recording.run_id = cursor.lastrowid
        self._retention.served = load_id
        self._turns.end()
        return self._recording.run_id

    def put_spans(self, queue_id: int, least: int = 0) -> list[PutSpan]:
        """Return which run put which items of a queue, in order.

        Args:
            queue_id: The queue.
            least: Leave out the spans that begin with fewer items put than these.
        """
        rows = self._writer.read(queries.PUT_SPANS, of_queue=queue_id, least=least)
        return spans_from(queue_id, rows)

    def end_run(self, run_id: int, result: RunResult, reason: str) -> None:
        """Record how a run ended. Synced.

        Crash: the end is recorded, or the run looks as if it was killed.
        """
        ending = {"result": result.value, "reason": storable(reason)}
        moment = now()
        with self._writer.transaction(synced=True):
            self._writer.execute(
                changes.END_RUN, of_run=run_id, seen_at=moment, ended_at=moment, **ending
            )

    def queues(self, load_id: int) -> list[QueueRow]:
        """Return the load's queues by position."""
        return [queue_from(row) for row in self._writer.read(queries.QUEUES, of_load=load_id)]

    def add_queue(self, load_id: int, position: int, name: str) -> QueueRow:
        """Record a new queue of a load and return it. Synced.

        Crash: the queue is recorded, empty and open, or not at all.
        """
        with self._writer.transaction(synced=True):
            cursor = self._writer.execute(
                changes.ADD_QUEUE, load_id=load_id, position=position, name=name
            )
            queue_id = cursor.lastrowid
            assert queue_id is not None
            if self._recording.run_id is not None:
                self._writer.execute(
                    changes.BEGIN_SPANS, of_run=self._recording.run_id, of_queue=queue_id
                )
        return QueueRow(queue_id, load_id, position, name)

    def routes(self, load_id: int) -> list[Route]:
        """Return the ways between the stages of a load, in the order of their numbers."""
        return [route_from(row) for row in self._writer.read(queries.ROUTES, of_load=load_id)]

    def set_routes(self, load_id: int, routes: Iterable[Route]) -> None:
        """Record these ways between the stages of a load, and no others. Synced.

        Crash: the new ones are recorded, or those of before.
        """
        with self._writer.transaction(synced=True):
            self._writer.execute(changes.DROP_ROUTES, of_load=load_id)
            failpoints.point("journal.half_routes")
            self._writer.many(
                changes.ADD_ROUTE, [(*route[:2], route.kind.value) for route in routes]
            )

    def rename_queues(self, names: Mapping[int, str]) -> None:
        """Give queues new names, by number, all at once. Synced.

        Crash: all have their new names, or none.
        """
        with self._writer.transaction(synced=True):
            # Two may take each other's names, and at no time may two have the same.
            for queue_id in names:
                self._writer.execute(changes.RENAME_QUEUE, of_queue=queue_id, name=f"\0{queue_id}")
            for queue_id, name in names.items():
                self._writer.execute(changes.RENAME_QUEUE, of_queue=queue_id, name=name)

    def rated_until(self, name: str) -> int:
        """Return until when calls of a stage last by its rate, in any load; ms since 1970."""
        [(latest,)] = self._writer.read(queries.RATED_UNTIL, name=name)
        return int(latest)

    def key_queue(self, queue_id: int, *, keyed: bool, once: bool) -> None:
        """Record whether items of a queue have natural keys; see `QueueRow`. Synced.

        Crash: it is recorded, or not.
        """
        with self._writer.transaction(synced=True):
            self._writer.execute(changes.KEY_QUEUE, of_queue=queue_id, keyed=keyed, once=once)

    def sources(self, load_id: int) -> list[SourceRow]:
        """Return the load's sources by number."""
        return [source_from(row) for row in self._writer.read(queries.SOURCES, of_load=load_id)]

    def add_source(self, queue_id: int, name: str) -> SourceRow:
        """Record a new source of a queue and return it. Synced.

        Crash: the source is recorded, or not at all.
        """
        with self._writer.transaction(synced=True):
            cursor = self._writer.execute(changes.ADD_SOURCE, of_queue=queue_id, name=name)
            source_id = cursor.lastrowid
            assert source_id is not None
        return SourceRow(source_id, queue_id, name)

    def rename_source(self, source_id: int, name: str) -> None:
        """Give a source another name. Synced.

        Crash: it has the new name, or the old one.
        """
        with self._writer.transaction(synced=True):
            self._writer.execute(changes.RENAME_SOURCE, of_source=source_id, name=name)

    def next_worker_id(self) -> int:
        """Return the first number that no `WorkerRecord` has, nor one with a higher number."""
        [(highest,)] = self._writer.read(queries.LAST_WORKER)
        return int(highest) + 1

    def slow_items(self, queue_id: int) -> list[SlowItem]:
        """Return the items of a queue that are kept as slow ones, in no order."""
        return [SlowItem(*row) for row in self._writer.read(queries.SLOW, **_bounds(queue_id))]

    # --- the two logs ---

    def commit(self, batch: Batch) -> None:
        """Record a batch in one transaction; one that settles a load is always synced.

        Crash: before or during, nothing of the batch is recorded; after, all of it, and with
        ``batch.synced`` it survives a power cut as well.

        Args:
            batch: What to record.

        Raises:
            JournalUnavailable: Disk full, I/O error, or the file was taken away: the batch was
                rolled back whole.
            JournalCorrupt: A record contradicts an earlier one, such as an item that is done
                twice: the batch was rolled back whole.
        """
        settles = batch.settled_load is not None
        if settles:
            self._writer.require_same_file()
        synced = batch.synced or settles
        transaction = self._writer.transaction(synced=synced, bulky=batch.bulky)
        with self._turns, self._events, transaction:
            self._recording.record(batch)
            if not batch.untold:
                self._events.tell_puts()
            if batch.settled_load is not None:
                failpoints.point("journal.before_settle")
                self._recording.end_load(batch.settled_load, LoadState.SETTLED)

    def tell(self) -> None:
        """Record the events of puts that batches have left untold. Not synced.

        Crash: all of them are told of, or none: then who opens the journal next tells of them.
        """
        if self._events.has_untold:
            with self._events, self._writer.transaction(synced=False):
                self._events.tell_puts()

    def flush(self) -> None:
        """Bring commits that were not synced to the disk. Cheap when there are none.

        Crash: nothing is lost but what a power cut would have taken before as well.

        Raises:
            JournalUnavailable: I/O error, or the file was deleted or replaced while in use.
        """
        self._writer.require_usable()
        self._writer.require_same_file()
        if not self._writer.unsynced:
            return
        with self._writer.transaction(synced=True):
            failpoints.point("journal.before_flush")
            if (
                self._writer.execute(
                    changes.SEE_RUN, of_run=self._recording.run_id, seen_at=now()
                ).rowcount
                == 0
            ):
                # A transaction that changes nothing syncs nothing; this writes one page.
                self._writer.rewrite_header()

    def outstanding_page(
        self, after_id: int, last_id: int, limit: int, bytes_max: int
    ) -> list[Slice]:
        """Return outstanding items with ``after_id < id <= last_id``, in order.

        Args:
            after_id: Where the previous page ended.
            last_id: Last id wanted.
            limit: Most items to return.
            bytes_max: Stop after the slice that brings the payloads to this many bytes.

        Raises:
            JournalCorrupt: The items are not there. Their bytes are not looked at.
        """
        with self._writer.reading() as pages:
            return pages.outstanding((after_id, last_id), limit, bytes_max)

    def put_page(self, after_id: int, last_id: int, limit: int, bytes_max: int) -> list[Slice]:
        """Return items of the put-log, finished or not; arguments as for `outstanding_page`."""
        with self._writer.reading() as pages:
            return pages.put((after_id, last_id), limit, bytes_max)

    def source_spans(self, after_id: int, last_id: int, limit: int) -> list[SourceSpan]:
        """Return which source has put which items of a queue, in order.

        What comes before the first span of a queue is of its first source.

        Args:
            after_id: The item of the queue behind which to begin; the span that it is in comes
                first.
            last_id: Last id wanted.
            limit: Most spans to return.
        """
        least, _ = queue_range(queue_of(after_id))
        rows = self._writer.read(
            queries.SOURCE_SPANS, after_id=after_id, last_id=last_id, least=least, most=limit
        )
        return [SourceSpan(*row) for row in rows]

    def put_since(self, queue_id: int, since: float) -> list[tuple[IdRange, float]]:
        """Return what was put on a queue lately, in order, and when, in seconds since 1970.

        Args:
            queue_id: The queue.
            since: The earliest time, in seconds since 1970; what was put a moment before may be
                among it.
        """
        rows = self._writer.read(
            queries.PUT_SINCE, **_bounds(queue_id), since=int((since - TURN_S) * 1000)
        )
        return [(IdRange(first, last), at / 1000) for first, last, at in rows]

    def cursor(self, source_id: int) -> Cursor | None:
        """Return how far a source has come, None if it has not said so."""
        rows = self._writer.read(queries.CURSOR, of_source=source_id)
        return cursor_from(rows[0]) if rows else None

    def checkpoint(self, item_id: int) -> Block | None:
        """Return how far attempts at an item have come, None if none has said so."""
        rows = self._writer.read(queries.CHECKPOINT, of_item=item_id)
        return Block(1, *rows[0]) if rows else None

    def failed_attempts(self, load_id: int) -> list[Attempts]:
        """Return the failures, not forgiven, of the load's outstanding items."""
        return [
            attempts_from(found)
            for row in self.queues(load_id)
            for found in self._writer.read(queries.ATTEMPTS, **_bounds(row.queue_id))
        ]

    def delays(self, load_id: int) -> list[Delay]:
        """Return which outstanding items of the load were put to wait, and are not due yet."""
        moment = int(time.time() * 1000)
        return [
            Delay(ids, delay.due)
            for row in self.queues(load_id)
            for found in self._writer.read(queries.DELAYED, **_bounds(row.queue_id), now=moment)
            for delay in [delay_from(found)]
            for ids in self._outstanding_of(delay.ids)
        ]

    def _outstanding_of(self, ids: IdRange) -> list[IdRange]:
        """Return what is outstanding: a clock that was set back may have made them wait anew."""
        with self._writer.reading() as pages:
            found = pages.gaps(ids.first - 1, ids.last)
            return [*found]

    def parked_ids(self, queue_id: int) -> list[int]:
        """Return the ids of a queue's parked items, in order."""
        rows = self._writer.read(queries.PARKED_IDS, **_bounds(queue_id))
        return [item_id for (item_id,) in rows]

    def replacements(self, queue_id: int) -> list[int]:
        """Return the items of a queue that were put by hand for others, in order."""
        rows = self._writer.read(queries.REPLACEMENTS, **_bounds(queue_id))
        return [item_id for (item_id,) in rows]

    def streamed(self, item_id: int) -> list[IdRange]:
        """Return what earlier attempts at an outstanding item have put; see `Streamed`."""
        rows = self._writer.read(queries.STREAMED, of_item=item_id)
        return merged(IdRange(*row) for row in rows)

    def has_streamed(self, queue_id: int) -> bool:
        """Return whether items of a queue that are not done have put anything; see `Streamed`."""
        [(found,)] = self._writer.read(queries.HAS_STREAMED_OF, **_bounds(queue_id))
        return bool(found)

    def next_spool_id(self) -> int:
        """Return the first number that no spool has, nor one with a higher number."""
        [(highest,)] = self._writer.read(queries.LAST_SPOOL)
        return int(highest) + 1

    # --- natural keys ---

    def digests(self, after_id: int, last_id: int, limit: int) -> list[tuple[int, bytes]]:
        """Return the digests of blocks with natural keys, in order; see `Journal.digests`."""
        rows = self._writer.read(queries.DIGESTS, after_id=after_id, last_id=last_id, most=limit)
        return [(first_id, digests) for first_id, _, digests in rows]

    def digest(self, item_id: int) -> bytes | None:
        """Return the digest of an item's natural key; None if it has none, or was given up."""
        for first_id, count, digests in self._writer.read(queries.DIGESTS_AT, of_item=item_id):
            if digests is not None and item_id < first_id + count:
                return digest_at(digests, item_id - first_id)
        return None

    def done_keys(
        self, names: Collection[str], but_load: int, after_id: int, limit: int
    ) -> list[tuple[int, bytes]]:
        """Return the keys that loads have done; see `Journal.done_keys`.

        Raises:
            JournalCorrupt: An entry is damaged.
        """
        return self._done_keys.page(names, but_load, after_id, limit)

    def note_done_keys(self) -> bool:
        """Note some of the keys that settled loads have done; see `Journal.note_done_keys`.

        Crash: the keys of some blocks more are noted, together with how far that has come, or of
        none. Who comes next goes on from there.
        """
        return self._done_keys.step()

    def forget_done_keys(self) -> int:
        """Forget which keys were done, in loads that are settled; return how many. Synced.

        Crash: all of them are forgotten, or none.
        """
        return self._done_keys.forget()

    # --- what is given up ---

    def ended_loads(self) -> list[EndedLoad]:
        """Return the loads that have ended and were not purged, oldest first."""
        return [ended_from(row) for row in self._writer.read(purges.ENDED_LOADS)]

    def purge_load(self, load_id: int) -> bool:
        """Mark a load that has ended as purged; False if that cannot be, and nothing has changed.

        Crash: the mark, with the ends of its outstanding items and its seals, is recorded, or
        nothing is. What is to be deleted is deleted later, by this or another process.
        """
        # What would be noted of its items is gone then.
        while self._done_keys.step():
            pass
        return self._retention.purge(load_id)

    def tidy(self, spools_before: int) -> bool:
        """Delete a little of what purged loads and dead attempts have left; True for more.

        What settled loads have done is noted first.

        Crash: some rows more are noted or deleted, or none; no row that stays names one that is
        gone.

        Args:
            spools_before: A number that no spool in use is below.
        """
        return self._done_keys.step() or self._retention.step(spools_before)

    def is_bare(self) -> bool:
        """Return whether nothing is left but counters: all loads are purged, none has failures."""
        [(bare,)] = self._writer.read(purges.IS_BARE)
        return bool(bare)

    def close(self) -> None:
        """Flush, fold the log back into the file, and close. Safe to call twice.

        Crash: every commit stays; the next opening folds the log back.
        """
        if self._writer.closed:
            return
        try:
            self.tell()
            self.flush()
            self._writer.fold()
        finally:
            self._writer.close()

    def _one_load(self, sql: str, **values: int) -> Load | None:
        rows = self._writer.read(sql, **values)
        return load_from(rows[0]) if rows else None


def _bounds(queue_id: int) -> dict[str, int]:
    after_id, last_id = queue_range(queue_id)
    return {"after_id": after_id, "last_id": last_id}
