"""Pages that are asked for in a test, and what they say."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from starlette.testclient import TestClient

from persistq.web.app import Pages
from tests.cli.acting import Ledger

HERE = "http://127.0.0.1:7433"
COOKIE = "persistq-7433"
TOKEN = "a token that was given out to people"

Begin = Callable[..., Ledger]


@dataclass
class Site:
    """The pages of a directory, and who asks for them.

    Attributes:
        pages: The pages.
        words: What was written to the terminal: each word that lets one browser in.
        client: Who asks.
    """

    pages: Pages
    words: list[str]
    client: TestClient

    def enter(self) -> Site:
        """Let the client in."""
        answer = self.client.get("/", params={"token": self.words[-1]}, follow_redirects=False)
        assert answer.status_code == 303
        return self

    def text(self, path: str) -> str:
        """Return a page as it is sent."""
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def order_token(self) -> str:
        """Return what orders of this session have to show."""
        found = re.search(r'name="order" value="([^"]+)"', self.text("/"))
        assert found
        return found[1]

    def order(self, verb: str, name: str = "sales", **form: str) -> str:
        """Give an order as a page does; return what the next page says of it."""
        answer = self.client.post(
            f"/j/{name}/{verb}",
            data={"order": self.order_token(), "back": f"/j/{name}/failures", **form},
            headers={"Origin": HERE},
        )
        assert answer.status_code == 200, answer.text
        found = re.search(r'<p class="said[^"]*" role="status">([^<]*)</p>', answer.text)
        assert found, answer.text
        return found[1]


@dataclass
class Served:
    """A server in a process of its own.

    Attributes:
        process: The process.
        url: The address that lets the first browser in.
    """

    process: subprocess.Popen[str]
    url: str


Serve = Callable[..., AbstractContextManager[Served]]
