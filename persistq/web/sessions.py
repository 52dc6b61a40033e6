"""Sessions: which browsers are in, and what each of them has to show with an order."""

from __future__ import annotations

import hmac
import secrets
import time
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

IDLE_S: Final = 12 * 3600.0
"""After so long without a request a session is over."""

MOST: Final = 200
"""Sessions at the same time; for a further one, the one goes that was idle longest."""

_SECRET_BYTES: Final = 32


class Said(NamedTuple):
    """What an order of this browser has come to, to be shown on its next page.

    Attributes:
        sentence: That in words.
        is_bad: Whether it was not carried out.
    """

    sentence: str
    is_bad: bool


@dataclass(slots=True)
class Session:
    """A browser that is in.

    Attributes:
        order_token: What each order has to show, so that no other page can give one.
        seen_at: When it has asked for something last, on the monotonic clock.
        said: What is to be shown on its next page, or None.
    """

    order_token: str
    seen_at: float
    said: Said | None = None

    def may_order(self, shown: str) -> bool:
        """Return whether what was shown with an order is this session's token."""
        return hmac.compare_digest(self.order_token.encode(), shown.encode("utf-8", "replace"))

    def take_said(self) -> Said | None:
        """Return what is to be shown, once."""
        said, self.said = self.said, None
        return said


class Sessions:
    """All sessions, by digests of their cookies; they end with this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: dict[bytes, Session] = {}

    def begin(self) -> str:
        """Let a browser in; return what its cookie is to be."""
        cookie = secrets.token_urlsafe(_SECRET_BYTES)
        if len(self._sessions) >= MOST:
            del self._sessions[min(self._sessions, key=lambda it: self._sessions[it].seen_at)]
        token = secrets.token_urlsafe(_SECRET_BYTES)
        self._sessions[_digest(cookie)] = Session(token, self._clock())
        return cookie

    def find(self, cookie: str) -> Session | None:
        """Return whose cookie this is, or None."""
        session = self._sessions.get(_digest(cookie))
        if session is None:
            return None
        now = self._clock()
        if now - session.seen_at > IDLE_S:
            self.end(cookie)
            return None
        session.seen_at = now
        return session

    def has(self, cookie: str) -> bool:
        """Return whether this is somebody's cookie still; it counts as no request."""
        return _digest(cookie) in self._sessions

    def end(self, cookie: str) -> None:
        """Have a browser out."""
        self._sessions.pop(_digest(cookie), None)


def _digest(cookie: str) -> bytes:
    return sha256(cookie.encode("utf-8", "replace")).digest()
