"""Gets files from a folder: lists it, claims one after the other, and knows when it is over."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from persistq.codec import VALUE
from persistq.errors import FolderError
from persistq.folder.ageing import Ageing
from persistq.folder.alarms import Alarms
from persistq.folder.checks import fault_in
from persistq.folder.claims import Claim, Claims, is_regular
from persistq.folder.controls import Controls, read_controls
from persistq.folder.grouping import Group
from persistq.folder.listing import Listing, list_folder, pattern_of
from persistq.folder.names import WHY, original
from persistq.folder.options import FolderOptions
from persistq.folder.order import Order
from persistq.folder.over import Over, stamp_of
from persistq.folder.owner import Watch
from persistq.folder.place import Place
from persistq.folder.recovery import recover
from persistq.folder.rounds import Round, close_round, last_round
from persistq.outcome import Outcome
from persistq.text.streams import say
from persistq.text.terminal import printable
from persistq.wire.messages import Ended

_FIRST_PAUSE_S: Final = 0.002
_STALE_S: Final = 0.05
_STALE_SHARE: Final = 10.0
"""A listing is used for so long, or for so many times what it took: then it is made anew, so that
what a producer says is heard, and listing is a small part of the work."""

_RECOVER_S: Final = 0.5
"""How often it is looked for dead owners at least: at the first get too, because what they had is
older than what waits."""

Delivery = tuple[int, int, Any, int]


class Reader:
    """The getting side of one queue object in this process; a channel of `BaseQueue`.

    Args:
        place: The folder.
        options: How it is read.
        claims: Claims for this process.
        began: How many rounds were over when the queue was opened.
        watch: Tells who is dead; None is one of its own.
    """

    def __init__(
        self,
        place: Place,
        options: FolderOptions,
        claims: Claims,
        began: int,
        watch: Watch | None = None,
    ) -> None:
        self._place = place
        self._options = options
        self._claims = claims
        self._began = began
        self._lock = threading.Lock()
        self._pattern = pattern_of(options.match)
        self._order = Order(options.order, place.path)
        self._ageing = Ageing(place, options.times.min_age)
        self._watch = watch or Watch(place, options.times.lease, Alarms(place).notice)
        self._over = Over(place, options, self._watch)
        self._line: deque[Group] = deque()
        self._incomplete: list[Group] = []
        self._fresh_until = 0.0
        self._recover_at = 0.0
        self._failure = ""
        self._told: set[str] = set()
        self.keys = _Keys(claims)

    # --- what a queue asks ---

    def get(self, timeout: float | None = None) -> Delivery | Ended | None:
        """Return the next file or group, `Ended` if it is over, or None if nothing came in time.

        Args:
            timeout: Longest wait in seconds; 0 does not wait, None waits for ever.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = _FIRST_PAUSE_S
        while True:
            with self._lock, reported(self._place):
                answer = self._next()
                wait = self._over.wait
            if answer is not None:
                return answer
            left = pause if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return None
            time.sleep(min(left, pause if wait is None else max(wait, _FIRST_PAUSE_S)))
            pause = min(2 * pause, self._options.times.poll)

    def hold(self, item_id: int, since: float = 0.0) -> None:
        """Note nothing: a death is blamed on what was claimed first, which its name says."""

    def done(self, item_id: int, started: float, now: float) -> None:  # noqa: ARG002 - a channel has them
        """Settle a claim; see `Claims.settle`."""
        with self._lock, reported(self._place):
            self._claims.settle(item_id)

    def failed(
        self,
        item_id: int,
        error_type: str,
        message: str,
        traceback: str = "",  # noqa: ARG002 - a channel has it, and so the following
        retry_after: float | None = None,  # noqa: ARG002
        *,
        final: bool = True,  # noqa: ARG002
    ) -> None:
        """Park a claim; see `Claims.park`."""
        with self._lock, reported(self._place):
            self._claims.park(item_id, error_type, message)

    def give_back(self) -> None:
        """Let wait again what was claimed and not settled."""
        with self._lock, reported(self._place):
            self._claims.give_back()
            self._line.clear()
            self._fresh_until = 0.0

    def waiting(self) -> list[list[str]]:
        """Return the names of what could be claimed now, in order; nothing is claimed."""
        with self._lock, reported(self._place):
            self._listed()
            return [group.files for group in self._line]

    # --- the next one ---

    def _next(self) -> Delivery | Ended | None:
        if self._line and time.monotonic() < self._fresh_until:
            delivery = self._from_line()
            if delivery is not None:
                return delivery
        if time.monotonic() >= self._recover_at:
            self._recover()
        last = last_round(self._place)
        listing = self._listed()
        controls = read_controls(self._place.path, listing.controls, last.void)
        self._failure = self._over.failure(controls)
        if self._failure and self._options.failed == "first":
            self._line.clear()
            return Ended(Outcome.FAILED, self._failure)
        if not self._failure and last.number > self._began:
            self._line.clear()
            return Ended(Outcome.DONE)
        return self._from_line() or self._when_idle(controls, last)

    def _listed(self) -> Listing:
        """List the folder, and line up what may be claimed."""
        began = time.monotonic()
        listing = list_folder(self._place, self._pattern)
        self._tell_strange(listing.strange)
        self._line_up(self._order.sorted(self._ageing.ripe(listing.items)))
        if listing.paused:
            self._line.clear()
        now = time.monotonic()
        self._fresh_until = now + max(_STALE_S, _STALE_SHARE * (now - began))
        return listing

    def _line_up(self, names: list[str]) -> None:
        grouping = self._options.grouping
        if grouping is None:
            self._line = deque(Group(name, [name]) for name in names)
        else:
            complete, self._incomplete = grouping.sorted(names, self._place.path)
            self._line = deque(complete)

    def _from_line(self) -> Delivery | None:
        while self._line:
            delivery = self._delivered(self._line.popleft())
            if delivery is not None:
                self._over.forget()
                return delivery
        return None

    def _delivered(self, group: Group) -> Delivery | None:
        claim = self._claimed(group)
        if claim is None:
            return None
        if not is_regular(claim):
            self._claims.park(claim.number, "NotAFile", "it is not a regular file")
            return None
        if fault := self._fault_in(claim):
            self._claims.park(claim.number, "Refused", fault)
            return None
        alone = self._options.grouping is None
        return claim.number, VALUE, claim.path if alone else list(claim.files), 0

    def _claimed(self, group: Group) -> Claim | None:
        if self._options.grouping is None:
            return self._claims.take(group.name)
        return self._claims.take_group(group.name, group.files, group.beside)

    def _fault_in(self, claim: Claim) -> str:
        faults = (fault_in(path, self._options.check) for path in claim.files)
        return next(filter(None, faults), "")

    # --- when nothing is left to claim ---

    def _recover(self) -> bool:
        """Recover what dead owners have left; return whether something waits now that did not."""
        self._recover_at = time.monotonic() + _RECOVER_S
        self._place.require_own()
        done = recover(self._claims.owner, self._watch, self._options.max_crashes)
        if done.given_back:
            self._over.forget()
            self._fresh_until = 0.0
        return bool(done.given_back)

    def _when_idle(self, controls: Controls, last: Round) -> Delivery | Ended | None:
        if self._recover():
            return None
        if self._failure:
            return Ended(Outcome.FAILED, self._failure)
        if not self._over.are_done(controls):
            self._over.forget()
            return None
        return self._end(controls, last)

    def _end(self, controls: Controls, last: Round) -> Delivery | Ended | None:
        """Return that it is over, if what lies there now, with all producers done, says so."""
        stamp = stamp_of(self._place)
        listing = self._listed()
        waiting = set(listing.items) - {name for one in self._incomplete for name in one.files}
        if not self._over.is_quiet(stamp, waiting=bool(waiting)):
            return None
        if self._incomplete:
            return None if listing.paused else self._with_incomplete()
        if not self._options.drain:
            close_round(self._claims.owner, last.number + 1, controls.marks)
        return Ended(Outcome.DONE)

    def _with_incomplete(self) -> Delivery | Ended | None:
        """Do what is said about groups that will not be complete any more."""
        group = self._incomplete[0]
        if self._options.incomplete == "fail":
            return Ended(Outcome.FAILED, f"group {group.name} is incomplete: {group.lacks}")
        self._over.forget()
        if self._options.incomplete == "deliver":
            return self._delivered(group)
        claim = self._claims.take_group(group.name, group.files, ())
        if claim is not None:
            self._claims.park(claim.number, "Incomplete", group.lacks)
        return None

    def _tell_strange(self, names: list[str]) -> None:
        for name in names:
            if name not in self._told:
                self._told.add(name)
                say(
                    f"persistq: {printable(str(self._place.path / name))} is left alone: it is no "
                    f"file, or its name is too long, or ends in {WHY}"
                )


class _Keys:
    """Makes the keys of claimed files."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims

    def of(self, item_id: int) -> str:
        """Return a key that names a file as it is now, wherever it lies."""
        claim = self._claims.claim(item_id)
        named = repr((original(claim.name), claim.looks)).encode()
        return hashlib.blake2b(named, digest_size=20).hexdigest()


@contextmanager
def reported(place: Place) -> Iterator[None]:
    """Raise what the system says of a folder as an error of persistq.

    Raises:
        FolderError: It cannot be read or written.
    """
    try:
        yield
    except (FileExistsError, FolderError):
        raise
    except OSError as error:
        where = f" at {error.filename}" if error.filename else ""
        reason = f"{error.strerror or error}{where}: check who may read and write it"
        raise FolderError(str(place.path), reason) from error
