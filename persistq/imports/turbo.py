"""Imports what a turbo-queue has left in its directory: it becomes batch files of a folder."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from persistq.errors import FolderError, UsageError
from persistq.folder.place import place_of
from persistq.folder.reader import reported
from persistq.imports.imported import Imported, Record
from persistq.imports.turbofiles import OldBatch, find, users_of
from persistq.imports.turborows import BatchChanged, BatchUnreadable, RowUnreadable, read
from persistq.text.terminal import printable

_TOLD_MAX: Final = 1000
"""So many bad rows of a file are told one by one; others are counted."""

_SECOND_US: Final = 1_000_000


@dataclass(slots=True)
class Figures:
    """What an import has come to, or would.

    Attributes:
        files: How many files should be batches.
        imported: How many of them have been imported now.
        rows: How many rows these had.
        before: How many an earlier call had imported.
        empty: How many are batches without rows.
        bad_rows: How many rows are no JSON values, and were left out.
        unreadable: How many files were left out, or read only up to where they are damaged.
        open: Names of files that were left out because a process has them open.
        others: Names of what is no batch.
        problems: What is wrong, a sentence for each.
    """

    files: int = 0
    imported: int = 0
    rows: int = 0
    before: int = 0
    empty: int = 0
    bad_rows: int = 0
    unreadable: int = 0
    open: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Reading:
    """What was found in one file while it was read.

    Attributes:
        rows: How many rows are right.
        bad_rows: How many are not.
        is_damaged: Whether it could not be read to its end.
        problems: Sentences for all of that.
    """

    rows: int = 0
    bad_rows: int = 0
    is_damaged: bool = False
    problems: list[str] = field(default_factory=list)


def import_turbo(
    directory: Path, folder: Path, *, skip_open: bool = False, dry_run: bool = False
) -> Figures:
    """Import what is still in the directory of a queue.

    Nothing there is changed. What an earlier call has imported is not imported again, also if the
    files have got other names since.

    Crash: each file is imported or not; the next call carries on.

    Args:
        directory: The queue, ``<root_path>/<queue_name>``.
        folder: The folder; it is made if it is missing.
        skip_open: Whether files that a process has open are left out, instead of refusing all.
        dry_run: Whether only to look.

    Raises:
        UsageError: There is nothing to import, or the folder is in the directory.
        FolderError: A process has files of the queue open, or the folder cannot be used.
    """
    place = place_of(folder)
    found = find(directory)
    _require_apart(directory, place.path)
    used = _used(directory, found.batches, skip_open=skip_open)
    figures = Figures(
        files=len(found.batches),
        open=sorted(used),
        others=[printable(name) for name in found.others],
    )
    figures.problems += [_orphaned(name) for name in found.orphans]
    imported = Imported(place)
    holding: AbstractContextManager[None] = nullcontext() if dry_run else imported.held()
    with reported(place), holding:
        records = imported.records()
        for batch in found.batches:
            if batch.name not in used:
                _import_one(batch, records, figures, None if dry_run else imported)
    return figures


def _import_one(
    batch: OldBatch, records: dict[str, Record], figures: Figures, imported: Imported | None
) -> None:
    """Import a file, or only look at it; one that was imported before tells its problems again."""
    before = records.get(batch.key) or _renamed(batch, records)
    if before is not None:
        _add_before(batch, before, figures)
        return
    reading = _Reading()
    lines = _right_rows(batch, reading)
    try:
        if imported is None:
            deque(lines, maxlen=0)
        else:
            imported.bring(batch.key, _stem(batch), lines, lambda: _record_of(batch, reading))
    except BatchChanged:
        reading = _Reading(is_damaged=True, problems=[_changing(batch)])
    if reading.rows:
        records[batch.key] = _record_of(batch, reading)
    _add(reading, figures)


def _right_rows(batch: OldBatch, reading: _Reading) -> Iterator[bytes]:
    """Yield the rows that are right, and note what is not."""
    try:
        for row in read(batch):
            if isinstance(row, bytes):
                reading.rows += 1
                yield row
            else:
                _note_bad(batch, row, reading)
    except BatchUnreadable as error:
        reading.is_damaged = True
        read_so_far = f"; its first {reading.rows:,} rows are imported" if reading.rows else ""
        reading.problems.append(f"{batch.name}: {error}{read_so_far}")
    if (untold := reading.bad_rows - _TOLD_MAX) > 0:
        reading.problems.append(f"{batch.name}: {untold:,} more rows are no JSON values")


def _note_bad(batch: OldBatch, row: RowUnreadable, reading: _Reading) -> None:
    reading.bad_rows += 1
    if reading.bad_rows <= _TOLD_MAX:
        what = f"row {row.number:,} is no JSON value: {row.reason}"
        reading.problems.append(f"{batch.name}: {what}")


def _add(reading: _Reading, figures: Figures) -> None:
    figures.imported += reading.rows > 0
    figures.rows += reading.rows
    figures.empty += not (reading.rows or reading.bad_rows or reading.is_damaged)
    figures.bad_rows += reading.bad_rows
    figures.unreadable += reading.is_damaged
    figures.problems += reading.problems


def _add_before(batch: OldBatch, before: Record, figures: Figures) -> None:
    figures.before += 1
    figures.bad_rows += before.bad_rows
    figures.unreadable += before.is_damaged
    figures.problems += before.problems
    if before.mark != batch.mark:
        figures.unreadable += 1
        figures.problems.append(
            f"{batch.name}: it is not as it was when it was imported, as {before.file}: "
            "what has been written since is not imported"
        )


def _record_of(batch: OldBatch, reading: _Reading) -> Record:
    return Record(batch.name, batch.mark, **asdict(reading))


def _renamed(batch: OldBatch, records: dict[str, Record]) -> Record | None:
    """Return the record of a file that had another name: turbo-queue gives it one at each start."""
    return next((it for it in records.values() if it.mark == batch.mark), None)


def _stem(batch: OldBatch) -> str:
    """Return what its batch files are called: they sort as they were put, before newer ones."""
    began, written, _ = batch.rank
    return f"{began * _SECOND_US:017}-{written:019}-{batch.key}"


def _used(directory: Path, batches: list[OldBatch], *, skip_open: bool) -> set[str]:
    """Return the names of files that a process has open.

    Raises:
        FolderError: There are such, and they are not to be left out.
    """
    users = [*users_of(batches)]
    if users and not skip_open:
        pid, batch = users[0]
        who = f"process {pid}" if pid else "a process"
        reason = (
            f"{who} has {batch.name} open: end the programs of the old queue "
            "first, or leave out such files with --skip-open"
        )
        raise FolderError(str(directory), reason)
    return {batch.name for _, batch in users}


def _changing(batch: OldBatch) -> str:
    return (
        f"{batch.name}: somebody wrote to it while it was read, and nothing of it is imported: end "
        "the programs of the old queue, and import again"
    )


def _orphaned(name: str) -> str:
    return (
        f"{printable(name)}: the batch that it belongs to is not here: it was renamed while its "
        "producer wrote it, and its last rows are lost"
    )


def _require_apart(directory: Path, folder: Path) -> None:
    old = directory.resolve()
    if folder == old or old in folder.parents:
        raise UsageError(
            f"{folder} is in {directory}, where nothing is written: give another directory"
        )
