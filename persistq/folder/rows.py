"""`RowQueue`: a directory of batch files as a queue whose items are rows."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar

from persistq import ending
from persistq.errors import UsageError
from persistq.folder.batchfile import SUFFIX, read_lines, row_line
from persistq.folder.batching import Batching, BatchSize
from persistq.folder.options import FolderOptions, ProducersOption, expected_producers, times_of
from persistq.folder.place import place_of
from persistq.folder.queue import FolderQueue
from persistq.folder.reader import Reader, reported
from persistq.folder.rowreader import RowReader
from persistq.items import Sentinel
from persistq.queues.base import patience_of
from persistq.text.suggestions import options_by_name

if TYPE_CHECKING:
    from persistq.channel import Channel

T = TypeVar("T")

BATCH: Final = 1000
LINGER_S: Final = 10.0
BYTES_MAX: Final = 64 << 20


class RowQueue(FolderQueue[T]):
    """A directory of batch files, each with many rows, as a queue whose items are rows.

    `put` appends a row to a file of JSON lines that nobody sees yet. It is published when it is
    full, ``linger`` seconds after its first row, by `flush`, `close`, a fork, and the normal end of
    the program. `get` answers rows, of one file after the other; a file is settled when all its
    rows are.

    Example:
        >>> with FolderQueue.rows("in", producer="north") as rows:     # doctest: +SKIP
        ...     rows.put({"id": 1})
        >>> for row in FolderQueue.rows("in"):                         # doctest: +SKIP
        ...     load(row); rows.task_done()

    Args:
        path: The directory; it is made if it is missing.
        batch: Most rows of a file.
        linger: How long after its first row a file is published at the latest, in seconds.
        bytes_max: Most bytes of a file, but for its last row.
        ready_max: Most files that may wait; a `put` that would begin another one blocks. 0 is no
            limit.
        done: As for `FolderQueue`; so are those that follow.
        producer: See there.
        producers: See there.
        dead_producer: See there.
        drain: See there.
        failed: See there.
        max_crashes: See there.
        lease: See there.
        poll: See there.
        settle: See there.

    Crash: a row that was put survives the process, and, once `flush` has returned, a power cut.
    Of a file that a dead process had claimed all rows come again.
    """

    @options_by_name("FolderQueue.rows")
    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        batch: int = BATCH,
        linger: float = LINGER_S,
        bytes_max: int = BYTES_MAX,
        ready_max: int = 5,
        done: str = ".done",
        producer: str = "",
        producers: ProducersOption | None = None,
        dead_producer: str = "fail",
        drain: bool = False,
        failed: str = "first",
        max_crashes: int = 3,
        lease: float | None = None,
        poll: float = 0.5,
        settle: float | None = None,
    ) -> None:
        ending.install()
        options = FolderOptions(
            match=f"*{SUFFIX}",
            producers=expected_producers(producers),
            dead_producer=dead_producer,
            drain=drain,
            failed=failed,
            ready_max=ready_max,
            max_crashes=max_crashes,
            times=times_of(0.0, lease, poll, settle),
        )
        self._size = _size_of(batch, linger, bytes_max)
        self._open_at(place_of(path, done), options, producer)

    def _begin_here(self) -> None:
        super()._begin_here()
        self._rows: RowReader | None = None
        self._batching = Batching(
            self._place,
            self._claims,
            self._size,
            self._await_room,
            self._producer.require_open,
        )

    # --- putting ---

    def put(
        self,
        obj: Any,
        block: bool = True,
        timeout: float | None = None,
        *,
        delay: float | str | None = None,
        copy: bool = False,
        name: str | None = None,
    ) -> None:
        """Put a row.

        Crash: a row survives the process as soon as this returns; a power cut once it is flushed.

        Args:
            obj: Any JSON value.
            block: Whether to wait while so many files wait that none more is begun.
            timeout: Longest such wait, in seconds; None waits for ever.
            delay: Rows have none; the same holds for ``copy`` and ``name``.
            copy: See there.
            name: See there.

        Raises:
            ItemNotStorable: It is no JSON value.
            queue.Full: No file could be begun in time.
            QueueClosed: The producer was closed, by whichever process. A file that was begun before
                is written to its end.
            UpstreamFailed: No file can be begun, and never will be: it has failed.
            FolderError: The directory cannot be written.
        """
        if delay is not None or copy or name is not None:
            raise UsageError("a row has neither delay= nor copy= nor name=: these are for files")
        if isinstance(obj, Sentinel):
            raise UsageError(f"{obj!r} cannot be put: close() or fail() says it to every reader")
        line = row_line(obj)
        patience = patience_of(block, timeout)
        self._bring(lambda: self._batching.add(line, patience))

    def flush(self) -> None:
        """Publish what was put, and have it and what was settled survive a power cut."""
        with reported(self._place):
            self._batching.publish()
        super().flush()

    def close(self) -> None:
        """Publish what was put, and say that this producer puts nothing more; see there."""
        self._require_producer("close()")
        self.flush()
        super().close()

    def fail(self, reason: str = "the producer gave up") -> None:
        """Publish what was put, and give up; see there."""
        self._require_producer("fail()")
        self.flush()
        super().fail(reason)

    # --- getting and looking ---

    def _open_channel(self) -> Channel:
        if self._rows is None:
            self._leave_at_exit()
            began = self._start.began
            files = Reader(self._place, self._options, self._claims, began, self._watch)
            self._rows = RowReader(files, self._claims)
        return self._rows  # type: ignore[return-value]  # as much of one as a queue uses

    def dispose(self) -> None:
        """Stop getting: files of which a row is unfinished wait again, with all their rows."""
        if self._rows is not None:
            self._rows.give_back()
        self._begin()

    def outstanding(self) -> Iterator[Any]:
        """Yield the rows of files that wait or are in somebody's hands, in order.

        Those of a file in hands are all yielded, however many of them are finished.
        """
        for path in super().outstanding():
            yield from map(json.loads, read_lines(path))

    # --- inside ---

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "size": self._size}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._size = state["size"]
        super().__setstate__(state)

    def _leave(self) -> None:
        with reported(self._place):
            self._batching.publish()
        super()._leave()

    def _before_fork(self) -> None:
        self._batching.before_fork()


def _size_of(batch: int, linger: float, bytes_max: int) -> BatchSize:
    for name, value in (("batch", batch), ("bytes_max", bytes_max)):
        if type(value) is not int or value < 1:
            raise UsageError(f"{name}={value!r} is refused: give a whole number, at least 1")
    if type(linger) not in (int, float) or not linger > 0:
        raise UsageError(f"linger={linger!r} is refused: give a number of seconds above 0")
    return BatchSize(batch, float(linger), bytes_max)
