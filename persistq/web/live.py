"""Pages that follow what happens: the pieces that have changed are sent while somebody looks."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import anyio
from anyio import to_thread

from persistq.errors import PersistqError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from markupsafe import Markup

    from persistq.web.folders import Folders
    from persistq.web.journals import Journals
    from persistq.web.page import Page

STREAMS: Final = 16
"""Pages that are followed at the same time."""

INTERVAL_S: Final = 1.0
"""A page is looked at anew so often, at most."""

SHARE: Final = 0.02
"""Which share of a processor making a page may take; what takes longer is made less often."""

_AT_REST_S: Final = 30.0
"""So often at least, because it says how long ago things were; and to notice who has left."""

_JOURNAL: Final = re.compile(r"/j/([^/?]+)")
_FOLDER: Final = re.compile(r"/f/([^/?]+)")


class Turn(NamedTuple):
    """One look at a page.

    Attributes:
        page: The page; None if nothing has changed, or if there is none any more.
        trouble: Why there is none.
        version: Of what it is about.
        cpu: How long it took, in seconds of processor time.
    """

    page: Page | None
    trouble: str
    version: int
    cpu: float


class Live:
    """Follows pages, a bounded number of them.

    Args:
        journals: All journals.
        folders: All folders.
    """

    def __init__(self, journals: Journals, folders: Folders) -> None:
        self._journals = journals
        self._folders = folders
        self._open = 0
        self._over = anyio.Event()

    @property
    def is_full(self) -> bool:
        """Whether no further page can be followed."""
        return self._open >= STREAMS

    def end(self) -> None:
        """End all streams, because the server does."""
        self._over.set()

    async def events(
        self, path: str, make: Callable[[], Page], *, is_in: Callable[[], bool]
    ) -> AsyncIterator[str]:
        """Yield what has changed on a page, as server-sent events, until nobody looks any more.

        Args:
            path: The page's path.
            make: Makes the page; runs in a thread.
            is_in: Whether who looks may do so still.
        """
        self._open += 1
        try:
            async for event in self._follow(path, make, is_in):
                yield event
        finally:
            self._open -= 1

    async def _follow(
        self, path: str, make: Callable[[], Page], is_in: Callable[[], bool]
    ) -> AsyncIterator[str]:
        sent = Sent()
        version, made_at = -1, 0.0
        while is_in() and not self._over.is_set():
            at_rest = time.monotonic() - made_at < _AT_REST_S
            turn = await to_thread.run_sync(self._turn, path, make, version if at_rest else -1)
            if turn.page is not None or turn.trouble:
                version, made_at = turn.version, time.monotonic()
                yield sent.event(turn)
            elif not at_rest:
                yield ": nothing new\n\n"
            with anyio.move_on_after(max(INTERVAL_S, turn.cpu / SHARE)):
                await self._over.wait()

    def _turn(self, path: str, make: Callable[[], Page], seen: int) -> Turn:
        """Look once, in a thread."""
        began, trouble, page = time.thread_time(), "", None
        try:
            version, is_running = self._looked_at(path)
            # What workers have in hand is not in the journal's file.
            if version != seen or is_running:
                page = make()
        except PersistqError as error:
            trouble, version = str(error), seen
        return Turn(page, trouble, version, time.thread_time() - began)

    def _looked_at(self, path: str) -> tuple[int, bool]:
        """Look at what a page is about; return its version, and whether a run works on it."""
        name, key = _first(_JOURNAL, path), _first(_FOLDER, path)
        if key is None:
            self._journals.refresh(older_than=INTERVAL_S / 2)
        if name is not None:
            look = self._journals.look(name)
            return self._journals.version(name), look is not None and look.is_running
        self._folders.refresh(older_than=INTERVAL_S / 2)
        others = self._journals.version(None) if key is None else 0
        return others + self._folders.version(key), False


class Sent:
    """What one browser has been sent of a page."""

    def __init__(self) -> None:
        self._parts: dict[str, Markup] = {}

    def event(self, turn: Turn) -> str:
        """Return what to send: what has changed, or that the page is to be fetched anew."""
        if turn.page is None:
            return _event("trouble", turn.trouble)
        parts = turn.page.parts
        before, self._parts = self._parts, parts
        if before and [*before] != [*parts]:
            return _event("anew", "")
        changed = {key: part for key, part in parts.items() if before.get(key) != part}
        return _event("parts", changed)


def _event(kind: str, value: object) -> str:
    return f"event: {kind}\ndata: {json.dumps(value)}\n\n"


def _first(pattern: re.Pattern[str], path: str) -> str | None:
    found = pattern.match(path)
    return found[1] if found is not None else None
