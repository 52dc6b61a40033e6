"""The fence between runs: no worker of a dead run works beside a new one.

Every consumer holds a shared kernel lock on ``<name>.workers`` from before it asks for work until
it dies, and on the journal file itself, in case that the fence is deleted. A new broker takes these
locks exclusively, which means: the last old consumer is gone. Only then does it compute what is
outstanding.

The file is also a row of slots, one for each consumer, in which it notes the item in its hand and
when it began with it; a consumer that works on several at the same time has a slot for each. The
note is a store into shared memory, so it costs no system call, and it outlives the process: when a
worker dies the broker reads there which item it was running, and while it lives its supervisor sees
there whether the item takes too long.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from persistq.duration import DAY_S
from persistq.errors import JournalUnavailable
from persistq.peer import Peer
from persistq.site import descriptors
from persistq.site.ownership import open_own
from persistq.site.processes import has_ended, this_host, this_process
from persistq.site.rangelock import Byte, descriptor_of, try_lock, unlock

SLOTS = 4096
_SLOT = struct.Struct("=qqdqqdd")
_WORDS = 7
"""Of a slot: the number of a process, its item, since when, its start, and a digest of its host;
then until when it has asked for more time, and since when the item was at work that this is for.

Each has eight bytes; times are in seconds on the monotonic clock, all others are integers. What is
asked for is for the attempt that began then, so that whoever begins another need not clear it."""

_FILE_BYTES = SLOTS * _SLOT.size
_POLL_S = 0.02


_OFD = sys.platform == "linux"
"""Whether there are locks on parts of a file that what is forked inherits."""

_FLOCK = struct.Struct("hhqqi4x")

_inherited: list[int] = []


def _lock_of(slot: int) -> bytes:
    return _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, slot * _SLOT.size, _SLOT.size, 0)


def disinherit() -> None:
    """Let go of what this process has inherited: it takes items itself, and is nobody's helper."""
    while _inherited:
        os.close(_inherited.pop())


def fence_path(journal: str) -> Path:
    """Return the fence file of a journal file."""
    return Path(journal).with_suffix(".workers")


def _digest(host: str) -> int:
    """Return a host in a word: texts have no room in a slot."""
    return int.from_bytes(blake2b(host.encode(), digest_size=8).digest(), "big", signed=True)


def _open(path: Path) -> int:
    file = open_own(path, os.O_RDWR | os.O_CREAT)
    if os.fstat(file).st_size < _FILE_BYTES:
        os.ftruncate(file, _FILE_BYTES)
    return file


def _read(file: int, path: Path, size: int = _FILE_BYTES, offset: int = 0) -> bytes:
    """Return a part of the file.

    Raises:
        JournalUnavailable: It ends earlier, which it never does by itself.
    """
    data = os.pread(file, size, offset)
    if len(data) < size:
        reason = "the file was cut short while in use: start the program again"
        raise JournalUnavailable(str(path), reason)
    return data


