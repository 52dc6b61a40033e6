"""The program of the page on crawling runs, against a server that is not at its best."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from persistq.testing import check_journal

PAGE = Path(__file__).parents[2] / "docs" / "crawling.md"
PAGES, ROWS = 12, 5


class Shop(BaseHTTPRequestHandler):
    """Listings and details; each fifth answer is that it is busy."""

    asked = 0
    lock = threading.Lock()

    def do_GET(self) -> None:
        """Answer."""
        with Shop.lock:
            Shop.asked += 1
            busy = Shop.asked % 5 == 0
        what, number = self.path.strip("/").split("/")
        base = f"http://{self.headers['Host']}"
        listing = {
            "next": f"{base}/list/{int(number) + 1}" if int(number) + 1 < PAGES else None,
            "rows": [{"details": f"{base}/item/{int(number) * ROWS + n}"} for n in range(ROWS)],
        }
        body = json.dumps(listing if what == "list" else {"product": int(number)}).encode()
        self.send_response(429 if busy else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


@pytest.fixture
def shop() -> Iterator[str]:
    """Serve a shop, and return where it is."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_program_of_the_page_loads_all_products(tmp_path: Path, shop: str) -> None:
    """It is killed once at a commit, and goes on where it was."""
    text, _ = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    script = tmp_path / "shop.py"
    script.write_text(text.replace("delay=1.0", "delay=0.05"))
    surroundings = {k: v for k, v in os.environ.items() if not k.startswith("PERSISTQ_")}

    def run(**more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(script)],
            cwd=tmp_path,
            env={**surroundings, "SHOP": shop, "PERSISTQ_PROGRESS": "none", **more},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    killed = run(PERSISTQ_FAILPOINT="broker.before_commit@25")
    assert killed.returncode == 3, killed.stderr
    ended = run()
    assert ended.returncode == 0, ended.stderr
    found = [json.loads(line) for line in (tmp_path / "products.jsonl").read_text().splitlines()]
    assert {product["product"] for product in found} == {*range(PAGES * ROWS)}
    assert f"{PAGES + 2 * PAGES * ROWS} done, 0 parked" in ended.stdout
    assert check_journal(tmp_path / ".persistq" / "shop.db") == []
