"""Events: what happens in a journal, told to other programs in the order of its commits."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

import persistq
from persistq import following
from persistq.errors import JournalCorrupt, JournalMissing, UsageError
from persistq.event import Event, EventKind
from persistq.items import Failure, FailureKind, IdRange
from persistq.journal import retention
from persistq.journal.batch import Batch, Put
from persistq.journal.connection import log_of
from persistq.journal.sqlite import SqliteJournal, open_journal
from persistq.testing import check_journal
from persistq.testing.journals.feed import Feed

WAIT_S = 20.0
TWICE = [IdRange(1, 1), IdRange(1, 1)]


class Numbers(Feed):
    """Puts numbers, so that the journal is sound."""

    def blocks(self, payloads: Sequence[bytes], codec: int = 0) -> list[Put]:
        """Return the next items in as few blocks as there can be, and count them as put."""
        return super().blocks([b"7"] * len(payloads), codec)


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    """A journal; it is sound after the test."""
    with closing(open_journal(path)) as opened:
        yield opened
    assert not path.exists() or check_journal(path) == []


def told(path: Path, after: int | None = None) -> list[Event]:
    """Return the events behind a cursor that there are."""
    return [*persistq.events(path.stem, after, follow=False, journal=str(path.parent))]


def in_brief(events: list[Event]) -> list[tuple[str, str, str]]:
    """Return what happened to which items."""
    return [(event.kind.value, event.first, event.last) for event in events]


def purge(journal: SqliteJournal, load_id: int) -> None:
    """Give a load up, as a later run does."""
    assert journal.purge_load(load_id)
    while journal.tidy(1):
        pass


def test_what_happens_is_told_in_the_order_of_commits(journal: SqliteJournal, path: Path) -> None:
    """Numbered from 1; what is put together is one event."""
    feed = Numbers(journal)
    feed.put_together(1300)
    feed.fail(2)
    feed.fail(3)
    feed.park(2, 3)
    feed.unpark(2)
    feed.discard(3)
    feed.done(1, 2, *range(4, 1301))
    feed.settle()
    events = told(path)
    assert [event.number for event in events] == [1, 2, 3, 4, 5, 6, 7]
    assert in_brief(events) == [
        ("put", "stage0:1@1", "stage0:1300@1"),
        ("failed", "stage0:2@1", "stage0:2@1"),
        ("failed", "stage0:3@1", "stage0:3@1"),
        ("parked", "stage0:2@1", "stage0:3@1"),
        ("retried", "stage0:2@1", "stage0:2@1"),
        ("discarded", "stage0:3@1", "stage0:3@1"),
        ("settled", "", ""),
    ]
    assert (events[0].items, events[0].stage, events[0].load) == (1300, "stage0", 1)
    assert [event.number for event in told(path, 5)] == [6, 7]


def test_puts_that_are_left_untold_are_told_together(journal: SqliteJournal, path: Path) -> None:
    """Before anything else is told, or when the journal is asked to."""
    feed = Numbers(journal)
    for _ in range(3):
        feed.commit(Batch(puts=feed.singles(1), untold=True))
    assert told(path) == []
    feed.fail(2)
    feed.commit(Batch(puts=feed.singles(2), untold=True))
    journal.tell()
    journal.tell()
    assert in_brief(told(path)) == [
        ("put", "stage0:1@1", "stage0:3@1"),
        ("failed", "stage0:2@1", "stage0:2@1"),
        ("put", "stage0:4@1", "stage0:5@1"),
    ]


def test_what_a_dead_broker_has_not_told_the_next_one_tells(path: Path) -> None:
    """Of each item once."""
    with closing(open_journal(path)) as dead:
        feed = Numbers(dead)
        feed.put(1)
        feed.commit(Batch(puts=feed.singles(2), untold=True))
        with closing(open_journal(path)) as journal:
            journal.tell()
            assert [(event.items, event.last) for event in told(path)] == [
                (1, "stage0:1@1"),
                (2, "stage0:3@1"),
            ]
        dead._writer.close()
        dead._writer.closed = True
    assert check_journal(path) == []


def test_a_batch_is_told_whole_or_not_at_all(journal: SqliteJournal, path: Path) -> None:
    """What is rolled back has not happened, and its numbers are given to what does."""
    feed = Numbers(journal)
    feed.put(1)
    [again] = feed.singles(1)
    with pytest.raises(JournalCorrupt):
        journal.commit(Batch(puts=[again, again], parked=[feed.id(1)]))
    feed.commit(Batch(puts=[again], untold=True))
    with pytest.raises(JournalCorrupt):
        journal.commit(Batch(failures=[Failure(feed.id(1), FailureKind.CRASH, "", "")], done=TWICE))
    journal.tell()
    assert in_brief(told(path)) == [
        ("put", "stage0:1@1", "stage0:1@1"),
        ("put", "stage0:2@1", "stage0:2@1"),
    ]


def test_a_failure_is_told_with_its_error(journal: SqliteJournal, path: Path) -> None:
    """And when it is tried again; secrets are masked. What is only put off is none."""
    feed = Numbers(journal)
    feed.put(2)
    feed.fail(1, FailureKind.DEFERRED, retry_at=1_790_000_000.0)
    feed.fail(1, retry_at=1_790_000_000.0)
    feed.fail(2, FailureKind.CRASH)
    _, first, second = told(path)
    assert first == first._replace(
        kind=EventKind.FAILED,
        ids=IdRange(feed.id(1), feed.id(1)),
        error="ValueError: no",
        cause=FailureKind.EXCEPTION,
    )
    assert first.retry_at is not None
    assert first.retry_at.timestamp() == 1_790_000_000.0
    assert (second.cause, second.retry_at) == (FailureKind.CRASH, None)
    assert second.as_object() | {"at": ""} == {
        "event": 3,
        "kind": "failed",
        "at": "",
        "load": 1,
        "stage": "stage0",
        "items": 1,
        "first": "stage0:2@1",
        "last": "stage0:2@1",
        "error": "ValueError: no",
        "cause": "crash",
        "retry_at": None,
    }


def test_numbers_go_on_in_the_next_load(journal: SqliteJournal, path: Path) -> None:
    """One order for all loads; one that is given up for another is told as well."""
    for _ in range(2):
        feed = Numbers(journal)
        feed.put(1)
        journal.abandon_load(feed.load.load_id)
    journal.abandon_load(feed.load.load_id)
    kinds = [(event.number, event.kind.value, event.load) for event in told(path)]
    assert kinds == [(1, "put", 1), (2, "abandoned", 1), (3, "put", 2), (4, "abandoned", 2)]


def test_who_follows_gets_what_comes(journal: SqliteJournal, path: Path) -> None:
    """Without asking the broker, which need not be there when it begins."""
    feed = Numbers(journal)
    feed.put(1)
    found = persistq.events("sales", "now", timeout=WAIT_S, journal=str(path.parent))
    feed.put(2)
    assert next(found).number == 2
    heard = threading.Event()
    rest: list[Event] = []

    def listen() -> None:
        rest.extend(islice(found, 2))
        heard.set()

    listener = threading.Thread(target=listen)
    listener.start()
    feed.done(1, 2, 3)
    feed.put(1)
    feed.done(4)
    feed.settle()
    assert heard.wait(WAIT_S)
    listener.join()
    assert [event.kind for event in rest] == [EventKind.PUT, EventKind.SETTLED]


def test_following_ends_when_nothing_comes(journal: SqliteJournal, path: Path) -> None:
    """After so many seconds; what there was is given before."""
    Numbers(journal).put(3)
    found = persistq.events("sales", timeout=0.01, journal=str(path.parent))
    assert [event.number for event in found] == [1]


def test_a_slow_reader_holds_nothing_up(
    journal: SqliteJournal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has nothing open while it is at an event, so the log can be folded back."""
    monkeypatch.setattr(following, "PAGE", 2)
    feed = Numbers(journal)
    for _ in range(5):
        feed.put(1)
    found = persistq.events("sales", follow=False, journal=str(path.parent))
    assert next(found).number == 1
    journal._writer.fold()
    assert log_of(path).stat().st_size == 0
    feed.put(1)
    assert [event.number for event in found] == [2, 3, 4, 5, 6]


