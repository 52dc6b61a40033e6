"""A folder that a handler writes files into: each appears there once, when its item is done.

A file is written below ``.tmp`` of the folder, where nobody looks for it, and synced. When the
item's receipt is committed it takes its name by one rename. So who dies before that has written
nothing, and who dies after it is finished for by the next who gets the item: what is below ``.tmp``
no more has its name, or had it until somebody took it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, ClassVar, Final

from persistq import failpoints
from persistq.errors import UsageError
from persistq.folder.names import another, require_item_name, unique
from persistq.folder.owner import LOAD
from persistq.folder.place import place_of
from persistq.folder.reader import reported
from persistq.folder.renames import refuses, rename_free, sync_directory
from persistq.sinks import FileSink
from persistq.sinks.files import FilesUnfinished, Prepared, at_work, written
from persistq.sinks.late import LateTarget
from persistq.sinks.loading import Loader

UNIQUE: Final = "unique"
MINE: Final = "mine"

NO_LOAD: Final = "none"
"""Where a file is written that no load writes."""


class Outbox:
    """Where a handler writes files; with ``folder=`` at its stage it gets one as ``out``.

    Example:
        >>> @pipeline.stage(folder="out")                       # doctest: +SKIP
        ... def convert(path, out):
        ...     with out.open("sales.json") as file:
        ...         json.dump(read(path), file)

    Args:
        folder: The directory; it is made if it is missing.
        names: ``unique``: a name has the item's key in it, as in ``sales~KEY.json``, so that it is
            nobody else's. ``mine``: it is as it was given.
        load: The name of the load for which it is.

    Attributes:
        names: The same.

    Raises:
        UsageError: The folder is no path, or ``names`` is something else.
    """

    def __init__(
        self, folder: str | os.PathLike[str], names: str = UNIQUE, *, load: str = ""
    ) -> None:
        if names not in {UNIQUE, MINE}:
            raise UsageError(f"names={names!r} is refused: give {UNIQUE!r} or {MINE!r}")
        self._place = place_of(folder)
        self.names = names
        self._drafts = self._place.tmp / f"{LOAD}{load.replace('.', '~') or NO_LOAD}"

    def __repr__(self) -> str:
        return f"Outbox({str(self._place.path)!r}, names={self.names!r})"

    @property
    def path(self) -> Path:
        """The directory."""
        return self._place.path

    @contextmanager
    def open(self, name: str, mode: str = "w") -> Iterator[IO[Any]]:
        """Write a file, which appears in the folder when the item is done; if it fails, never.

        A name that ends in ``.gz`` is compressed. Where no handler is at work, as in a test that
        calls it, the file appears at the end of the block.

        Crash: the file is there once, or the item is worked on again.

        Args:
            name: A plain file name.
            mode: ``w`` for text as UTF-8, ``wb`` for bytes.

        Raises:
            UsageError: The name or the mode is none that can be used, or the handler has written
                a file of this name already.
            FileExistsError: With ``names="mine"``: a file of this name is in the folder.
            FolderError: The folder is a stranger's, or cannot be used.
        """
        outputs = at_work()
        if outputs is None:
            self.prepare()
        target = self._target(name, "" if outputs is None else outputs.key)
        number = 0 if outputs is None else len(outputs.prepared)
        draft = unique("own") if outputs is None else f"{outputs.key}.{number}"
        prepared = Prepared(str(target), str(self._drafts / draft), append=False)
        with written(prepared, mode, finish=self.publish) as file:
            yield file

    def prepare(self) -> None:
        """Make the directory for what is being written as well; errors as for `check`."""
        self.check()
        with reported(self._place):
            self._drafts.mkdir(exist_ok=True)

    def check(self) -> None:
        """Make the folder, and see whether names are kept apart as they have to be.

        Raises:
            UsageError: The file system replaces files, and names are the program's own.
            FolderError: The folder is a stranger's, or cannot be used.
        """
        self._place.prepare()
        with reported(self._place):
            if self.names == MINE and not refuses(self._place.tmp):
                raise UsageError(
                    f"names='mine' is refused: the file system of {self.path} cannot rename "
                    "without replacing, so a file could take the place of another: leave names= out"
                )

    def publish(self, prepared: list[Prepared]) -> None:
        """Let files take their names; those that have had them are passed over.

        Crash: the same call does what is left.

        Raises:
            FilesUnfinished: It could not be done; raised from the `OSError`.
        """
        try:
            for one in prepared:
                failpoints.point("outbox.before_publish")
                self._name(Path(one.part), Path(one.path))
                failpoints.point("outbox.after_publish")
            sync_directory(self.path)
        except OSError as error:
            raise FilesUnfinished(str(error)) from error

    def _target(self, name: str, key: str) -> Path:
        if not isinstance(name, str):
            raise UsageError(f"out.open({name!r}) is refused: give a file name as text")
        require_item_name(name)
        if self.names == UNIQUE:
            name = another(name, key) if key else unique(name)
            require_item_name(name)
        elif os.path.lexists(self.path / name):
            raise FileExistsError(f"{self.path / name} is there: it is not replaced")
        return self.path / name

    def _name(self, draft: Path, target: Path) -> None:
        with suppress(FileNotFoundError):
            if self.names == UNIQUE:
                draft.rename(target)
            else:
                # Somebody may have put one of this name meanwhile: both are kept.
                rename_free(draft, target.parent, target.name)


@dataclass(frozen=True, slots=True)
class FolderSink(FileSink):
    """The sink of a stage that writes files into a folder.

    Attributes:
        folder: The folder.
        names: As for `Outbox`.
        load: The name of the load.
    """

    folder: str = ""
    names: str = UNIQUE
    load: str = ""
    option: ClassVar[str] = "folder="

    def __str__(self) -> str:
        return f"folder {self.folder}"

    def beside(self, receipts: str, load: str) -> FolderSink:
        """Return the sink with its receipts, which are not in the folder: that may be on NFS."""
        return replace(self, receipts=receipts, load=load)

    def check(self) -> None:
        """Make the folder before anything is opened; errors as for `Outbox.check`."""
        self.outbox.check()

    @property
    def outbox(self) -> Outbox:
        """What the handler writes with."""
        return Outbox(self.folder, self.names, load=self.load)

    def open(self) -> Loader:
        """Make the folder, and open the file of receipts in this process.

        Raises:
            UsageError: The folder cannot be used like this.
            FolderError: It cannot be used.
            sqlite3.Error: The receipts cannot be opened.
        """
        self.outbox.prepare()
        return FileSink.open(self)

    def connect(self) -> LateTarget:
        """Make the folder, and return a target that keeps no receipts: a sample leaves no file."""
        self.outbox.prepare()
        return FileSink.connect(self)

    def finish(self, prepared: list[Prepared]) -> None:
        """Let files take their names; see `Outbox.publish`."""
        self.outbox.publish(prepared)
