"""``persistq report``: what the page says, what is in it, and where it is written."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from persistq import failpoints
from persistq.report import safe

from .acting import Call, Ledger, Record, Shell
from .test_looking import hold, let_go

HOSTILE = "</script><img src=x onerror=alert(1)><!--"
URL = "https://bob:hunter2@example.org/"


class Elements(HTMLParser):
    """The elements of a page: how many there are of each, and what is in scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[str] = []
        self.verbatim: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.names.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        """Note a text."""
        within = self.names[-1] if self.names else ""
        if within in {"script", "style"} and self.cdata_elem == within:
            self.verbatim.append((within, data))
        else:
            self.texts.append(data)


def page_of(call: Call, *args: str) -> str:
    """Return the page of a load."""
    result = call("report", *args, "-o", "-")
    assert result.exit_code == 0, result.output
    return result.stdout


def figures_in(page: str) -> dict[str, Any]:
    """Return what a page embeds."""
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page)
    assert found
    figures: dict[str, Any] = json.loads(found[1])
    return figures


def failed(record: Record) -> Ledger:
    """Record a settled load of which one item has failed."""
    ledger = record()
    ledger.put(1, {"day": HOSTILE, "password": "hunter2", "url": URL})
    ledger.done(1)
    ledger.fail(2, "ValueError", f"{HOSTILE} at {URL}")
    ledger.settle()
    return ledger


def test_the_page_and_json_have_the_same_figures(call: Call, record: Record) -> None:
    """But for the moment at which they were read."""
    failed(record)
    figures = figures_in(page_of(call, "sales"))
    told = json.loads(call("report", "sales", "--json").stdout)
    assert {**figures, "at": ""} == {**told, "at": ""}
    assert told["items"] == {"put": 2, "done": 1, "dropped": 0, "parked": 1, "outstanding": 0}
    assert (told["state"], told["next"]) == ("settled", "persistq resume --failed sales")
    [failure] = told["failures"]
    assert (failure["type"], failure["attempts"], failure["items"]) == ("ValueError", 1, 1)
    assert failure["example"]["name"] == "store:2"


def sentence(call: Call, *args: str) -> str:
    """Return what a page says first."""
    found = re.search(r'<p class="sentence">(.*?)</p>', page_of(call, "sales", *args))
    assert found
    return found[1]


def test_what_came_of_a_load_is_said_first(call: Call, record: Record) -> None:
    """Also while it is at work, and what to type then is not said."""
    ledger = record()
    ledger.put(1, 2, 3)
    ledger.done(1)
    assert sentence(call) == "Unfinished: 2 items are outstanding, 1 is done."
    lock = hold(ledger)
    said, page = sentence(call), page_of(call, "sales")
    let_go(lock)
    assert re.fullmatch(r"At work, as of .* UTC: 2 items are outstanding, 1 is done\.", said)
    assert "persistq resume" not in page
    ledger.done(2)
    ledger.fail(3, "ValueError", "bad")
    ledger.settle()
    assert sentence(call) == "Settled, but 1 item has failed; 2 are done."
    assert "<code>persistq failed sales</code>" in page_of(call, "sales")


def test_a_load_without_failures_is_good(call: Call, record: Record) -> None:
    """Nothing is left to type."""
    ledger = record()
    ledger.put(1, 2)
    ledger.done(1, 2)
    ledger.settle()
    assert sentence(call) == "Settled: all 2 items are done."
    assert "<code>persistq" not in page_of(call, "sales")


def test_what_a_purged_load_has_lost_is_said(call: Call, record: Record) -> None:
    """Its failures and the items that are parked are there still."""
    ledger = failed(record)
    ledger.journal.close()
    record().put(1)
    assert call("purge", "sales", "--load", "1").exit_code == 0
    page = page_of(call, "sales", "--load", "1")
    assert "This load was purged on" in page
    assert figures_in(page)["failures"][0]["example"]["name"] == "store:2@1"
    assert "persistq failed --load 1 sales" in page


def test_texts_of_strangers_stay_texts(call: Call, record: Record) -> None:
    """Payloads, errors, names of stages and parameters: none becomes an element or a script."""
    ledger = failed(record)
    ledger.journal.rename_queues({ledger.row.queue_id: f"store{HOSTILE}"})
    plain = Elements(page_of(call, "sales"))
    assert plain.names.count("script") == 3
    assert "img" not in plain.names
    assert not [name for name in plain.attributes if name.startswith("on") or name == "style"]
    assert any(HOSTILE in text for text in plain.texts)