def test_a_cursor_behind_which_events_are_missing_is_refused(
    journal: SqliteJournal, path: Path
) -> None:
    """In one sentence, which says where to read on; so is one of another journal."""
    for _ in range(2):
        feed = Numbers(journal)
        feed.put(2)
        feed.done(1, 2)
        feed.settle()
    purge(journal, 1)
    assert [event.number for event in told(path)] == [3, 4]
    assert [event.number for event in told(path, 2)] == [3, 4]
    with pytest.raises(UsageError, match=r"given up its events up to 2, so .* behind 1 cannot"):
        told(path, 1)
    with pytest.raises(UsageError, match="has no event 5: its last one is 4"):
        told(path, 5)


def test_who_is_overtaken_is_told(
    journal: SqliteJournal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if it was at it when the events behind it were given up."""
    monkeypatch.setattr(following, "PAGE", 1)
    for _ in range(2):
        feed = Numbers(journal)
        feed.put(2)
        feed.done(1, 2)
        feed.settle()
    found = persistq.events("sales", journal=str(path.parent))
    assert next(found).number == 1
    purge(journal, 1)
    with pytest.raises(UsageError, match="given up its events up to 2"):
        next(found)


def test_no_number_is_given_twice(path: Path) -> None:
    """The last event stays when its load is purged, so numbers go on behind it."""
    with closing(open_journal(path)) as journal:
        feed = Numbers(journal)
        feed.put(1)
        feed.done(1)
        feed.settle()
    with closing(open_journal(path)) as journal:
        purge(journal, 1)
        assert [event.number for event in told(path)] == [2]
        Numbers(journal).put(1)
        assert [event.number for event in told(path)] == [2, 3]
    assert check_journal(path) == []


def test_only_the_newest_events_are_kept(
    journal: SqliteJournal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever becomes of their loads; the journal is sound without the others."""
    monkeypatch.setattr(retention, "EVENTS_MAX", 3)
    feed = Numbers(journal)
    for _ in range(10):
        feed.put(1)
    while journal.tidy(1):
        pass
    assert [event.number for event in told(path)] == [8, 9, 10]


def test_a_journal_that_is_removed_is_told(path: Path) -> None:
    """Nobody waits for ever at a name without a journal."""
    with closing(open_journal(path)) as journal:
        Numbers(journal).put(1)
    found = persistq.events("sales", journal=str(path.parent))
    assert next(found).number == 1
    path.unlink()
    with pytest.raises(JournalMissing):
        next(found)
    with pytest.raises(JournalMissing):
        persistq.events("sales", journal=str(path.parent))