class Post:
    """A consumer's place at the fence.

    Take it before asking the broker for anything, then `occupy` the slot that the broker gives.

    Args:
        path: The fence file.
        journal: The journal file; None if there is none to stand at.

    Attributes:
        path: The fence file.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(self, path: Path, journal: Path | None = None) -> None:
        self.path = path
        self._file = _open(path)
        fcntl.flock(self._file, fcntl.LOCK_SH)
        self._files = [self._file]
        # Where the journal is gone, whoever writes it will notice, and say so better.
        with contextlib.suppress(FileNotFoundError):
            if journal is not None:
                self._files.append(open_own(journal, os.O_RDONLY))
                try_lock(self._files[-1], Byte.CONSUMERS, exclusive=False)
        self._map = mmap.mmap(self._file, _FILE_BYTES)
        self._words = memoryview(self._map).cast("q")
        self._times = memoryview(self._map).cast("d")
        self._at = -1
        self._seats: list[int] = []

    @property
    def identity(self) -> int:
        """Tells the file from one that has taken its place."""
        return os.fstat(self._file).st_ino

    def occupy(self, slot: int) -> None:
        """Note this process in the slot, and lock it for as long as this or what it forks lives."""
        if _OFD:
            # What a dead owner has forked may have it still, if there is no other slot.
            with contextlib.suppress(BlockingIOError, PermissionError):
                fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, _lock_of(slot))
        self._at = self._note(slot)
        self._seats = [self._at]

    def occupy_more(self, slots: Sequence[int]) -> None:
        """Note this process in further slots, for items that it works on at the same time."""
        self._seats += map(self._note, slots)

    def _note(self, slot: int) -> int:
        peer, at = this_process(), slot * _WORDS + 1
        self._words[at] = 0
        self._words[at + 2] = peer.started
        self._words[at + 3] = _digest(peer.host)
        self._words[at - 1] = peer.pid
        return at

    def hold(self, item_id: int, since: float = 0.0) -> None:
        """Note the item that is about to be worked on, 0 for none.

        Crash: the note stays readable after the process is gone.

        Args:
            item_id: The item.
            since: When work on it begins, on the monotonic clock, which all processes share; 0
                leaves the note of before.
        """
        if since:
            self._times[self._at + 1] = since
        self._words[self._at] = item_id

    def hold_at(self, seat: int, item_id: int, since: float = 0.0) -> None:
        """Do the same in one of several slots; 0 is that of `occupy`."""
        at = self._seats[seat]
        if since:
            self._times[at + 1] = since
        self._words[at] = item_id

    def extend(self, until: float, seat: int = 0) -> None:
        """Note until when what is noted in a slot may be worked on, at least.

        Crash: the note is there or not; with the process, its item is done with.

        Args:
            until: The moment, on the monotonic clock.
            seat: Which of several slots; 0 is that of `occupy`.
        """
        at = self._seats[seat]
        since = self._times[at + 1]
        if self._times[at + 5] != since or until > self._times[at + 4]:
            self._times[at + 4] = until
            self._times[at + 5] = since

    def seat_of(self, item_id: int) -> int | None:
        """Return in which slot an item is noted, or a number of an attempt; None if in none."""
        seats = (seat for seat, at in enumerate(self._seats) if self._words[at] == item_id)
        return next(seats, None)

    def hold_none(self) -> None:
        """Note that nothing is being worked on, in all slots."""
        for at in self._seats:
            self._words[at] = 0

    @property
    def held(self) -> int:
        """The item that is noted, or the number of an attempt of several; 0 for none."""
        return self._words[self._at] if self._at >= 0 else 0

    def close(self) -> None:
        """Leave the fence; in a forked child this leaves the parent's lock alone."""
        self._unmap()
        fence, *journals = self._files
        os.close(fence)
        for file in journals:
            if not descriptors.close(file):
                unlock(file, Byte.CONSUMERS)

    def inherit(self) -> None:
        """In a forked child, keep the parent's locks if it had an item in hand.

        The child may have been forked to work on it. `disinherit` ends that.
        """
        at_work = any(self._words[at] for at in self._seats)
        self._unmap()
        if at_work:
            _inherited.extend(self._files)
        else:
            for file in self._files:
                os.close(file)

    def _unmap(self) -> None:
        self._words.release()
        self._times.release()
        self._map.close()


class InHand(NamedTuple):
    """What a consumer has noted.

    Attributes:
        pid: The consumer's process.
        item_id: The item it is working on.
        since: When it began with it, on the monotonic clock, in seconds.
        until: Until when it has asked for time; 0 if it has not, or for more than a day.
    """

    pid: int
    item_id: int
    since: float
    until: float = 0.0

    def due(self, limit: float) -> float:
        """Return when it takes too long, on the same clock.

        Args:
            limit: What it is allowed without asking, in seconds.
        """
        return max(self.since + limit, self.until)

    def allowed(self, limit: float) -> float:
        """Return how long it may take, in seconds, to a millisecond."""
        return round(self.due(limit) - self.since, 3)


class Lookout:
    """The supervisor's side of the fence.

    Args:
        path: The fence file.
    """

    def __init__(self, path: Path) -> None:
        self._file = _open(path)
        self._path = path
        self._here = _digest(this_host())

    def items_in_hand(self) -> list[InHand]:
        """Return what the consumers of the run on this host are working on at this moment.

        Raises:
            JournalUnavailable: The file was cut short.
        """
        slots = _SLOT.iter_unpack(_read(self._file, self._path))
        return [_in_hand(slot) for slot in slots if slot[1] and slot[4] == self._here]

    def close(self) -> None:
        """Look no more."""
        os.close(self._file)


