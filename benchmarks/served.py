"""What the page costs: ``python benchmarks/served.py --help``.

A load of short items runs at full speed in a directory of a hundred journals, in turns alone and
with `persistq serve` beside it, whose first page and whose page of the load are followed. Only the
ratio of neighbours counts. On a machine of few processors a browser takes more than the server
does: so there is one only where it is asked for; else what is sent is read and thrown away. Also
told is how much processor time the server has used, which nothing beside it can change much.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

JOURNALS = 100

LOAD = """\
import sys
from persistq import Pipeline

pipeline = Pipeline(sys.argv[1], workers=1)


@pipeline.source
def numbers(count: int = 20):
    yield from range(count)


@pipeline.stage
def work(number):
    pass


if __name__ == "__main__":
    pipeline.run(params={"count": int(sys.argv[2])}, fresh=True)
"""


def main() -> int:
    """Measure, and write the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=2_000_000, help="items of the load")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of loads")
    parser.add_argument(
        "--browser", action="store_true", help="follow the page of the load in Chromium"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        prepare(home)
        ratios = [*pairs(home, asked.items, asked.rounds, browser=asked.browser)]
    print(
        f"median of {len(ratios)}: the page takes {1 - statistics.median(ratios):.1%} of the load"
    )
    return 0


def prepare(home: Path) -> None:
    """Make a hundred journals: one is loaded, the others are copies of it."""
    (home / "load.py").write_text(LOAD)
    seconds(home, "job-000", 20)
    place = home / ".persistq"
    for number in range(1, JOURNALS):
        shutil.copy(place / "job-000.db", place / f"job-{number:03}.db")


def pairs(home: Path, items: int, rounds: int, *, browser: bool) -> Iterator[float]:
    """Yield how fast the load is with the page, in shares of without; each goes first in turn."""
    seconds(home, "bulk", items)
    for number in range(rounds):
        took, share = {}, 0.0
        for is_served in (number % 2 == 0, number % 2 == 1):
            with served(home, browser=browser) if is_served else nullcontext(None) as server:
                before = cpu_of(server)
                took[is_served] = seconds(home, "bulk", items)
                used = cpu_of(server) - before
                if is_served:
                    share = used / took[True]
        times = f"alone {took[False]:.2f} s, with the page {took[True]:.2f} s"
        print(f"{times}; the server has used {share:.1%} of a processor", flush=True)
        yield took[False] / took[True]


def seconds(home: Path, name: str, items: int) -> float:
    """Run a load, and return how long that takes."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "load.py", name, str(items)],
        cwd=home,
        env=os.environ | {"PERSISTQ_PROGRESS": "none", "PERSISTQ_KEEP_LOADS": "0"},
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - began


def cpu_of(server: subprocess.Popen[str] | None) -> float:
    """Return how much processor time a process has used, in seconds; 0 for none."""
    if server is None:
        return 0.0
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def served(home: Path, *, browser: bool) -> Iterator[subprocess.Popen[str]]:
    """Serve the page, and have somebody look at the journals, and at the load."""
    server = subprocess.Popen(
        [sys.executable, "-m", "persistq.cli", "serve", "--port", "0"],
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    url = server.stdout.readline().strip()
    try:
        with followed_in_browser(url) if browser else followed(url):
            yield server
    finally:
        server.terminate()
        server.wait()


@contextmanager
def followed(url: str) -> Iterator[None]:
    """Read what is sent of two pages."""
    own, _, _ = url.partition("?")
    with tempfile.NamedTemporaryFile() as jar:
        subprocess.run(["curl", "-s", "-c", jar.name, url], check=True)
        readers = [
            subprocess.Popen(
                ["curl", "-sN", "-b", jar.name, f"{own}live?at={at}"], stdout=subprocess.PIPE
            )
            for at in ("/", "/j/bulk")
        ]
        try:
            for reader in readers:
                # The first look is at everything, and is over before a load begins.
                assert reader.stdout is not None
                reader.stdout.readline()
                threading.Thread(target=reader.stdout.read, daemon=True).start()
            yield
        finally:
            for reader in readers:
                reader.terminate()
                reader.wait()


@contextmanager
def followed_in_browser(url: str) -> Iterator[None]:
    """Look at the page of the load in a browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = started.new_page()
        page.goto(url)
        page.goto(f"{url.partition('?')[0]}j/bulk")
        yield
        started.close()


if __name__ == "__main__":
    sys.exit(main())
