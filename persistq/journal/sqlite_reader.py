"""The read-only side of a journal in a SQLite file."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from persistq.errors import (
    JournalCorrupt,
    JournalError,
    JournalMissing,
    JournalUnavailable,
    UsageError,
)
from persistq.items import FailureKind, IdRange
from persistq.journal import descent, lookups, marks, queries
from persistq.journal.batch import Line
from persistq.journal.connection import canonical, open_to_read, schema_version, size_of
from persistq.journal.faults import reported
from persistq.journal.itemized import item_or_none, items_in, plain
from persistq.journal.load import Load
from persistq.journal.mounts import require_not_mounted
from persistq.journal.pages import Pages, queue_range
from persistq.journal.queuerow import QueueRow
from persistq.journal.reader import (
    Attempt,
    FailedAttempt,
    FailureGroup,
    Handled,
    JournaledItem,
    JournalReader,
    ParkedError,
    Repeated,
    WorkerRow,
)
from persistq.journal.repeats import repeated_page
from persistq.journal.rows import (
    failure_from,
    left_from,
    load_from,
    param_from,
    peer_from,
    queue_from,
    route_from,
    run_from,
    spans_from,
    times_from,
)
from persistq.journal.run import Run
from persistq.journal.view import JournalView
from persistq.keys import ItemKeys
from persistq.site import descriptors
from persistq.site.naming import name_of
from persistq.site.ownership import require_own
from persistq.timings import SlowItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from persistq.blocks import Origin, Slice
    from persistq.event import Event
    from persistq.items import Failure, Item
    from persistq.peer import Peer
    from persistq.timings import Sample, StageTimes

    _ReadPage = Callable[[tuple[int, int], int, int], list[Slice]]

_PAGE_BYTES: Final = 8 << 20
_PAGE_ITEMS: Final = 8192

LOADS_NAMED: Final = 5
"""Loads that are named when somebody asks for one that is not there."""


def writer_of(file: Path) -> str:
    """Return in words which broker has opened a journal last."""
    with suppress(JournalError, sqlite3.Error), SqliteReader(file) as reader:
        if (writer := reader.writer()) is not None:
            return str(writer)
    return "another process"


class SqliteReader(JournalReader):
    """A read-only look at a journal in a SQLite file; works while its broker writes.

    Each answer is read in one go or in pages, and no snapshot is held in between, so a slow reader
    does not make the broker's log grow; but where one is asked for.

    Attributes:
        path: The journal file.
    """

    def __init__(self, path: Path) -> None:
        """Open a journal for reading.

        Args:
            path: The journal file.

        Raises:
            JournalMissing: There is none; nothing is created.
            JournalForeign: The file is not a journal.
            JournalNewer: A newer persistq wrote it.
            JournalUnavailable: It cannot be read, is somebody else's, others may write it, or an
                older persistq wrote it.
        """
        self._file = canonical(path)
        self.path = str(self._file)
        require_own(self._file)
        require_not_mounted(self._file)
        if not size_of(self._file):
            raise JournalMissing(self.path, "there is no journal here")
        version = schema_version(self._file)
        if version < marks.SCHEMA_VERSION:
            reason = f"an older persistq wrote it (schema {version}): run its script to upgrade it"
            raise JournalUnavailable(self.path, reason)
        with reported(self._file):
            self._read_as: descriptors.Identity | None = descriptors.begin_reading(self._file)
        try:
            self._connection = open_to_read(self._file)
        except BaseException:
            descriptors.end_reading(self._read_as)
            raise
        self._pages = Pages(self._connection, self.path)

    def close(self) -> None:
        """Close the journal. Safe to call twice."""
        self._connection.close()
        if self._read_as is not None:
            descriptors.end_reading(self._read_as)
            self._read_as = None

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Have all that is asked in a ``with`` block answered as of one moment."""
        self._read("BEGIN")
        try:
            yield
        finally:
            if self._connection.in_transaction:
                self._read("COMMIT")

    def view(self, load_id: int | None = None) -> JournalView:
        """Return one load, its latest run and its queues, as of one moment.

        Args:
            load_id: The load; None for the one that the next start carries on, and where there is
                none, that on which a run started last.

        Raises:
            UsageError: There is no such load.
        """
        name = name_of(self._file)
        with self._snapshot():
            last = self._last_run()
            load = self._current_load(last) if load_id is None else self._load(name, load_id)
            if load is None:
                return JournalView(self.path, name, None, None, ())
            number = load.load_id
            return JournalView(
                self.path,
                name,
                load,
                self._latest_run(number),
                tuple(self._queues(number)),
                ran_last=last is None or last.load_id == number,
                params=tuple(map(param_from, self._rows(queries.PARAMS, of_load=number))),
                left=tuple(map(left_from, self._rows(queries.LEFT, but_load=number))),
                routes=tuple(map(route_from, self._rows(queries.ROUTES, of_load=number))),
            )

    def writer(self) -> Peer | None:
        """Return the broker that has opened it last, if there was one."""
        rows = self._rows(queries.WRITER)
        return peer_from(rows[0]) if rows else None

    def template(self) -> str | None:
        """Return what the journal's name was made from; None if that was given as it is."""
        rows = self._rows(queries.TEMPLATE)
        return rows[0][0] if rows else None

    def done_keys(self) -> int:
        """Return how many natural keys are noted as done by settled loads."""
        [(count,)] = self._rows(queries.COUNT_DONE_KEYS)
        return int(count)

    def loads(self) -> list[Load]:
        """Return all loads, oldest first."""
        return [load_from(row) for row in self._rows(queries.LOADS)]

    def runs(self, load_id: int) -> list[Run]:
        """Return the runs of a load, oldest first."""
        return [run_from(row) for row in self._rows(queries.RUNS, of_load=load_id)]

    def keys(self, queue_id: int) -> ItemKeys:
        """Return what makes the keys of a queue's items.

        Read the counters or the items first: a run that begins later may put what comes then.
        """
        rows = self._rows(queries.PUT_SPANS, of_queue=queue_id, least=0)
        return ItemKeys(spans_from(queue_id, rows))

    def failures(self, item_id: int) -> list[Failure]:
        """Return the failed attempts at an item, oldest first, forgiven ones too."""
        return [failure_from(row) for row in self._rows(queries.FAILURES, of_item=item_id)]

    def latest_failures(self, queues: Iterable[QueueRow], most: int) -> list[FailedAttempt]:
        """Return the failed attempts that came last, newest first.

        Args:
            queues: The queues to look at.
            most: Most attempts to return.
        """
        rows = [
            row
            for queue in queues
            for row in self._rows(
                queries.LATEST_FAILURES, most=most, **_bounds(queue_range(queue.queue_id))
            )
        ]
        latest = sorted(rows, key=itemgetter(0), reverse=True)[:most]
        return [self._attempt(at, failure_from(tuple(row))) for at, *row in latest]

    def outstanding(
        self, queue_id: int | None = None, page: int = 1000, *, after_id: int = 0
    ) -> Iterator[Item]:
        """Iterate over outstanding items in the order they were put.

        Args:
            queue_id: A queue; all queues of the load that `view` shows by itself when None.
            page: Most items to hold in memory at a time.
            after_id: An id; items up to it are passed over, in no time.
        """
        return self._paged(self._pages.outstanding, queue_id, page, after_id)

    def parked(
        self, queue_id: int | None = None, page: int = 1000
    ) -> Iterator[tuple[Item, Failure | None]]:
        """Iterate over parked items with their last failure, in the order they were put.

        Args:
            queue_id: A queue; all queues of the load that `view` shows by itself when None.
            page: Most items to hold in memory at a time.
        """
        for item in self._paged(self._pages.parked, queue_id, page):
            failures = self.failures(item.item_id)
            yield item, failures[-1] if failures else None

    def queues(self) -> list[QueueRow]:
        """Return the queues of all loads, those of the oldest load first."""
        return [queue_from(row) for row in self._rows(queries.ALL_QUEUES)]

    def items(self, first_id: int, last_id: int) -> Iterator[JournaledItem]:
        """Iterate over items with where they are, in the order they were put.

        Args:
            first_id: Id of the first item.
            last_id: Id of the last one; those that are not there are passed over.
        """
        while page := self._items_page(IdRange(first_id, last_id)):
            yield from page
            first_id = page[-1].item_id + 1

    def page(self, ids: IdRange) -> list[Slice]:
        """Return the first items of a range, finished or not; see `JournalReader.page`."""
        return self._page(self._pages.put, (ids.first - 1, ids.last), _PAGE_ITEMS)

    def origins(self, ids: IdRange) -> list[tuple[IdRange, Origin | None]]:
        """Return of what items were made, block by block, in order; None for what was put."""
        with self._snapshot():
            return lookups.origins(self._connection, ids)

    def made_of(self, item_id: int) -> list[IdRange]:
        """Return what was made of an item, in order; none if it is not done, or not there."""
        with self._snapshot():
            return descent.made_of(self._connection, item_id)

    def printed(self, item_id: int) -> list[Line]:
        """Return what was printed while an item was worked on, in all attempts, oldest first."""
        return [Line(*row) for row in self._read(lookups.PRINTED, item_id)]

    def by_hand(self, item_id: int) -> list[Handled]:
        """Return what was done by hand to an item, or led to it, oldest first."""
        return [lookups.handled_from(row) for row in self._read(lookups.BY_HAND, item_id, item_id)]

    def attempts(self, first_id: int, last_id: int | None = None) -> list[Attempt]:
        """Return the failed attempts at items, those of each oldest first, forgiven ones too.

        Args:
            first_id: Id of the first item.
            last_id: Id of the last one; None for no other.
        """
        bounds = first_id, first_id if last_id is None else last_id
        return [lookups.attempt_from(row) for row in self._read(lookups.ATTEMPTS, *bounds)]

    def parked_errors(self, queue_id: int, *, after_id: int = 0) -> Iterator[ParkedError]:
        """Iterate over the parked items of a queue with their last errors, in order.

        Args:
            queue_id: The queue.
            after_id: An id; items up to it are passed over, in no time.
        """
        first_id, last_id = queue_range(queue_id)
        after_id = max(after_id, first_id)
        with reported(self._file):
            while page := lookups.parked_page(self._connection, after_id + 1, last_id):
                yield from page
                after_id = page[-1].item_id

    def repeated(self, queue_id: int, *, is_purged: bool = False) -> Iterator[Repeated]:
        """Iterate over the items of a queue that were begun more than once, in order."""
        after_id, last_id = queue_range(queue_id)
        with reported(self._file):
            while page := repeated_page(self._connection, after_id, last_id, is_purged=is_purged):
                yield from page
                after_id = page[-1].item_id

    def failure_groups(self, queue_id: int, most: int) -> list[FailureGroup]:
        """Return the failed attempts at a queue's items, grouped; those that came most often first.

        Args:
            queue_id: The queue.
            most: Most groups to return.
        """
        with self._snapshot():
            rows = self._read(lookups.FAILURE_GROUPS, *queue_range(queue_id), most)
            return [
                FailureGroup(
                    queue_id, FailureKind(kind), type_, attempts, items, self._recorded(newest)
                )
                for kind, type_, attempts, items, newest in rows
            ]

    def failed_attempts(self, queue_id: int) -> int:
        """Return how many failed attempts at a queue's items are recorded."""
        [(count,)] = self._read(lookups.FAILED_ATTEMPTS, *queue_range(queue_id))
        return int(count)

    def workers(self, run_id: int) -> list[WorkerRow]:
        """Return the processes that took items in a run, in the order in which they began."""
        return [lookups.worker_from(row) for row in self._read(lookups.WORKERS, run_id)]

    def times(self, run_id: int) -> list[StageTimes]:
        """Return how long stages took in a run, in their order; none of those that told nothing."""
        return [times_from(row) for row in self._read(lookups.TIMES, run_id)]

    def all_times(self) -> list[StageTimes]:
        """Return how long stages took in all runs, those of purged loads too."""
        return [times_from(row) for row in self._read(lookups.ALL_TIMES)]

    def failure_counts(self) -> list[tuple[int, str, int]]:
        """Return how many failures of which kind the items of each queue had, forgiven ones too."""
        return [(queue_id, kind, count) for queue_id, kind, count in self._read(lookups.FAILED)]

    def slow_items(self, queue_id: int) -> list[SlowItem]:
        """Return the slowest items of a queue that are kept, the slowest one first."""
        after_id, last_id = queue_range(queue_id)
        return [SlowItem(*row) for row in self._read(lookups.SLOW, after_id, last_id)]

    def events(self, after: int, limit: int) -> list[Event]:
        """Return what has happened behind an event, in the order of commits."""
        with self._snapshot():
            rows = self._connection.execute(lookups.EVENTS, (after, limit))
            return [lookups.event_from(row) for row in rows]

    def events_kept(self) -> tuple[int, int]:
        """Return the numbers of the first and of the last event that is kept: 1 and 0 of none."""
        [(first, last)] = self._read(lookups.EVENTS_KEPT)
        return first, last

    def samples(self, run_id: int) -> list[Sample]:
        """Return where a run stood, moment by moment; none once its load is purged."""
        with self._snapshot():
            return lookups.samples(self._connection, run_id)

    def _read(self, text: str, *values: int) -> list[tuple[Any, ...]]:
        with reported(self._file):
            return self._connection.execute(text, values).fetchall()

    def _paged(
        self, read: _ReadPage, queue_id: int | None, page: int, after_id: int = 0
    ) -> Iterator[Item]:
        for first_id, last_id in self._ranges(queue_id):
            position = max(first_id, after_id)
            while slices := self._page(read, (position, last_id), page):
                yield from plain(items_in(slices, self.path))
                position = slices[-1].ids.last

    def _items_page(self, ids: IdRange) -> list[JournaledItem]:
        with self._snapshot():
            return lookups.items_page(self._connection, self._pages, ids)

    def _page(self, read: _ReadPage, bounds: tuple[int, int], page: int) -> list[Slice]:
        with self._snapshot():
            return read(bounds, page, _PAGE_BYTES)

    def _recorded(self, failure_id: int) -> FailedAttempt:
        [(at, *row)] = self._read(lookups.ATTEMPT, failure_id)
        return self._attempt(at, failure_from(tuple(row)))

    def _attempt(self, at: str, failure: Failure) -> FailedAttempt:
        with self._snapshot():
            found = self._pages.item(failure.item_id)
        return FailedAttempt(datetime.fromisoformat(at), item_or_none(found), failure)

    def _ranges(self, queue_id: int | None) -> list[tuple[int, int]]:
        if queue_id is not None:
            return [queue_range(queue_id)]
        load = self._current_load(self._last_run())
        return [queue_range(row.queue_id) for row in self._queues(load.load_id)] if load else []

    def _current_load(self, last: Run | None) -> Load | None:
        return (
            self._one_load(queries.OPEN_LOAD)
            or (self._one_load(queries.LOAD, of_load=last.load_id) if last else None)
            or self._one_load(queries.LATEST_LOAD)
        )

    def _load(self, name: str, load_id: int) -> Load:
        load = self._one_load(queries.LOAD, of_load=load_id)
        if load is None:
            numbers = ", ".join(str(load.load_id) for load in self.loads()[-LOADS_NAMED:])
            there = f"its latest ones are: {numbers}" if numbers else "it has none"
            raise UsageError(f"{name!r} has no load {load_id}; {there}")
        return load

    def _one_load(self, sql: str, **values: int) -> Load | None:
        rows = self._rows(sql, **values)
        return load_from(rows[0]) if rows else None

    def _last_run(self) -> Run | None:
        rows = self._rows(queries.LAST_RUN)
        return run_from(rows[0]) if rows else None

    def _latest_run(self, load_id: int) -> Run | None:
        rows = self._rows(queries.LATEST_RUN, of_load=load_id)
        return run_from(rows[0]) if rows else None

    def _queues(self, load_id: int) -> list[QueueRow]:
        return [queue_from(row) for row in self._rows(queries.QUEUES, of_load=load_id)]

    def _rows(self, sql: str, **values: int) -> list[tuple[Any, ...]]:
        with reported(self._file):
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        # One that was begun before is ended by who has begun it.
        with nullcontext() if self._connection.in_transaction else self.snapshot():
            try:
                with reported(self._file):
                    yield
            except UsageError:
                raise
            except ValueError as error:
                reason = f"a row holds what it cannot ({error}): see persistq verify"
                raise JournalCorrupt(self.path, reason) from error


def _bounds(ids: tuple[int, int]) -> dict[str, int]:
    after_id, last_id = ids
    return {"after_id": after_id, "last_id": last_id}
