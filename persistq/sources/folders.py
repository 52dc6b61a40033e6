"""A folder that is a queue as a source: each file is an item of the load once, whoever dies when.

A file is claimed for the load, and only then put. So what the journal does not have yet lies among
the load's claims, and is put again by the next run; what it has is recognised by its path, which
has a number that is never used again. When the journal is done with an item, a stage behind it
finishes the file, which may be done any number of times.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from persistq import failpoints
from persistq.errors import UpstreamFailed, UsageError
from persistq.folder.batchfile import check_batch, read_lines
from persistq.folder.claims import GROUP
from persistq.folder.loadclaims import LoadClaims, LoadRun
from persistq.folder.owner import load_of
from persistq.folder.place import place_of
from persistq.folder.queue import FolderQueue
from persistq.folder.reader import Reader, reported
from persistq.folder.renames import rename_free
from persistq.folder.rowlines import row_in
from persistq.outcome import Outcome
from persistq.pipeline.currentload import current_load
from persistq.wire.messages import Ended

FileItem = str | list[str]
"""The path of a file that is claimed for the load; of a group, those of all its files."""

_ABOVE: Final = 3
"""A claim lies so far below its folder: ``.taken/load~NAME/NUMBER.FILE``."""


def claimed(path: str | os.PathLike[str], **options: Any) -> Iterator[FileItem]:
    """Claim the files of a folder for a load, and yield their paths, until the folder is DONE.

    What a load has claimed stays its own: with its items that are parked, until they are retried.

    Example:
        >>> @pipeline.source                                    # doctest: +SKIP
        ... def arrivals():
        ...     return claimed("in", match="*.csv")
        >>> @pipeline.stage                                     # doctest: +SKIP
        ... def load(path):
        ...     store(path); return path
        >>> pipeline.stage(finish)                              # doctest: +SKIP

    Crash: a file waits, or is claimed and put by the next run; it is an item of the load once.

    Args:
        path: The folder.
        options: What `persistq.FolderQueue` takes about reading.

    Raises:
        UsageError: An option is wrong, this is called outside of a source, or a live process claims
            files for a load of this name.
        UpstreamFailed: A producer of the folder has failed.
        FolderError: The folder cannot be used.
    """
    load = current_load.get()
    if load is None:
        raise UsageError("claimed() belongs in a source of a pipeline: elsewhere use FolderQueue")
    queue = _LoadQueue(path, LoadRun(*load), options)
    yield from queue.earlier()
    while not isinstance(item := queue.next(), Ended):
        failpoints.point("folder.before_claim_put")
        yield item
    if item.outcome is Outcome.FAILED:
        raise UpstreamFailed(queue.name, item.reason)


def finish(item: FileItem, done: str = ".done") -> None:
    """Put a file, or all files of a group, where finished files go; again does nothing.

    Crash: it is among the claims of the load or finished; the item is not done yet, so this is
    called again.

    Args:
        item: What `claimed` has yielded.
        done: As for `persistq.FolderQueue`.

    Raises:
        UsageError: It is nothing that a load has claimed.
        FolderError: It cannot be moved.
    """
    claim = _claim_of(item)
    place = place_of(claim.parents[_ABOVE - 1], done)
    with reported(place):
        if not os.path.lexists(claim):
            return
        failpoints.point("folder.before_finish")
        if place.done is None:
            shutil.rmtree(claim) if claim.is_dir() else claim.unlink()
        else:
            name = claim.name.partition(".")[2]
            rename_free(claim, place.done, name.removesuffix(GROUP) if claim.is_dir() else name)
        failpoints.point("folder.after_finish")


def batch_rows(path: str | os.PathLike[str]) -> Iterator[Any]:
    """Yield the rows of a batch file that `persistq.FolderQueue.rows` has written.

    Raises:
        BatchFault: It is cut short, or was changed; none of its rows is yielded.
    """
    rows = check_batch(Path(path))
    yield from map(row_in, read_lines(Path(path), rows))


class _LoadQueue(FolderQueue[Any]):
    """A folder, read for a load."""

    def __init__(self, path: str | os.PathLike[str], run: LoadRun, options: dict[str, Any]) -> None:
        self._run = run
        if "producer" in options:
            raise UsageError("producer= is for who puts into a folder; a load only reads it")
        super().__init__(path, **options)
        with reported(self._place):
            began = self._kept.begin(self._start.began)
        self._files = Reader(self._place, self._options, self._kept, began)

    def _begin_here(self) -> None:
        super()._begin_here()
        self._claims = self._kept = LoadClaims(self._place, self._run)

    def earlier(self) -> Iterator[FileItem]:
        """Yield what earlier runs of the load have claimed."""
        for path in self._kept.earlier():
            is_group = path.name.endswith(GROUP) and path.is_dir()
            yield sorted(map(str, path.iterdir())) if is_group else str(path)

    def next(self) -> FileItem | Ended:
        """Claim the next file or group for good."""
        while True:
            answer = self._files.get()
            if isinstance(answer, Ended):
                return answer
            if answer is not None:
                with reported(self._place):
                    self._kept.let_go(answer[0])
                found = answer[2]
                return [*map(str, found)] if isinstance(found, list) else str(found)


def _claim_of(item: FileItem) -> Path:
    """Return the file, or the directory of the group, that is claimed.

    Raises:
        UsageError: The item is neither: what it names is not moved or deleted.
    """
    path = Path(item[0]).parent if isinstance(item, list) and item else Path(str(item))
    is_one = path.parent.parent.name == ".taken" and load_of(path.parent.name)
    if not is_one or ".." in path.parts:
        raise UsageError(
            f"{item!r} is nothing that a load has claimed: pass on what claimed() gave"
        )
    return path
