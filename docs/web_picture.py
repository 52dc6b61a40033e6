"""Draws docs/figures/web.png: a load that is followed on the page, in Chromium.

``python docs/web_picture.py`` runs a load that fails here and there, serves the page, and looks.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).parent / "figures" / "web.png"
WIDTH, HEIGHT = 1200, 1010
RUNS_S = 30.0

LOAD = """\
import random
import time

from persistq import Pipeline

pipeline = Pipeline("flights")


@pipeline.source
def flights():
    yield from ({"flight": f"UA{n:04}", "day": n % 365, "seats": n % 189} for n in range(9_000))


@pipeline.stage(workers=2)
def clean(row):
    time.sleep(random.expovariate(90))
    if row["seats"] % 97 == 5:
        raise ValueError(f"flight {row['flight']} has no tail number")
    if row["day"] == 300 and row["seats"] < 60:
        time.sleep(1.1)
    return row


@pipeline.stage(workers=1)
def store(row):
    time.sleep(random.uniform(0.001, 0.006))


if __name__ == "__main__":
    pipeline.run(check=False)
"""


def main() -> None:
    """Draw it."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        (home / "flights.py").write_text(LOAD)
        with started(home, "flights.py"), started(home, "-m", "persistq.cli", "serve") as server:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            time.sleep(RUNS_S)
            look(url)


def look(url: str) -> None:
    """Open the page of the load, and take its picture."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(url)
        page.get_by_role("link", name="flights").click()
        page.get_by_text("live", exact=True).wait_for()
        page.screenshot(path=PICTURE)
        browser.close()


@contextmanager
def started(home: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Start an interpreter, and end it with the block."""
    process = subprocess.Popen(  # noqa: S603 - our own programs
        [sys.executable, *words],
        cwd=home,
        env=os.environ | {"PERSISTQ_SHUTDOWN_GRACE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


if __name__ == "__main__":
    main()
