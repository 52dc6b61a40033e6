"""A folder that is a queue as a source: each file is an item of the load once, whoever dies when.

A file is claimed for the load, and only then put. So what the journal does not have yet lies among
the load's claims, and is put again by the next run; what it has is recognised by its path, which
has a number that is never used again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from persistq import failpoints
from persistq.errors import UpstreamFailed
from persistq.folder.claims import GROUP
from persistq.folder.loadclaims import LoadClaims, LoadRun
from persistq.folder.place import Place
from persistq.folder.queue import FolderQueue
from persistq.folder.reader import Reader, reported
from persistq.outcome import Outcome
from persistq.pipeline.currentload import current_load
from persistq.wire.messages import Ended

FileItem = str | list[str]
"""The path of a file that is claimed for the load; of a group, those of all its files."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The files of a folder, as the function of a source.

    Attributes:
        path: The folder.
        options: What `persistq.FolderQueue` takes about reading.
    """

    path: str
    options: Mapping[str, Any]

    def __call__(self) -> Iterator[FileItem]:
        """Claim the files of the folder for the load, and yield their paths, until it is DONE.

        Crash: a file waits, or is claimed and put by the next run; it is an item of the load once.

        Raises:
            UsageError: A live process claims files for a load of this name.
            UpstreamFailed: A producer of the folder has failed.
            FolderError: The folder cannot be used.
        """
        load = current_load.get()
        assert load is not None, "a source is called for a load"
        queue = LoadQueue(self.path, LoadRun(*load), self.options)
        yield from queue.earlier()
        while not isinstance(item := queue.next(), Ended):
            failpoints.point("folder.before_claim_put")
            yield item
        if item.outcome is Outcome.FAILED:
            raise UpstreamFailed(queue.name, item.reason)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The files that wait in a folder, as the function of a source whose run keeps nothing.

    Attributes:
        path: The folder.
        options: As for `Arrivals`.
    """

    path: str
    options: Mapping[str, Any]

    def __call__(self) -> Iterator[FileItem]:
        """Yield the paths of what could be claimed, and claim nothing."""
        queue = _Looked(self.path, **self.options)
        for names in queue.waiting():
            paths = [str(queue.path / name) for name in names]
            yield paths if "group" in self.options else paths[0]


class _Looked(FolderQueue[Any]):
    """A folder that is looked at."""

    def waiting(self) -> list[list[str]]:
        """Return the names of what could be claimed; of a group, those of its files."""
        return Reader(self._place, self._options, self._claims, self._start.began).waiting()


class Checked(FolderQueue[Any]):
    """Checks what is said of a folder, and opens nothing."""

    def _open_at(self, place: Place, *_: Any) -> None:
        self._place = place


class LoadQueue(FolderQueue[Any]):
    """A folder, read for a load.

    Args:
        path: The folder.
        run: The run that reads it.
        options: What `persistq.FolderQueue` takes about reading.
    """

    def __init__(
        self, path: str | os.PathLike[str], run: LoadRun, options: Mapping[str, Any]
    ) -> None:
        self._run = run
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
