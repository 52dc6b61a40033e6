"""Who may ask for a page, from where, and what a browser is told to refuse."""

from __future__ import annotations

import pytest

from persistq.web.hosts import Hosts, is_loopback

from .asking import COOKIE, HERE, Begin, Site

PATHS = (
    "/",
    "/j/sales",
    "/j/sales/failures",
    "/j/sales/items",
    "/j/sales/items/store:1",
    "/live?at=/",
)


@pytest.mark.parametrize("path", PATHS)
def test_who_is_not_in_reads_nothing(begin: Begin, site: Site, path: str) -> None:
    """Other users of a machine reach its loopback addresses, too."""
    begin().put("the secret of sales")
    for cookie in ("", "x", "ü"):
        answer = site.client.get(path, headers={"Cookie": f"{COOKIE}={cookie}".encode()})
        assert answer.status_code == 401
        assert "sales" not in answer.text


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil@127.0.0.1", "", "[::1"]
)
def test_a_name_that_was_made_to_lead_here_gets_nothing(
    begin: Begin, site: Site, host: str
) -> None:
    """A page of a stranger whose name resolves to this machine is of the stranger's origin."""
    begin().put(1)
    answer = site.enter().client.get("/", headers={"Host": host})
    assert answer.status_code == 421
    assert "sales" not in answer.text


def test_every_answer_forbids_to_be_framed_and_to_run_what_is_not_ours(
    begin: Begin, site: Site
) -> None:
    """Pages, refusals, errors, orders and files alike."""
    begin()
    client = site.client
    answers = [
        client.get("/"),
        client.get("/static/page.js"),
        client.get("/", headers={"Host": "x"}),
    ]
    site.enter()
    answers += [
        client.get("/"),
        client.get("/j/none"),
        client.post("/j/sales/retry"),
        client.put("/"),
    ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert "server" not in answer.headers
    assert client.get("/").headers["cache-control"] == "no-store"


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(site: Site) -> None:
    """And the address that it came by is not kept."""
    answer = site.client.get("/", params={"token": site.words[-1]}, follow_redirects=False)
    assert answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": HERE, "Sec-Fetch-Site": "same-site"},
        {
            "Origin": HERE,
            "Sec-Fetch-Site": "same-site",
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Dest": "document",
        },
        {"Origin": HERE, "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_an_order_from_elsewhere_changes_nothing(
    begin: Begin, site: Site, headers: dict[str, str]
) -> None:
    """Also if it has the session's cookie, and even its token."""
    ledger = begin()
    ledger.put(1)
    ledger.fail(1, "ValueError", "bad")
    form = {"order": site.enter().order_token(), "everything": "1"}
    answer = site.client.post("/j/sales/drop", data=form, headers=headers)
    assert answer.status_code == 403
    assert "1 of store" in site.text("/j/sales/failures")


@pytest.mark.parametrize("token", ["", "x", "that of another session"])
def test_an_order_without_the_token_of_the_session_changes_nothing(
    begin: Begin, site: Site, token: str
) -> None:
    """The cookie alone is no order."""
    ledger = begin()
    ledger.put(1)
    ledger.fail(1, "ValueError", "bad")
    if token.startswith("that"):
        token = site.enter().order_token()
        site.client.cookies.clear()
    site.enter()
    form = {"order": token, "everything": "1"}
    answer = site.client.post("/j/sales/drop", data=form, headers={"Origin": HERE})
    assert answer.status_code == 403
    assert "nothing was changed" in answer.text
    assert "1 of store" in site.text("/j/sales/failures")


@pytest.mark.parametrize("verb", ["retry", "drop", "edit"])
def test_reading_changes_nothing(begin: Begin, site: Site, verb: str) -> None:
    """There is no address that one only has to open."""
    ledger = begin()
    ledger.put(1)
    ledger.fail(1, "ValueError", "bad")
    token = site.enter().order_token()
    answer = site.client.get(f"/j/sales/{verb}", params={"order": token, "everything": "1"})
    assert answer.status_code in {404, 405}
    assert "1 of store" in site.text("/j/sales/failures")


def test_a_page_of_another_site_has_nothing_in_itself(site: Site) -> None:
    """But a link leads here, as one in a chat does."""
    client = site.enter().client
    for mode, dest in (("no-cors", "image"), ("cors", "empty"), ("navigate", "iframe")):
        fetch = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
        assert client.get("/", headers=fetch).status_code == 403
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.get("/", headers=followed | {"Sec-Fetch-Dest": "document"}).status_code == 200


@pytest.mark.parametrize(
    "back", ["//evil.example", "https://evil.example", "/\\evil.example", "/j/\\x"]
)
def test_an_order_leads_to_no_other_server(begin: Begin, site: Site, back: str) -> None:
    """Whatever a form says of where it was."""
    begin()
    form = {"order": site.enter().order_token(), "everything": "1", "back": back}
    answer = site.client.post(
        "/j/sales/retry", data=form, headers={"Origin": HERE}, follow_redirects=False
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_a_form_has_an_end(begin: Begin, site: Site) -> None:
    """Nobody fills the memory; and what is no form is none."""
    begin()
    client = site.enter().client
    for kind, body in (
        ("application/x-www-form-urlencoded", b"a=" + bytes(2 << 20)),
        ("text/x", b""),
    ):
        headers = {"Origin": HERE, "Content-Type": kind}
        answer = client.post("/j/sales/retry", content=body, headers=headers)
        assert answer.status_code == 400
        assert "nothing was changed" in answer.text


def test_names_of_a_server() -> None:
    """On this machine alone, or also as others call it."""
    own = Hosts("127.0.0.1", ["etl.example"])
    for header in ("127.0.0.1:7433", "localhost:7433", "LOCALHOST", "[::1]:1", "etl.example"):
        assert own.allow(header)
    assert not Hosts("192.168.1.7").allow("localhost")
    assert Hosts("192.168.1.7").allow("192.168.1.7:80")
    assert [is_loopback(it) for it in ("127.9.9.9", "::1", "0.0.0.0", "etl.example")] == [
        True,
        True,
        False,
        False,
    ]
