"""A connection of the page's server, which keeps its place only while it asks for something."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE_S: Final = 10.0
"""How long a request may take to arrive."""


class Connection(H11Protocol):
    """Closes a connection whose request does not arrive.

    Connections are few, and uvicorn waits for the first request of each without end: a stranger
    who says nothing would keep all places.
    """

    _looking: asyncio.TimerHandle | None = None
    _seen: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        if self._looking is not None:
            self._looking.cancel()
        super().connection_lost(exc)

    def _look_later(self) -> None:
        # What is looked at twice has waited for the time between.
        self._looking = self.loop.call_later(PATIENCE_S / 2, self._look)

    def _look(self) -> None:
        awaited = self._awaited()
        if awaited is not None and awaited == self._seen:
            self.transport.close()
            return
        self._seen = awaited
        self._look_later()

    def _awaited(self) -> Any:
        """Return what tells the request that is on its way from others; None if none is."""
        if self.conn.their_state not in {h11.IDLE, h11.SEND_BODY}:
            return None
        return (self.conn.their_state, self.cycle)
