"""One producer of a folder: it says that it begins, that it is done, or that it has failed."""

from __future__ import annotations

import secrets
from typing import NamedTuple

from persistq import failpoints
from persistq.errors import QueueClosed, UsageError
from persistq.folder.claims import Claims
from persistq.folder.controls import Control, Controls, names_of, read_controls, say
from persistq.folder.names import DONE, FAILED, HELO
from persistq.folder.owner import Watch
from persistq.folder.place import Place
from persistq.folder.rounds import last_round
from persistq.site.processes import this_process


class Start(NamedTuple):
    """One start of a producer, known to all processes that have its queue.

    Attributes:
        producer: Its name; empty if the queue says nothing.
        token: Names this start.
        began: How many rounds were over then.
    """

    producer: str
    token: str
    began: int


class ProducerFiles:
    """Writes and reads the control files of one start.

    Args:
        place: The folder.
        claims: Says who this process is.
        start: The start.
    """

    def __init__(self, place: Place, claims: Claims, start: Start) -> None:
        self._place = place
        self._claims = claims
        self._start = start

    @property
    def is_closed(self) -> bool:
        """Whether nothing more may be put: it is done, or the round is over in which it began."""
        if not self._start.producer:
            return False
        counting = self._read()
        if self._start.producer in counting.dones:
            return True
        # A round that was being closed when it began is not its own: then its helo counts still.
        helo = counting.helos.get(self._start.producer)
        began = helo is not None and helo.token == self._start.token
        return not began and last_round(self._place).number > self._start.began

    def require_open(self) -> None:
        """Refuse to put more.

        Raises:
            QueueClosed: The producer is done, as any process has said.
        """
        if self.is_closed:
            raise QueueClosed(self._place.path.name)

    def begin(self, watch: Watch) -> None:
        """Say that the producer begins: it is waited for from now on.

        What an earlier start has said does not count any more from the moment on in which this
        file takes the place of the one before.

        Crash: the earlier start counts, or this one.

        Raises:
            UsageError: A live process is this producer.
        """
        counting = self._read()
        helo = counting.helos.get(self._start.producer)
        if helo is not None and helo.token == self._start.token:
            # Another object of this process has said so.
            return
        if helo is not None and self._start.producer not in counting.dones:
            self._require_dead(helo, watch)
        say(self._claims.owner, self._start.producer, HELO, self._facts())
        failpoints.point("folder.after_helo")
        self._forget_earlier()

    def _require_dead(self, helo: Control, watch: Watch) -> None:
        peer = helo.peer
        if peer is None or peer == self._claims.owner.peer:
            return
        if watch.has_died(peer, helo.owner) is False:
            raise UsageError(
                f"producer {self._start.producer!r} of {self._place.path} is {peer}, which is "
                "alive: give each program a name of its own"
            )

    def end(self) -> None:
        """Say that the producer is done; again does nothing.

        Crash: it is done or not; if not, it is waited for until somebody finds it dead.
        """
        if not self.is_closed:
            say(self._claims.owner, self._start.producer, DONE, self._facts())

    def fail(self, reason: str) -> None:
        """Say that the producer has failed, and why.

        Crash: it has failed or not.
        """
        facts = {**self._facts(), "reason": reason}
        say(self._claims.owner, self._start.producer, FAILED, facts)

    def _facts(self) -> dict[str, str]:
        return {"token": self._start.token, "owner": self._claims.owner.name}

    def _read(self) -> Controls:
        names = names_of(self._start.producer)
        return read_controls(self._place.path, names, last_round(self._place).void)

    def _forget_earlier(self) -> None:
        """Remove what an earlier start has said; it counts for nobody."""
        counting = self._read()
        kept = {*counting.dones, *counting.faults}
        for name in names_of(self._start.producer)[1:]:
            if self._start.producer not in kept:
                (self._place.path / name).unlink(missing_ok=True)


def new_start(place: Place, producer: str) -> Start:
    """Return a start that nobody has heard of yet, or the one that this process has made."""
    last = last_round(place)
    if not producer:
        return Start("", "", last.number)
    controls = read_controls(place.path, names_of(producer), last.void)
    helo = controls.helos.get(producer)
    is_own = helo is not None and helo.token and helo.peer == this_process()
    if helo is not None and is_own and not {producer} & {*controls.dones, *controls.faults}:
        return Start(producer, helo.token, last.number)
    return Start(producer, secrets.token_hex(8), last.number)
