"""The page in a browser: it follows a load, gives orders, and keeps strangers' pages out."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from browser import NARROW, WIDE, visit
from playwright.sync_api import Browser, Locator, Page, expect

from persistq import FolderQueue
from persistq.journal.batch import Batch
from persistq.timings import Sample, StageSample

from .asking import Begin, Serve

LOAD = """\
import time
from pathlib import Path

from persistq import Pipeline

HERE = Path(__file__).parent
pipeline = Pipeline("flights", workers=1)


@pipeline.source
def numbers():
    yield from ({"flight": number, "token": "hush"} for number in range(8))


@pipeline.stage
def clean(row):
    if row["flight"] in (1, 2) and not (HERE / "mended").exists():
        raise ValueError(f"flight {row['flight']} is not known")
    while row["flight"] == 5 and not (HERE / "go").exists():
        time.sleep(0.01)


if __name__ == "__main__":
    pipeline.run(check=False)
"""


@contextmanager
def loading(directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Have a load run that waits at its sixth item until it may go on."""
    script = directory / "flights.py"
    script.write_text(LOAD)
    process = subprocess.Popen(
        [sys.executable, str(script)], cwd=directory, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        (directory / "go").touch()
        process.terminate()
        process.wait(40)


def tile(page: Page, title: str) -> Locator:
    """Return the figure with a title."""
    return page.locator(f".tile:has(dt:text-is('{title}')) dd")


def order(page: Page, what: str, button: str) -> None:
    """Give an order: what is to be done is said first, then done."""
    page.get_by_text(what, exact=True).click()
    page.get_by_role("button", name=button).click()


def test_a_load_is_followed_and_its_failures_are_mended(
    browser: Browser, serve: Serve, tmp_path: Path
) -> None:
    """The counters move by themselves; a retry and an edit reach the run that is at work."""
    with loading(tmp_path) as process, serve() as served:
        seen = visit(browser, served.url)
        page = seen.page
        expect(page.locator("#journal-flights .badge")).to_have_text("running", timeout=20_000)
        page.get_by_role("link", name="flights").click()
        expect(tile(page, "done")).to_have_text("3", timeout=20_000)
        expect(tile(page, "failed")).to_have_text("2")
        expect(page.locator("#workers")).to_contain_text("clean:6")
        page.locator(".ways").get_by_role("link", name="failures").click()
        expect(page.locator(".kind")).to_have_count(1)
        expect(page.locator(".kind")).to_contain_text("ValueError: flight 1 is not known")
        page.locator("tbody").get_by_role("link", name="clean:2").click()
        expect(page.locator("pre").first).to_contain_text('"token": "***"')
        page.get_by_text("Edit", exact=True).click()
        text = page.locator("textarea")
        text.fill(text.input_value().replace("1", "100"))
        page.get_by_role("button", name="Put the changed item").click()
        expect(page.locator(".said").first).to_have_text(
            "clean:9 is put for clean:2, which is dropped; a run takes it"
        )
        expect(page.locator("h1")).to_contain_text("dropped")
        (tmp_path / "mended").touch()
        page.get_by_role("link", name="flights").click()
        page.locator(".ways").get_by_role("link", name="failures").click()
        order(page, "Retry it", "Retry 1 item")
        expect(page.locator(".said").first).to_have_text(
            "1 item is outstanding again; a run takes it"
        )
        page.get_by_role("link", name="flights").click()
        expect(tile(page, "failed")).to_have_text("0")
        (tmp_path / "go").touch()
        expect(tile(page, "done")).to_have_text("8", timeout=20_000)
        expect(page.locator("#head .badge")).to_have_text("settled", timeout=20_000)
        assert process.wait(20) == 0
        assert seen.complaints == []
        assert all(url.startswith(page.url.split("/j/")[0]) for url in seen.requests)


def failed_load(begin: Begin) -> None:
    """Write a load with failures of two kinds, and let go of it."""
    ledger = begin()
    ledger.put(*({"row": number, "text": "x" * 90} for number in range(40)))
    ledger.done(*range(1, 20))
    for number in range(20, 24):
        ledger.fail(number, "ValueError", f"row {number} is bad <img src=x onerror=alert(1)>")
    ledger.fail(30, "KeyError", "'day'")
    for tick in range(5):
        stage = StageSample(ledger.row.queue_id, 40, 4 * tick, 0, 0, 1.0, 0.5, 50_000_000)
        taken = Sample(tick, 1.8e9 + tick, 30_000_000, (stage,))
        ledger.journal.commit(Batch(sample=taken, samples_every=1))
    ledger.journal.close()


PATHS = ("", "j/sales", "j/sales/failures", "j/sales/items?state=parked", "j/sales/items/store:20")


def test_pages_fit_narrow_and_wide_windows_in_light_and_dark(
    begin: Begin, browser: Browser, serve: Serve
) -> None:
    """Nothing sticks out, nothing is complained of, and both themes are what they are called."""
    failed_load(begin)
    with serve() as served:
        seen = visit(browser, served.url)
        for path in PATHS:
            seen.page.goto(f"{served.url.partition('?')[0]}{path}")
            for width in (NARROW, WIDE):
                seen.page.set_viewport_size({"width": width, "height": 900})
                assert seen.page.evaluate("document.documentElement.scrollWidth") <= width, path
            for scheme, is_dark in (("light", False), ("dark", True)):
                seen.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                assert is_dark_page(seen.page) is is_dark
            expect(seen.page.locator(".plot canvas")).to_have_count(2 if path == "j/sales" else 0)
        assert seen.complaints == []


def is_dark_page(page: Page) -> bool:
    """Return whether a page's background is darker than its text."""
    colours = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    back, ink = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours)
    return back < ink


