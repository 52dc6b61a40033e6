"""A process that signals are sent to, and nobody else who has got its number since."""

from __future__ import annotations

import contextlib
import os
import signal
import sys

from persistq.peer import Peer
from persistq.site.processes import has_ended


class Recipient:
    """A process of this host that signals can be sent to.

    On Linux a descriptor of the process is kept, which never means another one. Elsewhere, and
    where the kernel gives none, its start is compared before each signal.

    Args:
        peer: The process.

    Raises:
        ProcessLookupError: It has ended, or nothing tells when it started.
    """

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._descriptor = _descriptor_of(peer.pid)
        # After that: what has the number now, and the same start, is what the descriptor means.
        if not self._is_alive():
            self.close()
            raise ProcessLookupError(f"{peer} is not there")

    def signal(self, number: int) -> bool:
        """Send a signal; return whether that could be done."""
        try:
            self._send(number)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Let go of the process; safe to call twice."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _send(self, number: int) -> None:
        if sys.platform == "linux" and self._descriptor >= 0:
            signal.pidfd_send_signal(self._descriptor, number)
        elif self._is_alive():
            os.kill(self._peer.pid, number)
        else:
            raise ProcessLookupError

    def _is_alive(self) -> bool:
        return bool(self._peer.started) and has_ended(self._peer) is False


def _descriptor_of(pid: int) -> int:
    """Return a descriptor of a process, -1 where there is none."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            return os.pidfd_open(pid)
    return -1
