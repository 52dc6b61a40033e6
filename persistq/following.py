"""Reading what happens in a journal, from any process: all of it behind a cursor, and what comes.

The journal is opened for each look, and closed before an event is given to anybody. So a reader may
take as long as it likes: no broker waits for it, and its log is not kept from being folded back.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Final, Literal

from persistq.errors import UsageError
from persistq.journal.opening import open_reader, stamp
from persistq.origin import absolute
from persistq.settings import load_settings
from persistq.site.finding import catalogue_of

if TYPE_CHECKING:
    from persistq.event import Event
    from persistq.journal.reader import JournalReader
    from persistq.site.base import Site

PAGE: Final = 1000
"""So many events are in memory at a time."""

PAUSE_S: Final = 0.05
"""How often it is looked whether the files have changed."""

LOOK_S: Final = 1.0
"""How often the journal is read whether they have or not: a clock of files may be too coarse."""


def events(
    name: str,
    after: int | Literal["now"] | None = None,
    *,
    follow: bool = True,
    timeout: float | None = None,
    journal: str | None = None,
) -> Iterator[Event]:
    """Iterate over what happens in a journal: put, failed, parked, retried, discarded, settled.

    Events are numbered in the order of commits. Who stores the number of the last one it has dealt
    with gives it as ``after``, and misses none. Events are read from the journal, in any process;
    a slow reader holds nothing up.

    Example:
        >>> for event in persistq.events("sales", after=cursor):        # doctest: +SKIP
        ...     print(event.number, event.kind, event.first, event.error)
        ...     save(event.number)

    Crash: an event is recorded in the transaction of what it tells of, and given when that is
    committed. Only a power cut can take one back, with what it told of.

    Args:
        name: Name of the journal.
        after: Number of the last event that is known; ``"now"`` for what comes from now on, None
            for all that are kept.
        follow: Whether to wait for more when all are given.
        timeout: Seconds without an event after which that ends; None waits for ever.
        journal: The directory of journals; None takes the setting.

    Raises:
        UsageError: Events behind ``after`` are not kept any more, or there is no such event.
        JournalError: There is no such journal, or it cannot be read; also later, if it is removed.
    """
    directory = absolute(load_settings(journal=journal).journal)
    return events_of(catalogue_of(directory).site(name), after, follow=follow, timeout=timeout)


def events_of(
    site: Site,
    after: int | Literal["now"] | None = None,
    *,
    follow: bool = True,
    timeout: float | None = None,
) -> Iterator[Event]:
    """Iterate over what happens in the journal of a site; see `events`."""
    with closing(open_reader(site)) as reader:
        first, last = reader.events_kept()
        cursor = first - 1 if after is None else last if after == "now" else after
        _require_kept(reader, cursor)
    return _behind(site, cursor, follow=follow, timeout=timeout)


def _behind(site: Site, cursor: int, *, follow: bool, timeout: float | None) -> Iterator[Event]:
    until: float | None = None
    while True:
        seen = stamp(site)
        page = _page(site, cursor)
        if page:
            yield from page
            cursor, until = page[-1].number, None
            continue
        if until is None and timeout is not None:
            until = time.monotonic() + timeout
        if not follow or not _may_have_more(site, seen, until):
            return


def _page(site: Site, cursor: int) -> list[Event]:
    with closing(open_reader(site)) as reader:
        page = reader.events(cursor, PAGE)
        if not page or page[0].number != cursor + 1:
            _require_kept(reader, cursor)
        return page


def _may_have_more(site: Site, seen: object, until: float | None) -> bool:
    """Wait until a journal is worth a look; False if it is time to end."""
    look = time.monotonic() + LOOK_S
    while stamp(site) == seen and (now := time.monotonic()) < look:
        if until is not None and now >= until:
            return False
        time.sleep(PAUSE_S)
    return True


def _require_kept(reader: JournalReader, cursor: int) -> None:
    """Refuse a cursor behind which events are missing, or that is none.

    Raises:
        UsageError: It is so.
    """
    first, last = reader.events_kept()
    if cursor > last:
        raise UsageError(
            f"{reader.path} has no event {cursor}: its last one is {last}, so the cursor is of "
            "another journal, or an older copy of this one was put back"
        )
    if cursor < first - 1:
        raise UsageError(
            f"{reader.path} has given up its events up to {first - 1}, so those right behind "
            f"{cursor} cannot be told: read on from {first - 1}, and look at the journal itself"
        )