def full_folder(home: Path) -> FolderQueue[Any]:
    """Return a folder in which files wait, one is in hand, and some were put aside."""
    queue: FolderQueue[Any] = FolderQueue(home / "in", producer="north")
    for number in range(30):
        (home / "in" / f"sales-{number:02}{'-x' * 80}.csv").write_text("x" * 5_000)
    for reason in ("no such day", "row 17 is bad " * 20):
        queue.task_failed(queue.get(), reason)
    queue.get()
    FolderQueue(home / "other").release()
    return queue


def test_folders_fit_narrow_and_wide_windows_in_light_and_dark(
    browser: Browser, serve: Serve, tmp_path: Path
) -> None:
    """As the other pages."""
    queue = full_folder(tmp_path)
    with serve() as served:
        seen = visit(browser, served.url)
        page = seen.page
        for leads_on in (False, True):
            if leads_on:
                page.get_by_role("link", name="in", exact=True).click()
                expect(page.locator("#parked tbody tr")).to_have_count(2)
            for width in (NARROW, WIDE):
                page.set_viewport_size({"width": width, "height": 900})
                assert page.evaluate("document.documentElement.scrollWidth") <= width
            for scheme, is_dark in (("light", False), ("dark", True)):
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                assert is_dark_page(page) is is_dark
        assert seen.complaints == []
    queue.release()


def test_a_folder_is_followed_and_helped(browser: Browser, serve: Serve, tmp_path: Path) -> None:
    """Files come by themselves; what was put aside is put back; it is paused and resumed."""
    queue = full_folder(tmp_path)
    with serve() as served:
        seen = visit(browser, served.url)
        page = seen.page
        page.get_by_role("link", name="in", exact=True).click()
        expect(tile(page, "waiting")).to_have_text("27")
        expect(page.locator("#live")).to_have_text("live")
        (tmp_path / "in/a-new-one.csv").write_text("x")
        expect(page.locator("#waiting")).to_contain_text("a-new-one.csv", timeout=20_000)
        page.locator("#parked tbody tr").first.get_by_role("button", name="put back").click()
        expect(page.locator(".said").first).to_have_text("1 put back: it waits again")
        expect(tile(page, "parked")).to_have_text("1")
        order(page, "Put everything back", "Put all back")
        expect(page.locator("#parked")).to_contain_text("Nothing was put aside")
        order(page, "Pause", "Pause it")
        expect(page.locator("#head .badge")).to_have_text("paused")
        assert (tmp_path / "in/PAUSE").exists()
        order(page, "Resume", "Resume it")
        expect(page.locator("#head .badge")).to_have_text("open")
        assert seen.complaints == []
    queue.release()


