"""Act out a load that dies twice, and take docs/figures/report.png of its report.

    python docs/report_picture.py

It needs Chromium, and what the tests need.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from playwright.sync_api import sync_playwright

PICTURE: Final = Path(__file__).parent / "figures" / "report.png"
WIDTH: Final = 1080
HEIGHT: Final = 2010
"""The page down to the durations."""

DEATHS: Final = 2

PROGRAM: Final = '''\
"""Fetches, parses and stores; dies at the first try to store certain items."""

import os
import random
import signal
import time
from pathlib import Path

from persistq import Pipeline

pipeline = Pipeline("rates", workers=3)


@pipeline.source
def days(count: int = 20000):
    yield from range(count)


@pipeline.stage(retries=1)
def fetch(day):
    time.sleep(random.lognormvariate(-6.3, 0.9))
    if day % 3500 == 2400:
        os.kill(os.getpid(), signal.SIGKILL)
    if day % 900 == 500:
        raise LookupError(f"no rates on day {day}")
    if day % 2500 == 2050:
        time.sleep(1.2)
    return {"day": day, "rate": 1 + day / 1000}


@pipeline.stage
def parse(row):
    time.sleep(0.0008)
    return row


@pipeline.stage(workers=1)
def store(row):
    time.sleep(0.0004)
    died = Path(f"died-{row['day']}")
    if row["day"] in (6000, 12700) and not died.exists():
        died.touch()
        os.kill(os.getppid(), signal.SIGKILL)


if __name__ == "__main__":
    pipeline.run()
'''


def report_in(home: Path) -> Path:
    """Run the load until it is settled, and return its report."""
    (home / "rates.py").write_text(PROGRAM, encoding="utf-8")
    for _ in range(DEATHS + 1):
        subprocess.run([sys.executable, "rates.py"], cwd=home, check=False)
    command = [sys.executable, "-m", "persistq.cli", "report", "rates"]
    subprocess.run(command, cwd=home, check=True)  # noqa: S603 - all of it is written here
    return home / "rates-report.html"


def take(page: Path, picture: Path) -> None:
    """Take a picture of a page as Chromium shows it."""
    program = shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        shown.goto(page.as_uri())
        shown.screenshot(path=picture)
        browser.close()


def main() -> None:
    """Act it out."""
    with TemporaryDirectory() as home:
        take(report_in(Path(home)), PICTURE)


if __name__ == "__main__":
    main()
