"""Which natural keys loads have done: noted when a load is settled, in small steps, and kept.

A key is done when its item is, and nothing that came of it was dropped or is parked. So what did
not go well is looked at first, and followed back to the items that were put; the keys of all others
are copied, block by block, together with how far that has come. A load that is worked on again is
looked at again when it is settled once more.
"""

from __future__ import annotations

import json
import time
from bisect import bisect_left
from typing import TYPE_CHECKING, Final
from zlib import crc32

from persistq import failpoints
from persistq.blocks import digest_at
from persistq.errors import JournalCorrupt
from persistq.items import item_id_of, number_of
from persistq.journal import changes, queries
from persistq.journal.pages import queue_range
from persistq.journal.rows import queue_from
from persistq.journal.taint import Taint

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from persistq.journal.writer import Writer

_SECONDS: Final = 0.002
"""After so long a step is over; it is made of parts that take less."""

_BLOCKS: Final = 16


class DoneKeys:
    """The keys that the settled loads of a journal have done.

    Args:
        writer: The journal's connection.
        path: Where the journal is, for messages.
    """

    def __init__(self, writer: Writer, path: str) -> None:
        self._writer = writer
        self._path = path
        self._parts: Iterator[None] | None = None

    def step(self) -> bool:
        """Note some keys, in a transaction that is not synced.

        Crash: the keys of some blocks more are noted, with how far that has come, or of none.

        Returns:
            Whether there may be more to note.
        """
        self._parts = self._parts or self._next()
        if self._parts is None:
            return False
        try:
            with self._writer.transaction(synced=False):
                failpoints.point("donekeys.before_note")
                if not self._go_on(self._parts):
                    self._parts = None
            failpoints.point("donekeys.after_note")
        except BaseException:
            self._parts = None
            raise
        return True

    def restart(self, load_id: int) -> None:
        """Look at a load again when it is settled once more; within the caller's transaction."""
        self._writer.execute(changes.NOTE_AGAIN, of_load=load_id)
        self._parts = None

    def page(
        self, names: Collection[str], but_load: int, after_id: int, limit: int
    ) -> list[tuple[int, bytes]]:
        """Return keys that were done; see `persistq.journal.base.Journal.done_keys`.

        Raises:
            JournalCorrupt: An entry is damaged.
        """
        rows = self._writer.read(
            queries.DONE_KEYS,
            names=json.dumps([*names]),
            but_load=but_load,
            after_id=after_id,
            most=limit,
        )
        for first_id, digests, crc in rows:
            if crc32(digests) != crc:
                reason = (
                    f"the keys of the block of item {first_id} in done_key are damaged: restore a "
                    "backup, or forget them with: persistq purge --keys"
                )
                raise JournalCorrupt(self._path, reason)
        return [(first_id, digests) for first_id, digests, _ in rows]

    def forget(self) -> int:
        """Forget all of them, and what is not noted yet of settled loads; return how many.

        Crash: all of them are forgotten, or none.
        """
        self._parts = None
        with self._writer.transaction(synced=True):
            [(count,)] = self._writer.read(queries.COUNT_DONE_KEYS)
            self._writer.execute(changes.FORGET_DONE_KEYS)
            failpoints.point("donekeys.half_forgotten")
            self._writer.execute(changes.ALL_NOTED)
        return int(count)

    # --- inside ---

    def _go_on(self, parts: Iterator[None]) -> bool:
        until = time.monotonic() + _SECONDS
        return any(time.monotonic() >= until for _ in parts)

    def _next(self) -> Iterator[None] | None:
        """Return the parts of noting the next queue of which not all is noted."""
        for queue_id, load_id, noted in self._writer.read(queries.UNNOTED):
            return self._note(queue_id, load_id, noted)
        return None

    def _note(self, queue_id: int, load_id: int, noted: int) -> Iterator[None]:
        rows = map(queue_from, self._writer.read(queries.QUEUES, of_load=load_id))
        taint = Taint(self._writer, [*rows])
        yield from taint.spread()
        after_id, (_, last_id) = item_id_of(queue_id, noted), queue_range(queue_id)
        while blocks := self._writer.read(
            queries.DIGESTS, after_id=after_id, last_id=last_id, most=_BLOCKS
        ):
            found = [(block[0], _done(taint, *block)) for block in blocks]
            entries = [(first_id, keys, crc32(keys)) for first_id, keys in found if keys]
            self._writer.many(changes.NOTE_DONE_KEYS, entries)
            failpoints.point("donekeys.half_noted")
            first_id, count, _ = blocks[-1]
            after_id = first_id + count - 1
            self._move(queue_id, after_id)
            yield
        [put] = [row.put for row in taint.rows if row.queue_id == queue_id]
        self._move(queue_id, item_id_of(queue_id, put))

    def _move(self, queue_id: int, last_id: int) -> None:
        self._writer.execute(changes.NOTED, of_queue=queue_id, noted=number_of(last_id))


def _done(taint: Taint, first_id: int, count: int, digests: bytes) -> bytes:
    """Return the digests of those items of a block that count as done."""
    wrong = taint.within(first_id, first_id + count - 1)
    if not wrong:
        return digests
    positions = range(count)
    return b"".join(
        digest_at(digests, position)
        for position in positions
        if not _contains(wrong, first_id + position)
    )


def _contains(ordered: Sequence[int], item_id: int) -> bool:
    place = bisect_left(ordered, item_id)
    return place < len(ordered) and ordered[place] == item_id