def test_pages_are_read_and_orders_given_without_scripts(
    begin: Begin, browser: Browser, serve: Serve
) -> None:
    """Scripts make a page live, and nothing else needs them."""
    failed_load(begin)
    with serve() as served:
        page = browser.new_context(java_script_enabled=False).new_page()
        page.goto(served.url)
        page.get_by_role("link", name="sales").click()
        expect(page.locator("#head")).to_contain_text("persistq resume sales")
        page.locator(".ways").get_by_role("link", name="failures").click()
        order(page, "Retry these", "Retry 4 items")
        expect(page.locator(".said").first).to_have_text(
            "4 items are outstanding again; next: persistq resume sales"
        )


def test_what_is_being_typed_is_left_alone(begin: Begin, browser: Browser, serve: Serve) -> None:
    """Also when the page changes meanwhile; and an open question stays open."""
    ledger = begin()
    ledger.put(1, 2)
    ledger.fail(1, "ValueError", "bad")
    with serve() as served:
        page = visit(browser, served.url).page
        page.goto(f"{served.url.partition('?')[0]}j/sales/failures")
        page.get_by_text("Drop it", exact=True).click()
        page.locator("article input[name=reason]").fill("half a sent")
        expect(page.locator("#live")).to_have_text("live")
        ledger.fail(2, "ValueError", "bad")
        expect(page.locator("article input[name=reason]")).to_have_value("half a sent")
        page.locator("article input[name=reason]").fill("")
        expect(page.locator(".kind h3")).to_contain_text("2 of store", timeout=20_000)
        expect(page.locator("article details[open] button")).to_have_text("Drop 2 items")


def test_who_was_not_let_in_sees_nothing(begin: Begin, browser: Browser, serve: Serve) -> None:
    """An address that was used is of no use to anybody else."""
    failed_load(begin)
    with serve() as served:
        visit(browser, served.url)
        other = visit(browser, served.url).page
        expect(other.locator("main")).to_contain_text("used before")
        expect(other.locator("main")).not_to_contain_text("sales")


class _Stranger(BaseHTTPRequestHandler):
    """A page of somebody else's that wants to show, and to use, the one of this user."""

    page = ""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.page.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def stranger(text: str) -> Iterator[str]:
    """Serve a page at another port of the same machine, which browsers take for the same site."""
    handler = type("Page", (_Stranger,), {"page": text})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_strangers_page_can_neither_show_nor_use_the_page(
    begin: Begin, browser: Browser, serve: Serve
) -> None:
    """In the browser that was let in, with its cookie."""
    failed_load(begin)
    with serve() as served:
        own = served.url.partition("?")[0]
        seen = visit(browser, served.url)
        hostile = (
            f"<iframe src='{own}'></iframe><form method=post action='{own}j/sales/drop'>"
            "<input name=everything value=1><button>win</button></form>"
            f"<script>fetch('{own}', {{credentials: 'include'}})"
            ".catch(e => document.title = 'no')</script>"
        )
        with stranger(hostile) as url:
            seen.page.goto(url)
            expect(seen.page).to_have_title("no")
            expect(seen.page.frame_locator("iframe").locator("body")).not_to_contain_text(
                "Journals"
            )
            seen.page.get_by_role("button", name="win").click()
            expect(seen.page.locator("body")).to_contain_text("an order has to come from a page")
        seen.page.goto(f"{own}j/sales/failures")
        expect(seen.page.locator("h2").first).to_contain_text("5 items")


def test_the_page_says_when_the_server_is_gone(
    begin: Begin, browser: Browser, serve: Serve
) -> None:
    """What it shows is not what is."""
    failed_load(begin)
    with serve() as served:
        page = visit(browser, served.url).page
        expect(page.locator("#live")).to_have_text("live")
        served.process.terminate()
        expect(page.locator("#live")).to_have_text("not live", timeout=20_000)
