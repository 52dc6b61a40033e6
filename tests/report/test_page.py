"""The page of a report in a browser: it is drawn, asks nobody for anything, and can be read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from browser import NARROW, WIDE, Visit, visit
from playwright.sync_api import Browser

from persistq.report.figures import Figures

from .conftest import WritePage

HOSTILE = '</script><img src=http://127.0.0.1:9/x onerror="window.hit=1"><script>window.hit=1//\''

DRAWN = "document.documentElement.dataset.drawn === 'yes'"

COLOURS = """id => {
    const canvas = document.querySelector(`#${id} canvas`);
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return new Set(new Uint32Array(data.buffer)).size;
}"""

# The page's policy forbids to wait as Playwright does it, by evaluating a text again and again.
UNTIL_NARROW = """() => new Promise((resolve) => {
    const look = () => document.querySelector("#memory .u-wrap").clientWidth < innerWidth
        ? resolve() : requestAnimationFrame(look);
    look();
})"""

# The luminance and contrast of WCAG 2, of a text on the nearest background that is painted.
CONTRAST = """selector => {
    const channels = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = (colour) => channels(colour).slice(0, 3).map((c) => c / 255)
        .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
    let ground = document.querySelector(selector);
    const painted = () => getComputedStyle(ground).backgroundColor;
    const text = light(getComputedStyle(ground).color);
    while (channels(painted())[3] === 0) ground = ground.parentElement;
    const behind = light(painted());
    return (Math.max(text, behind) + 0.05) / (Math.min(text, behind) + 0.05);
}"""

TEXTS = (
    ".sentence",
    ".quiet",
    ".message",
    ".tile dt",
    ".alarm dd",
    "thead th",
    "td.killed",
    "code",
)


def hostile(value: Any) -> Any:
    """Return figures with each of their texts replaced."""
    if isinstance(value, dict):
        return {name: hostile(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [hostile(inner) for inner in value]
    return HOSTILE if isinstance(value, str) and not value.startswith("2026-") else value


def complaints_of(seen: Visit) -> list[str]:
    """Return what is wrong with a page that was visited."""
    scrolled = seen.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return [
        *seen.complaints,
        *(f"asked for {url}" for url in seen.requests if not url.startswith("file:")),
        *(["is not drawn"] if not seen.page.evaluate(DRAWN) else []),
        *([f"is {scrolled} pixels too wide"] if scrolled > 0 else []),
    ]


def test_the_page_is_drawn_in_any_window(
    browser: Browser, figures: Figures, write_page: WritePage
) -> None:
    """Narrow and wide, light and dark; with no error, and no request but for the page itself."""
    url = write_page(figures)
    for width in (NARROW, WIDE):
        for dark in (False, True):
            seen = visit(browser, url, width=width, dark=dark)
            assert complaints_of(seen) == []
            assert seen.requests == [url]
            assert seen.page.evaluate(COLOURS, "throughput") > 3
            assert seen.page.evaluate(COLOURS, "memory") > 3
            seen.page.close()


@pytest.mark.parametrize("dark", [False, True])
def test_texts_stand_out(
    browser: Browser, figures: Figures, write_page: WritePage, dark: bool
) -> None:
    """As much as WCAG wants it of small ones."""
    seen = visit(browser, write_page(figures), dark=dark)
    contrasts = {text: seen.page.evaluate(CONTRAST, text) for text in TEXTS}
    assert {text: value for text, value in contrasts.items() if value < 4.5} == {}


def test_texts_of_strangers_do_nothing(
    browser: Browser, figures: Figures, write_page: WritePage
) -> None:
    """In no place of the page, also when all of them are hostile."""
    texts = hostile(msgspec.to_builtins(figures))
    seen = visit(browser, write_page(msgspec.convert(texts, Figures)))
    assert complaints_of(seen) == []
    assert seen.page.evaluate("window.hit") is None
    assert seen.page.title().startswith(HOSTILE)


def test_a_load_of_which_nothing_is_known_has_a_page(
    browser: Browser, figures: Figures, write_page: WritePage
) -> None:
    """Without runs, without samples, without failures."""
    bare = msgspec.structs.replace(
        figures, runs=[], course=[], failures=[], slow=[], workers=[], stages=[]
    )
    assert complaints_of(visit(browser, write_page(bare))) == []
    unsampled = msgspec.structs.replace(figures, course=[])
    assert complaints_of(visit(browser, write_page(unsampled))) == []


def test_charts_follow_the_window(
    browser: Browser, figures: Figures, write_page: WritePage
) -> None:
    """When it is made narrow, and when whoever looks goes over to the dark."""
    seen = visit(browser, write_page(figures))
    light = seen.page.locator("#memory").screenshot()
    seen.page.emulate_media(color_scheme="dark")
    assert seen.page.locator("#memory").screenshot() != light
    seen.page.set_viewport_size({"width": NARROW, "height": 800})
    seen.page.evaluate(UNTIL_NARROW)
    assert complaints_of(seen) == []


def test_without_scripts_all_but_two_charts_is_there(
    browser: Browser, figures: Figures, write_page: WritePage
) -> None:
    """And that is said."""
    page = browser.new_page(java_script_enabled=False)
    url = write_page(figures)
    page.goto(url)
    assert page.get_by_text("These two charts need JavaScript").is_visible()
    assert page.get_by_role("table", name="Runs").is_visible()
    assert page.locator("svg.lanes").count() == 2
    drawn = visit(browser, url).page
    assert not drawn.get_by_text("These two charts need JavaScript").is_visible()
