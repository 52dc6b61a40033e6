"""A server of linked pages that behaves as servers do: too many requests, errors, hangs, absences.

Run as a program: ``python webserver.py DIRECTORY [option=value ...]``. It writes its port to a file
``port`` there, and a line for each answer to ``answers``: the page and the status.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from dataclasses import dataclass, fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Manners:
    """How the server behaves.

    Attributes:
        pages: How many pages there are; page n links to some later ones and some earlier ones.
        rate: Above so many requests in a second it answers 429; 0 never does.
        burst: So many may come at once.
        error_every: Each so-manyth answer is a 500; 0 for none.
        hangs: The page that is never answered; -1 for none.
        away_after: After so many pages it is away, once.
        away: For so many seconds.
    """

    pages: int = 1000
    rate: int = 0
    burst: int = 20
    error_every: int = 0
    hangs: int = -1
    away_after: int = 0
    away: float = 0.0


def links_of(page: int, pages: int) -> list[int]:
    """Return where a page leads: two that only it leads to first, and some that others lead to."""
    following = [2 * page + 1, 2 * page + 2]
    across = [(7 * page + 3) % pages, (page * page + 1) % pages, 0]
    return [n for n in [*following, *across] if n < pages]


class Pages:
    """What all requests share.

    Args:
        home: Where evidence is left.
        manners: How it behaves.
    """

    def __init__(self, home: Path, manners: Manners) -> None:
        self.manners = manners
        self._lock = threading.Lock()
        self._answers = os.open(home / "answers", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._budget = float(manners.burst)
        self._at = time.monotonic()
        self._count = 0
        self._served = 0
        self._back_at = 0.0
        self._was_away = False

    def status(self, page: int) -> int:
        """Return how a request for a page is answered; 0 if it is not."""
        with self._lock:
            now = time.monotonic()
            if now < self._back_at:
                return 0
            if not self._has_budget(now):
                return 429
            self._count += 1
            every = self.manners.error_every
            if page == self.manners.hangs:
                return -1
            if every and self._count % every == 0:
                return 500
            self._served += 1
            if self.manners.away and not self._was_away and self._served > self.manners.away_after:
                self._was_away, self._back_at = True, now + self.manners.away
            return 200

    def _has_budget(self, now: float) -> bool:
        if not self.manners.rate:
            return True
        gained = (now - self._at) * self.manners.rate
        self._budget, self._at = min(self.manners.burst, self._budget + gained), now
        if self._budget < 1:
            return False
        self._budget -= 1
        return True

    def note(self, page: int, status: int) -> None:
        """Leave evidence of an answer."""
        os.write(self._answers, f"{page} {status}\n".encode())


def handler_of(pages: Pages) -> type[BaseHTTPRequestHandler]:
    """Return what answers requests."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = int(self.path.rpartition("/")[2])
            status = pages.status(page)
            if status == -1:
                threading.Event().wait(3600)
            if status == 0:
                self.close_connection = True
                self.connection.close()
                return
            pages.note(page, status)
            links = links_of(page, pages.manners.pages) if status == 200 else []
            body = json.dumps({"page": page, "links": links}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Say nothing."""

    return Handler


def main(home: Path, options: list[str]) -> None:
    """Serve until somebody ends this process."""
    kinds = {field.name: type(field.default) for field in fields(Manners)}
    said = dict(option.split("=", 1) for option in options)
    manners = Manners(**{name: kinds[name](value) for name, value in said.items()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(Pages(home, manners)))
    server.daemon_threads = True
    port = home / "port.new"
    port.write_text(str(server.server_address[1]))
    port.rename(home / "port")
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