def test_only_the_own_script_and_styles_are_allowed(call: Call, record: Record) -> None:
    """By their digests: whatever else came to be in the page does nothing."""
    failed(record)
    page = page_of(call, "sales")
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', page)
    assert policy
    allowed = re.findall(r"(?:script|style)-src &#x27;(.*?)&#x27;", policy[1])
    elements = Elements(page).verbatim
    texts = [text for kind, text in elements if kind == "style" or "uPlot" in text]
    digests = [f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}" for text in texts]
    assert sorted(allowed) == sorted(digests)
    assert policy[1].startswith("default-src &#x27;none&#x27;; ")


def test_secrets_are_masked(call: Call, record: Record) -> None:
    """In items and errors, as everywhere."""
    failed(record)
    for text in (page_of(call, "sales"), call("report", "sales", "--json").stdout):
        assert "hunter2" not in text
        assert "***" in text


def test_what_is_long_is_cut(call: Call, record: Record) -> None:
    """An item of a megabyte, and errors as long as they are kept, make no page of megabytes."""
    ledger = record()
    ledger.put("x" * 1_000_000)
    for number in range(60):
        ledger.fail(1, f"Error{number}", "y" * 15_000, park=False)
    told = json.loads(call("report", "sales", "--json").stdout)
    assert len(told["failures"]) == 20
    assert told["effort"]["failed_attempts"] == 60
    assert len(told["failures"][0]["example"]["message"]) == safe.LINE_MAX
    page = page_of(call, "sales")
    assert "40 failed attempts of other kinds." in page
    assert len(page) < 300_000


# --- the file -------------------------------------------------------------------------------------


def test_the_page_is_written_beside_you_and_for_you_alone(call: Call, record: Record) -> None:
    """Items may be secret in themselves. A report that is there already is replaced."""
    failed(record)
    for _ in range(2):
        result = call("report", "sales")
        assert result.exit_code == 0
        assert "written to sales-report.html" in result.stderr
    written = Path("sales-report.html")
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert written.read_text(encoding="utf-8").endswith("</html>\n")


@pytest.mark.parametrize("kind", ["program", "link", "directory", "device"])
def test_nothing_else_is_overwritten(call: Call, record: Record, kind: str) -> None:
    """Not a program that was named by mistake, and nothing that a link leads to."""
    failed(record)
    assert call("report", "sales", "-o", "old.html").exit_code == 0
    Path("etl.py").write_text("print()")
    Path("link").symlink_to("old.html")
    Path("directory").mkdir()
    target = {"program": "etl.py", "device": os.devnull}.get(kind, kind)
    before = os.lstat(target)
    result = call("report", "sales", "-o", target)
    assert (result.exit_code, os.lstat(target).st_ino) == (2, before.st_ino)
    assert f"{target} is there already and is no report" in result.stderr


def test_a_place_that_cannot_be_written_is_told(call: Call, record: Record) -> None:
    """In a sentence."""
    failed(record)
    result = call("report", "sales", "-o", "nowhere/page.html")
    assert result.exit_code == 2
    assert "nowhere/page.html cannot be written: No such file or directory" in result.stderr


@pytest.mark.parametrize("action", ["kill", "error:ENOSPC"])
def test_who_dies_while_writing_leaves_the_page_that_was_there(
    shell: Shell, call: Call, record: Record, action: str
) -> None:
    """Whole."""
    ledger = failed(record)
    assert call("report", "sales", "-o", "page.html").exit_code == 0
    before = Path("page.html").read_bytes()
    ledger.journal.rename_queues({ledger.row.queue_id: "other"})
    fault = {failpoints.VARIABLE: f"report.before_rename:{action}"}
    died = shell("report", "sales", "-o", "page.html", **fault)
    assert died.returncode == (-signal.SIGKILL if action == "kill" else 2)
    assert Path("page.html").read_bytes() == before
    assert call("report", "sales", "-o", "page.html").exit_code == 0
    assert Path("page.html").read_bytes() != before


def test_json_goes_to_standard_output(call: Call, record: Record) -> None:
    """A file for it is a misunderstanding, which is told."""
    failed(record)
    result = call("report", "sales", "--json", "-o", "figures.json")
    assert result.exit_code == 2
    assert "--json writes to standard output" in result.stderr


def test_what_is_not_there_is_told(call: Call, record: Record) -> None:
    """A journal, and a load; nothing is written."""
    failed(record)
    assert call("report", "sale").exit_code == 4
    result = call("report", "sales", "--load", "7")
    assert result.exit_code == 2
    assert "'sales' has no load 7; its latest ones are: 1" in result.stderr
    assert not [*Path().glob("*.html")]


def test_an_empty_load_has_a_page(call: Call, record: Record) -> None:
    """With nothing put, nothing sampled, and a run."""
    record()
    assert sentence(call) == "Unfinished: 0 items are outstanding, 0 are done."
