"""Chromium without a window, driven by Playwright: what a page looks like in it, and what it does.

A directory's ``conftest.py`` imports the fixture ``browser``. A browser takes less than a second to
start, so each test has its own: one that stays would be taken for what a test has left behind.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

NARROW, WIDE = 390, 1400
"""Widths of a window, in pixels: that of a telephone, and that of a desk."""

_HEIGHT = 900
_PROGRAMS = (
    "chromium",
    "chromium-browser",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
_OPTIONS = [
    # Its own sandbox needs what containers forbid, and root may not have it.
    "--no-sandbox",
    "--disable-gpu",
    # Else it keeps what its processes share where a test looks for leftovers.
    "--disable-dev-shm-usage",
    # It has nothing to say to anybody but the page.
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Visit:
    """A page that is looked at, and what was noticed meanwhile.

    Attributes:
        page: The page, as Playwright has it.
        complaints: What the browser has complained of: errors of scripts, what a policy forbids.
        requests: Each address that the page has asked for, its own as well.
    """

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _note_error(self, error: Exception) -> None:
        self.complaints.append(str(error))

    def _note_request(self, request: Request) -> None:
        self.requests.append(request.url)

    def watch(self) -> None:
        """Notice from now on what happens."""
        self.page.on("console", self._note_message)
        self.page.on("pageerror", self._note_error)
        self.page.on("request", self._note_request)


@pytest.fixture
def browser() -> Iterator[Browser]:
    """Return a browser that was just started; without Chromium, skip the test."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        pytest.skip("there is no Chromium: on Debian, apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=_OPTIONS)
        try:
            yield started
        finally:
            started.close()


def visit(browser: Browser, url: str, *, width: int = WIDE, dark: bool = False) -> Visit:
    """Open a page in a window of its own, with no cookies of others, and wait until it is loaded.

    Args:
        browser: The browser.
        url: The page.
        width: Of the window, in pixels.
        dark: Whether whoever looks prefers it dark.
    """
    scheme = "dark" if dark else "light"
    page = browser.new_page(
        viewport={"width": width, "height": _HEIGHT}, color_scheme=scheme, reduced_motion="reduce"
    )
    seen = Visit(page)
    seen.watch()
    page.goto(url, wait_until="load")
    return seen