class Fence:
    """The broker's side of the fence.

    Args:
        path: The fence file.
        journal: The journal file, which may be missing.
    """

    def __init__(self, path: Path, journal: Path | None = None) -> None:
        self._file = _open(path)
        self._path = path
        self._journal: int | None = None
        if journal is not None and journal.exists():
            self._journal = descriptor_of(journal)
        self._free = list(range(SLOTS - 1, -1, -1))

    @property
    def identity(self) -> int:
        """Tells the file from one that has taken its place."""
        return os.fstat(self._file).st_ino

    def wait_clear(self, timeout: float) -> bool:
        """Wait until no consumer of an earlier run lives; False if some still do after the time.

        Args:
            timeout: Longest wait, in seconds.
        """
        deadline = time.monotonic() + timeout
        while not self._try_exclusive():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        fcntl.flock(self._file, fcntl.LOCK_UN)
        if self._journal is not None:
            unlock(self._journal, Byte.CONSUMERS)
        return True

    def occupants(self) -> list[Peer]:
        """Return the processes that are noted in slots, dead or alive.

        Those of another host are on the host ``""``: only a digest of it is noted.
        """
        here = this_host()
        known = {_digest(here): here}
        slots = _SLOT.iter_unpack(_read(self._file, self._path))
        noted = {(known.get(slot[4], ""), slot[0], slot[3]) for slot in slots if slot[0]}
        return [Peer(*each) for each in sorted(noted)]

    def keepers(self) -> list[int]:
        """Return the processes of this host that may keep the fence closed.

        These are the consumers that live, and processes that their handlers have forked.
        """
        keepers = set(_openers(os.fstat(self._file))) - {os.getpid()}
        if not keepers and self._journal is not None:
            keepers = set(_openers(os.fstat(self._journal))) - {os.getpid()}
        return sorted(keepers or {it.pid for it in self.occupants() if has_ended(it) is False})

    def held_items(self) -> list[int]:
        """Return the items that are noted in slots."""
        words = memoryview(_read(self._file, self._path)).cast("q")
        return sorted({item_id for item_id in words[1::_WORDS] if item_id})

    def wipe(self) -> None:
        """Clear all slots. Call it when the fence is clear."""
        os.pwrite(self._file, bytes(_FILE_BYTES), 0)

    @property
    def room(self) -> int:
        """How many slots are free."""
        return len(self._free)

    def grant(self) -> int:
        """Return a free slot, cleared.

        Raises:
            IndexError: All slots are taken.
        """
        slot = self._free.pop()
        os.pwrite(self._file, bytes(_SLOT.size), slot * _SLOT.size)
        return slot

    def held_in(self, slot: int) -> int:
        """Return the item noted in a slot, 0 for none.

        Raises:
            JournalUnavailable: The file was cut short.
        """
        return self.noted_in(slot).item_id

    def noted_in(self, slot: int) -> InHand:
        """Return all that is noted in a slot; a consumer may have written anything there.

        Raises:
            JournalUnavailable: The file was cut short.
        """
        noted = _SLOT.unpack(_read(self._file, self._path, _SLOT.size, slot * _SLOT.size))
        return _in_hand(noted)

    def kept(self, slot: int) -> bool:
        """Return whether the process lives that occupied a slot, or one that it has forked.

        Where the system has no such locks, nobody is known to.
        """
        if not _OFD:
            return False
        found = fcntl.fcntl(self._file, fcntl.F_OFD_GETLK, _lock_of(slot))
        return int(_FLOCK.unpack(found)[0]) != fcntl.F_UNLCK

    def reclaim(self, slot: int) -> None:
        """Take a slot back, from a consumer that is gone."""
        os.pwrite(self._file, bytes(_SLOT.size), slot * _SLOT.size)
        # One that is still locked is granted after all others.
        self._free.insert(0 if self.kept(slot) else len(self._free), slot)

    def _try_exclusive(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return self._journal is None or try_lock(self._journal, Byte.CONSUMERS, exclusive=True)


def _in_hand(slot: tuple[int, int, float, int, int, float, float]) -> InHand:
    """Return what is noted in a slot; what is asked for an attempt that is over is not."""
    pid, item_id, since, _, _, until, asked_for = slot
    asks = asked_for == since and until <= time.monotonic() + DAY_S
    return InHand(pid, item_id, since, until if asks else 0.0)


def _openers(file: os.stat_result) -> Iterator[int]:
    """Yield who has a file open, as far as the system tells it."""
    for pid in _processes():
        # One that ends meanwhile has nothing open.
        with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as links:
            if any(_leads_to(link, file) for link in links):
                yield pid


def _processes() -> list[int]:
    try:
        return [int(one.name) for one in Path("/proc").iterdir() if one.name.isdecimal()]
    except OSError:
        return []


def _leads_to(link: os.DirEntry[str], file: os.stat_result) -> bool:
    with contextlib.suppress(OSError):
        return os.path.samestat(link.stat(), file)
    return False
