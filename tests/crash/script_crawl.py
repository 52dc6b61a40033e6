"""A crawler: each page once, from a server that is slow to please; told by the environment."""

from __future__ import annotations

import http.client
import json
import os
from pathlib import Path

from persistq import Pipeline, Retry

HERE = Path(__file__).parent
PORT = int(os.environ["CRAWL_PORT"])
RATE = os.environ.get("CRAWL_RATE")
"""As in ``20/s``: what the server allows."""

TIMEOUT_S = float(os.environ.get("CRAWL_TIMEOUT", "10"))

pipeline = Pipeline("crawl", workers=4)


def note(name: str, line: str) -> None:
    """Leave one line of evidence."""
    file = os.open(HERE / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{line}\n".encode())
    os.close(file)


def ask(page: int) -> list[int]:
    """Return where a page leads.

    Raises:
        Retry: The server does not answer it now.
        ConnectionError: It is away.
    """
    connection = http.client.HTTPConnection("127.0.0.1", PORT)
    try:
        connection.request("GET", f"/page/{page}")
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status == 429:
        raise Retry(delay=0.5, reason="the server is busy", counts=False)
    if answer.status != 200:
        raise Retry(delay=0.1, reason=f"the server answers {answer.status}")
    return list(json.loads(body)["links"])


@pipeline.source
def start():
    """Begin at the first page."""
    yield 0


@pipeline.stage(
    puts="fetch",
    retries=1000,
    timeout=TIMEOUT_S,
    max_crashes=3,
    pause={ConnectionError: "0.5s"},
    key=str,
    rate=RATE,
)
def fetch(page):
    """Fetch a page, and put what it leads to."""
    for link in ask(page):
        pipeline.put("fetch", link)
    return page


@pipeline.stage(workers=1)
def store(page):
    """Keep it."""
    note("stored", str(page))


if __name__ == "__main__":
    pipeline.run()
