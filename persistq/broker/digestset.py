"""A set of digests that takes a few dozen bytes of a temporary file for each."""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import Final

from persistq.blocks import DIGEST_BYTES
from persistq.errors import JournalUnavailable

_SLOTS_FIRST: Final = 1 << 12
_ZEROS: Final = bytes(1 << 16)


class DigestSet:
    """A set of digests in a private temporary file, which nobody else can open.

    It is a table of twice as many slots as there are digests at least, which are looked for from
    the slot on that their first bytes name. The file is gone with its process, however that ends.
    A digest of zeros is never found, which no key has but by a chance of one in 2**128.

    Raises:
        JournalUnavailable: There is no room for the file, or it cannot be made; also by `add`.
    """

    def __init__(self) -> None:
        self._count = 0
        self._slots = _SLOTS_FIRST
        self._map = _mapped(self._slots * DIGEST_BYTES)
        self._words = memoryview(self._map).cast("Q")

    def __len__(self) -> int:
        return self._count

    def add(self, digests: bytes) -> list[int]:
        """Add digests, one after the other; return the positions of those that were there before.

        One that comes twice was there before the second time.
        """
        self._reserve(self._count + len(digests) // DIGEST_BYTES)
        known = self._insert(memoryview(digests).cast("Q"))
        self._count += len(digests) // DIGEST_BYTES - len(known)
        return known

    def find(self, digests: bytes) -> list[int]:
        """Return the positions of those digests that are in the set."""
        table, mask, last = self._words, self._slots - 1, 2 * self._slots - 1
        words = memoryview(digests).cast("Q")
        found = []
        for n in range(0, len(words), 2):
            low, high = words[n], words[n + 1]
            slot = (low & mask) << 1
            while (there := table[slot]) or table[slot + 1]:
                if there == low and table[slot + 1] == high:
                    found.append(n >> 1)
                    break
                slot = slot + 2 & last
        return found

    def close(self) -> None:
        """Give up the file. Safe to call twice."""
        self._words.release()
        self._map.close()

    def _insert(self, words: memoryview) -> list[int]:
        table, mask, last = self._words, self._slots - 1, 2 * self._slots - 1
        known = []
        for n in range(0, len(words), 2):
            low, high = words[n], words[n + 1]
            slot = (low & mask) << 1
            while (there := table[slot]) or table[slot + 1]:
                if there == low and table[slot + 1] == high:
                    known.append(n >> 1)
                    break
                slot = slot + 2 & last
            else:
                table[slot], table[slot + 1] = low, high
        return known

    def _reserve(self, count: int) -> None:
        """Have a table in which half of the slots stay free."""
        slots = self._slots
        while slots < 2 * count:
            slots *= 2
        if slots == self._slots:
            return
        words, mapped = self._words, self._map
        grown = _mapped(slots * DIGEST_BYTES)
        self._slots, self._map, self._words = slots, grown, memoryview(grown).cast("Q")
        step = len(_ZEROS) // 8
        for start in range(0, len(words), step):
            self._insert(_filled(words[start : start + step]))
        words.release()
        mapped.close()


def _filled(words: memoryview) -> memoryview:
    """Return the slots that are not free."""
    taken = bytearray()
    raw = words.tobytes()
    for start in range(0, len(raw), DIGEST_BYTES):
        slot = raw[start : start + DIGEST_BYTES]
        if slot != _ZEROS[:DIGEST_BYTES]:
            taken += slot
    return memoryview(taken).cast("Q")


def _mapped(size: int) -> mmap.mmap:
    directory = os.environ.get("SQLITE_TMPDIR")
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            # What is written has room: a hole that turns out to have none would end the process.
            for _ in range(size // len(_ZEROS)):
                file.write(_ZEROS)
            file.flush()
            return mmap.mmap(file.fileno(), size)
    except OSError as error:
        where = directory or tempfile.gettempdir()
        reason = (
            f"equal keys are found with a temporary file there, and that failed ({error}): free "
            "space, or name another directory in TMPDIR, and run the script again"
        )
        raise JournalUnavailable(where, reason) from error
