"""What the pages say, and that nothing in a journal can say more than it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from persistq.web.rendering import rate_in_words, seconds_in_words

from .asking import Begin, Site

HOSTILE = '</script><img src=x onerror="alert(1)">\u202e\x1b[2J'


def test_all_journals_with_what_needs_somebody_first(begin: Begin, site: Site) -> None:
    """Then the others by name."""
    for name in ("august", "july", "june"):
        ledger = begin(name)
        ledger.put(1, 2)
        ledger.done(1, 2)
        ledger.settle()
    ledger = begin("may")
    ledger.put(1, 2, 3)
    ledger.fail(2, "ValueError", "bad")
    text = site.enter().text("/")
    places = [text.index(f'data-name="{name}"') for name in ("may", "august", "july", "june")]
    assert places == sorted(places)
    assert "persistq resume may" in text
    assert "2 outstanding" in text


def test_a_journal_that_cannot_be_read_is_told_among_the_others(
    begin: Begin, site: Site, tmp_path: Path
) -> None:
    """It keeps nothing else from being shown."""
    begin().put(1)
    (tmp_path / ".persistq" / "broken.db").write_text("this is no journal, and long enough" * 99)
    text = site.enter().text("/")
    assert "unreadable" in text
    assert "not a database" in text
    assert 'href="/j/sales"' in text
    answer = site.client.get("/j/broken")
    assert answer.status_code == 503
    assert "not a database" in answer.text


def test_a_directory_without_journals(site: Site) -> None:
    """It may come to be later."""
    assert "There is no journal here yet" in site.enter().text("/")


@pytest.mark.parametrize(
    "path",
    [
        "/j/none",
        "/j/..%2fsecret",
        "/j/sales?load=7",
        "/j/sales/items/store:9",
        "/j/sales/items/nonsense",
        "/j/sales/failures?stage=none",
        "/nothing",
        "/static/none.js",
        "/live?at=/nothing",
    ],
)
def test_what_is_not_there_is_told_in_a_sentence(begin: Begin, site: Site, path: str) -> None:
    """With no traceback."""
    begin().put(1)
    answer = site.enter().client.get(path)
    assert answer.status_code == 404
    assert "Traceback" not in answer.text
    assert " no " in answer.text or "names no item" in answer.text


def test_one_load(begin: Begin, site: Site) -> None:
    """Its stages, its latest failures, its runs, and what to type."""
    ledger = begin()
    ledger.put(*range(5))
    ledger.done(1)
    ledger.fail(2, "ValueError", "row 2 is bad")
    text = site.enter().text("/j/sales")
    for words in (
        "load 1, a pipeline",
        "unfinished",
        "1 done, 3 outstanding, 1 failed of 5",
        "ValueError: row 2 is bad",
        "persistq resume sales",
        "killed",
        "etl.py",
    ):
        assert words in text


def test_everything_from_a_journal_is_escaped(begin: Begin, site: Site) -> None:
    """Items, errors, tracebacks, what was printed, names of stages: all may be a stranger's."""
    ledger = begin(stage=f"a/b {HOSTILE}")
    ledger.put({"x": HOSTILE})
    ledger.fail(1, HOSTILE, HOSTILE)
    site.enter()
    number = str(ledger.id(1))
    for path in (
        "/",
        "/j/sales",
        "/j/sales/failures",
        "/j/sales/items",
        f"/j/sales/items/{number}",
    ):
        text = site.text(path)
        assert "<img" not in text
        assert "\u202e" not in text
        assert "\x1b" not in text
    links = site.text("/j/sales/items")
    assert "/j/sales/items/a%2Fb" in links


def test_secrets_are_masked(begin: Begin, site: Site) -> None:
    """In items, errors, and the parameters of a load."""
    ledger = begin()
    ledger.put({"password": "hush", "url": "ftp://me:hush@example.com/"})
    ledger.fail(1, "OSError", "ftp://me:hush@example.com/ is away")
    site.enter()
    for path in ("/j/sales", "/j/sales/failures", "/j/sales/items", "/j/sales/items/store:1"):
        text = site.text(path)
        assert "hush" not in text
        assert "***" in text


def test_failures_by_kind(begin: Begin, site: Site) -> None:
    """Errors that differ in numbers and quoted words are one; each kind leads to its items."""
    ledger = begin()
    ledger.put(*range(5))
    for number in (1, 2, 3):
        ledger.fail(number, "ValueError", f"row {number} is bad")
    ledger.fail(4, "KeyError", "'day'")
    text = site.enter().text("/j/sales/failures")
    assert "3 of store" in text
    assert "1 of store" in text
    one = site.text("/j/sales/failures?stage=store&pattern=KeyError%3A+%27%E2%80%A6%27")
    rows = one[one.index("of one kind") :]
    assert "store:4" in rows
    assert "store:1" not in rows


def test_items_page_by_page_in_one_state(begin: Begin, site: Site) -> None:
    """Each page begins behind the last one."""
    ledger = begin()
    ledger.put(*range(120))
    ledger.done(*range(1, 61))
    site.enter()
    first = site.text("/j/sales/items?stage=store&state=outstanding")
    assert "store:61<" in first
    assert "store:110<" in first
    assert "store:60<" not in first
    behind = f"/j/sales/items?stage=store&state=outstanding&after={ledger.id(110)}"
    assert behind.replace("&", "&amp;") in first
    last = site.text(behind)
    assert "store:111<" in last
    assert "store:120<" in last
    assert "further ones" not in last
    done = site.text(f"/j/sales/items?stage=store&state=done&after={ledger.id(50)}")
    assert "store:60<" in done
    assert "store:61<" not in done


def test_an_item_is_found_by_its_name_its_number_and_its_key(begin: Begin, site: Site) -> None:
    """What is none is told, and the list stays."""
    ledger = begin()
    ledger.put("one", "two")
    site.enter()
    text = site.text("/j/sales/items/store:2")
    key = text.split("<dt>key</dt><dd><code>")[1].split("<")[0]
    for typed in ("store:2", "store:2@1", str(ledger.id(2)), key, f" {key} "):
        answer = site.client.get("/j/sales/items", params={"q": typed})
        assert str(answer.url).endswith("/j/sales/items/store%3A2%401"), typed
        assert "&#34;two&#34;" in answer.text
    for typed in ("store:9", "nothing", key[::-1], f"{'0' * 32}-{ledger.id(2)}"):
        answer = site.client.get("/j/sales/items", params={"q": typed})
        assert 'class="said bad"' in answer.text
        assert "store:1<" in answer.text


def test_figures_for_people() -> None:
    """Short, and with their unit."""
    rates = [rate_in_words(it) for it in (None, 0.0, 0.05, 2.5, 12_345.6)]
    assert rates == ["-", "0/s", "3.0/min", "2.5/s", "12,346/s"]
    spans = [seconds_in_words(it) for it in (3.4e-6, 12e-6, 0.0034, 0.5, 3.21, 80)]
    assert spans == ["3.4 µs", "12 µs", "3.4 ms", "500 ms", "3.2s", "1m20s"]
