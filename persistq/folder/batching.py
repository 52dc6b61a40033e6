"""Writes the batch files of one queue object: when one begins, and when it is published."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Final, NamedTuple

from persistq import failpoints
from persistq.folder.batchfile import SUFFIX, BatchWriter, compress, published_name
from persistq.folder.claims import Claims
from persistq.folder.place import Place
from persistq.folder.renames import rename_over, sync_directory

_LOOK_S: Final = 0.5
"""How often one looks whether one was taken for dead: nobody is within so short a time."""


class BatchOptions(NamedTuple):
    """When a batch file is published, and how.

    Attributes:
        rows: With so many rows.
        linger: So long after its first row, in seconds.
        size: With so many bytes.
        sync: Whether it survives a power cut when it is.
        compress: Whether it is compressed then.
    """

    rows: int
    linger: float
    size: int
    sync: bool = True
    compress: bool = False


class Batching:
    """Writes rows into batch files, and publishes these.

    Args:
        place: The folder.
        claims: Says who this process is.
        options: When a file is published, and how.
        before_first: Called before a file is begun, with the longest wait; it may wait, or raise.
        require_open: Raises if nothing more may be put.
    """

    def __init__(
        self,
        place: Place,
        claims: Claims,
        options: BatchOptions,
        before_first: Callable[[float | None], object],
        require_open: Callable[[], None],
    ) -> None:
        self._place = place
        self._claims = claims
        self._options = options
        self._before_first = before_first
        self._require_open = require_open
        # The names of one start are in the order of its counter, whatever becomes of the clock.
        self._since = time.time_ns() // 1000
        self._numbers = count(1)
        self._lock = threading.RLock()
        self._writer: BatchWriter | None = None
        self._looked = 0.0
        self._timer: threading.Timer | None = None

    def add(self, line: bytes, patience: float | None) -> None:
        """Put a row.

        Crash: the row is in the file of a dead process, whose whole rows are published by recovery.

        Args:
            line: The row.
            patience: Longest wait for room, in seconds; None waits for ever.

        Raises:
            QueueClosed: Nothing more may be put, and no file was begun before.
        """
        with self._lock:
            if self._writer is not None and self._writer.is_finished:
                # An error came between its last line and its name.
                self.publish()
            writer = self._own() or self._begun(patience)
            writer.add(line)
            if writer.rows >= self._options.rows or writer.size >= self._options.size:
                self.publish()

    def publish(self) -> None:
        """Let the file be seen that is being written, if there is one.

        Crash: it waits, or recovery publishes it. Without syncing a power cut may leave a half file
        under its name, or none.

        Raises:
            OSError: It cannot be written; it is tried again the next time.
        """
        with self._lock:
            self._looked = 0.0
            writer = self._own()
            if writer is not None:
                writer.finish(sync=self._options.sync)
                if self._options.compress:
                    compress(writer.path, sync=self._options.sync)
                failpoints.point("folder.before_batch")
                # Nobody else has this name, so nothing is replaced.
                rename_over(writer.path, self._place.path / published_name(writer.path))
                self._writer = None
                if self._options.sync:
                    sync_directory(self._place.path)
                failpoints.point("folder.after_batch")
            if self._timer is not None:
                self._timer.cancel()

    def before_fork(self) -> None:
        """Publish, and be without a thread: the child can do nothing before that."""
        self.publish()
        timer, self._timer = self._timer, None
        if timer is not None and timer is not threading.current_thread():
            timer.join()

    def _own(self) -> BatchWriter | None:
        """Return the file that is being written, if it is this process's still.

        Who was stopped for long may have been taken for dead, and then others have published its
        rows: what comes now goes into another file. Nobody is so quickly taken for dead that it
        would have to be looked at for each row.
        """
        now = time.monotonic()
        writer, looked = self._writer, self._looked
        self._looked = now
        if writer is not None and now - looked >= _LOOK_S and not writer.path.exists():
            writer.abandon()
            self._writer = None
        return self._writer

    def _begun(self, patience: float | None) -> BatchWriter:
        """Begin a file; readers see it, so none is told that all is done while it is written."""
        self._before_first(patience)
        owner = self._claims.owner
        name = f"{self._since:017}-{next(self._numbers):012}-{owner.name}{SUFFIX}"
        writer = BatchWriter(owner.tmp / name)
        failpoints.point("folder.after_begun")
        try:
            self._require_open()
        except BaseException:
            writer.abandon()
            writer.path.unlink()
            raise
        self._writer = writer
        self._start_timer(writer)
        return writer

    def _start_timer(self, writer: BatchWriter) -> None:
        self._timer = threading.Timer(self._options.linger, self._publish_if_same, (writer,))
        self._timer.daemon = True
        self._timer.start()

    def _publish_if_same(self, writer: BatchWriter) -> None:
        with self._lock, suppress(OSError):
            # Who puts next, or closes, tries it again and is told.
            if self._writer is writer:
                self.publish()
