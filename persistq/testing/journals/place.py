"""Where a check has its journal, and the lists that checks are in."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from persistq.errors import PersistqError
from persistq.journal.base import Journal
from persistq.testing.contract import Rules, true
from persistq.testing.journals.feed import Feed

OpenJournal = Callable[[], Journal]
"""Opens the journal of one place for writing, and makes it at the first time."""


Acting = Callable[[Journal, Callable[[], object]], None]
"""Uses a journal, and calls its second argument when it may be killed."""


class JournalPlace:
    """Opens one journal as often as a check wants, in this process and in others.

    Args:
        open_journal: Opens it.
    """

    def __init__(self, open_journal: OpenJournal) -> None:
        self._open = open_journal
        self._opened: list[Journal] = []

    def open(self) -> Journal:
        """Open the journal; it is closed at the end of the check."""
        self._opened.append(self._open())
        return self._opened[-1]

    def feed(self) -> Feed:
        """Open the journal, and begin a load with one queue in it."""
        return Feed(self.open())

    def close(self) -> None:
        """Close what was opened, the latest first; what was overtaken may refuse."""
        for journal in reversed(self._opened):
            with suppress(PersistqError):
                journal.close()
        self._opened.clear()

    def reopen(self) -> Journal:
        """Close the journal in good order, and open it again."""
        for journal in self._opened:
            journal.close()
        self._opened.clear()
        return self.open()

    def now_and_later(self, journal: Journal) -> Iterator[Journal]:
        """Yield a journal as it is, and after it was closed and opened again."""
        yield journal
        yield self.reopen()

    def now_and_later_fed(self, feed: Feed) -> Iterator[Feed]:
        """Yield what feeds a journal, as it is and after the journal was opened again."""
        yield feed
        yield feed.carried_on(self.reopen())

    def in_a_process_that_is_killed(self, act: Acting) -> None:
        """Open the journal in a process of its own, and kill that as soon as it says so.

        Args:
            act: Gets the journal and what to call; it may go on afterwards.
        """
        self.close()
        heard, said = os.pipe()
        if not (pid := os.fork()):
            _act_and_die(self._open, act, lambda: os.write(said, b"!"))
        os.close(said)
        spoken = os.read(heard, 1)
        os.close(heard)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        true(spoken, "the process that used the journal failed before it was killed")


def _act_and_die(open_journal: OpenJournal, act: Acting, say: Callable[[], object]) -> None:
    """Be the process that is killed; an error shows as silence."""
    try:
        act(open_journal(), say)
    finally:
        os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def _entered(open_journal: OpenJournal) -> Iterator[JournalPlace]:
    place = JournalPlace(open_journal)
    try:
        yield place
    finally:
        place.close()


def journal_rules() -> Rules[OpenJournal, JournalPlace]:
    """Return an empty list of rules about journals."""
    return Rules(_entered)
