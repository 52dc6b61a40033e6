"""What a browser complains of is noticed: else a test that there is nothing would prove nothing."""

from __future__ import annotations

from urllib.parse import quote

from browser import browser, visit  # noqa: F401
from playwright.sync_api import Browser

FORBIDDING = "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\">"


def test_what_a_policy_forbids_is_noticed(browser: Browser) -> None:  # noqa: F811
    """A script that may not run does not, and that is noticed."""
    seen = visit(browser, _page(f"{FORBIDDING}<script>document.title = 'done'</script>"))
    assert any("Content Security Policy" in text for text in seen.complaints)
    assert seen.page.title() == ""


def test_what_a_script_raises_is_noticed(browser: Browser) -> None:  # noqa: F811
    """An error that nobody catches is noticed."""
    seen = visit(browser, _page("<script>throw new Error('it has failed')</script>"))
    assert seen.complaints == ["it has failed"]


def test_what_a_page_asks_for_is_noticed(browser: Browser) -> None:  # noqa: F811
    """Also what cannot be had is noticed."""
    address = "http://127.0.0.1:9/none.png"
    seen = visit(browser, _page(f"<img src={address}>"))
    assert address in seen.requests


def _page(text: str) -> str:
    return f"data:text/html,{quote(text)}"
