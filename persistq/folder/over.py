"""When a folder is done, and when it has failed."""

from __future__ import annotations

import os
import time
from typing import Final

from persistq.folder.batchfile import SUFFIX
from persistq.folder.controls import Controls, names_of, read_controls
from persistq.folder.listing import owned
from persistq.folder.options import LOCAL_SETTLE_S, NETWORK_SETTLE_S, FolderOptions
from persistq.folder.owner import Watch, load_of
from persistq.folder.place import Place
from persistq.folder.recovery import COPY, MOVED, OFFERED, PUTTING
from persistq.journal.mounts import network_filesystem

_BEING_PUT: Final = (PUTTING, COPY, MOVED, OFFERED, SUFFIX)


class Over:
    """Tells whether all is over, from what lies in the folder.

    Args:
        place: The folder.
        options: Who has to be done, and what a dead producer means.
        watch: Tells who is dead.
    """

    def __init__(self, place: Place, options: FolderOptions, watch: Watch) -> None:
        self._place = place
        self._options = options
        self._watch = watch
        self._quiet: tuple[int, float] | None = None
        settle = options.times.settle
        self._settle = _settle_of(place) if settle is None else settle

    @property
    def wait(self) -> float | None:
        """How long to wait for the second look, in seconds; None if there was no first."""
        return None if self._quiet is None else self._settle

    def failure(self, controls: Controls) -> str:
        """Return why all is over although work is left; empty if it is not."""
        for producer, control in sorted(controls.faults.items()):
            return f"{producer}: {control.reason}"
        dead = self._dead(controls) if self._options.dead_producer == "fail" else []
        for producer in dead:
            peer = controls.helos[producer].peer
            return f"producer {producer!r} is gone: {peer} has not said that it is done"
        return ""

    def are_done(self, controls: Controls) -> bool:
        """Return whether every producer is done, by what was read before what waits is listed."""
        if self._options.drain:
            return True
        if self._options.dead_producer == "done":
            for producer in self._dead(controls):
                controls.dones[producer] = controls.helos[producer]
        return controls.are_done(self._options.producers)

    def is_quiet(self, stamp: int, *, waiting: bool) -> bool:
        """Return whether nothing waits, is taken or is being put, and nothing has moved.

        A file that is given back while one directory after the other is read is seen in none. But
        that changes the folder; so it is looked at twice, so far apart that the folder's time tells
        two changes from one, and on a network file system no old answer is believed any more.

        Args:
            stamp: When the folder has changed last, read before it was listed.
            waiting: Whether something waits, by that listing.
        """
        if waiting or self._is_busy():
            self._quiet = None
            return False
        now = time.monotonic()
        if self._quiet is None or self._quiet[0] != stamp:
            self._quiet = stamp, now
        return now - self._quiet[1] >= self._settle and stamp == stamp_of(self._place)

    def forget(self) -> None:
        """Look twice again: something has happened."""
        self._quiet = None

    def _is_busy(self) -> bool:
        """Return whether something may come back; what a load has claimed is in its journal."""
        being_put = any(name.endswith(_BEING_PUT) for _, name in owned(self._place.tmp))
        return being_put or any(not load_of(owner) for owner, _ in owned(self._place.taken))

    def _dead(self, controls: Controls) -> list[str]:
        return [producer for producer in controls.unfinished if self._is_dead(controls, producer)]

    def _is_dead(self, controls: Controls, producer: str) -> bool:
        """Return whether a producer has died without a word.

        Its last word may be younger than what was read; so it is looked for after the death.
        """
        helo = controls.helos[producer]
        peer = helo.peer
        if peer is None or self._watch.has_died(peer, helo.owner) is not True:
            return False
        again = read_controls(self._place.path, names_of(producer), controls.void)
        return again.helos.get(producer) == helo and producer not in {*again.dones, *again.faults}


def stamp_of(place: Place) -> int:
    """Return when something was put into a folder or went from it last, by its file system."""
    return os.stat(place.path).st_mtime_ns  # noqa: PTH116 - asked for at each look


def _settle_of(place: Place) -> float:
    return NETWORK_SETTLE_S if network_filesystem(place.path) else LOCAL_SETTLE_S
