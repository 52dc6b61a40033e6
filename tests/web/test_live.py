"""What has changed is sent while somebody looks, and nothing when nobody does."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import anyio
import pytest

from persistq.web import live
from persistq.web.folders import Folders
from persistq.web.journals import Journals
from persistq.web.live import Live
from persistq.web.overview import Rows, overview

from .asking import Begin


class Stream:
    """What one browser is sent."""

    def __init__(self, journals: Journals, path: str = "/") -> None:
        folders = Folders(journals.directory)
        self.live = Live(journals, folders)
        self.is_in = True
        make = partial(overview, journals, folders, Rows())
        self._events = self.live.events(path, make, is_in=lambda: self.is_in)

    async def next(self) -> tuple[str, object]:
        """Return the kind and the value of the next event."""
        with anyio.fail_after(20):
            kind, data, *_ = (await anext(self._events)).split("\n")
        return kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))

    async def parts(self) -> set[str]:
        """Return which pieces of the page have changed."""
        kind, value = await self.next()
        assert kind == "parts"
        assert isinstance(value, dict)
        return {*value}

    async def over(self) -> bool:
        """Return whether nothing more comes."""
        return await anext(self._events, None) is None


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often, so that no test waits."""
    monkeypatch.setattr(live, "INTERVAL_S", 0.01)
    monkeypatch.setattr(live, "SHARE", 1e6)


@pytest.fixture
def journals(tmp_path: Path) -> Journals:
    """The journals of this test."""
    return Journals(tmp_path / ".persistq")


def test_only_what_has_changed_is_sent(begin: Begin, journals: Journals) -> None:
    """First everything, then each journal that has changed, and the totals."""
    one = begin("one")
    begin("two")

    async def look() -> None:
        stream = Stream(journals)
        assert await stream.parts() == {"totals", "journal-one", "journal-two"}
        one.put(1, 2, 3)
        assert await stream.parts() == {"totals", "journal-one"}

    anyio.run(look)


def test_a_page_of_other_pieces_is_fetched_anew(begin: Begin, journals: Journals) -> None:
    """Such as when there is another journal."""
    begin("one")

    async def look() -> None:
        stream = Stream(journals)
        await stream.parts()
        begin("two").put(1)
        assert await stream.next() == ("anew", "")

    anyio.run(look)


def test_who_has_left_is_sent_nothing_more(begin: Begin, journals: Journals) -> None:
    """Also if his page is open still."""
    begin()

    async def look() -> None:
        stream = Stream(journals)
        await stream.parts()
        stream.is_in = False
        assert await stream.over()
        assert not stream.live.is_full

    anyio.run(look)


def test_all_streams_end_with_the_server(begin: Begin, journals: Journals) -> None:
    """At once."""
    begin()

    async def look() -> None:
        stream = Stream(journals)
        await stream.parts()
        stream.live.end()
        with anyio.fail_after(5):
            assert await stream.over()

    anyio.run(look)


def test_there_are_only_so_many_streams(
    begin: Begin, journals: Journals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has its place until it ends."""
    begin()
    monkeypatch.setattr(live, "STREAMS", 1)

    async def look() -> None:
        stream = Stream(journals)
        assert not stream.live.is_full
        await stream.parts()
        assert stream.live.is_full
        stream.live.end()
        await stream.over()
        assert not stream.live.is_full

    anyio.run(look)


def test_journals_at_rest_are_not_opened(
    begin: Begin, journals: Journals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred of them cost a hundred looks at the dates of their files."""
    for number in range(5):
        begin(f"sales-{number}").journal.close()
    opened: list[str] = []
    real: Callable[..., object] = journals._read

    def read(name: str, *rest: object) -> object:
        opened.append(name)
        return real(name, *rest)

    monkeypatch.setattr(journals, "_read", read)
    journals.refresh()
    assert len(opened) == 5
    for _ in range(3):
        journals.refresh()
    assert len(opened) == 5


def test_a_run_that_is_gone_is_noticed_without_a_change_of_its_journal(
    begin: Begin, journals: Journals, tmp_path: Path
) -> None:
    """Who is killed writes nothing."""
    from persistq.site.finding import site_of

    ledger = begin()
    ledger.put(1)
    lock = site_of(ledger.journal.path).lock()
    assert lock.acquire()
    journals.refresh()
    [look] = journals.looks()
    assert look.is_running
    before = journals.version("sales")
    lock.release()
    journals.refresh()
    [look] = journals.looks()
    assert not look.is_running
    assert journals.version("sales") > before
