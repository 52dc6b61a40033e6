"""Crawl a server that is slow to please, and kill the crawler at random: ``make crawl``."""

from __future__ import annotations

import argparse
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from persistq.testing import check_journal

from .nemesis import COOKIE
from .webserver import links_of

HERE = Path(__file__).parent
STARTS_MAX = 60
POLL_S = 0.01


@dataclass(slots=True)
class Crawl:
    """One crawl.

    Attributes:
        home: Its directory.
        pages: How many pages the server has.
        hangs: The page that is never answered.
        kills: How often something is killed.
        dice: Decides what, and when.
        options: What the server is told beside.
        environment: What the crawler is told.
        killed: What was killed.
    """

    home: Path
    pages: int
    hangs: int
    kills: int
    dice: random.Random
    options: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    killed: list[str] = field(default_factory=list)

    def play(self) -> float:
        """Crawl to the end, and return how many seconds that took."""
        self.home.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "script_crawl.py", self.home)
        said = [f"pages={self.pages}", f"hangs={self.hangs}", *self.options]
        server = subprocess.Popen(
            [sys.executable, str(HERE / "webserver.py"), str(self.home), *said]
        )
        try:
            while not (self.home / "port").exists():
                assert server.poll() is None, "the server has ended"
                time.sleep(POLL_S)
            began = time.monotonic()
            self._crawl()
            return time.monotonic() - began
        finally:
            server.kill()
            server.wait()

    def _crawl(self) -> None:
        """Start the crawler until it says that all is settled; kill it meanwhile."""
        cookie = secrets.token_hex(8)
        surroundings = {k: v for k, v in os.environ.items() if not k.startswith("PERSISTQ_")}
        told = {
            COOKIE: cookie,
            "CRAWL_PORT": (self.home / "port").read_text(),
            "PERSISTQ_JOURNAL": str(self.home / "journal"),
            "PERSISTQ_PROGRESS": "none",
            # What is killed here is no item's fault.
            "PERSISTQ_MAX_CRASHES": "100",
        }
        for _ in range(STARTS_MAX):
            with (self.home / "said").open("a") as said:
                script = subprocess.Popen(
                    [sys.executable, str(self.home / "script_crawl.py")],
                    env=surroundings | told | self.environment,
                    cwd=self.home,
                    stdout=said,
                    stderr=said,
                )
            while script.poll() is None:
                self._strike(cookie)
                time.sleep(POLL_S)
            if script.returncode in {0, 6}:
                return
        raise AssertionError((self.home / "said").read_text()[-3000:])

    def _strike(self, cookie: str) -> None:
        """Kill something if the crawl has come so far."""
        stored = self.stored.total()
        if len(self.killed) >= self.kills or stored < self._next_at():
            return
        victims = _processes(cookie)
        if victims:
            pid = self.dice.choice([*victims])
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self.killed.append(victims[pid][-60:])

    def _next_at(self) -> int:
        """Return after how many pages something is killed next."""
        return (len(self.killed) + 1) * self.pages // (self.kills + 2)

    @property
    def stored(self) -> Counter[int]:
        """How often each page was stored."""
        path = self.home / "stored"
        return Counter(map(int, path.read_text().split())) if path.exists() else Counter()

    @property
    def reachable(self) -> set[int]:
        """The pages that can be found without the one that hangs, which is not among them."""
        found, todo = set[int](), [0]
        while todo:
            page = todo.pop()
            if page not in found and page != self.hangs:
                found.add(page)
                todo += links_of(page, self.pages)
        return found

    def problems(self) -> list[str]:
        """Return what is not as it should be at the end."""
        [journal] = (self.home / "journal").glob("*.db")
        stored, wanted = self.stored, self.reachable
        found = check_journal(journal)
        if {*stored} != wanted:
            found.append(f"{len(wanted - {*stored})} pages are missing: {wanted - {*stored}}")
        # Storing is at least once: what is in hand or unreported at a death may come again.
        again = sum(count - 1 for count in stored.values())
        if again > 5 * max(1, len(self.killed)):
            found.append(f"{again} pages were stored again, and {len(self.killed)} times killed")
        return found


def _processes(cookie: str) -> dict[int, str]:
    """Return the living processes of a crawl, with their command lines."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if f"{COOKIE}={cookie}".encode() in (entry / "environ").read_bytes():
                    found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
    return found


def main() -> int:
    """Crawl a thousand pages, as much as 20 a second allow, and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--rate", type=int, default=20)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--away", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    said = parser.parse_args()
    print(f"seed {said.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="persistq-crawl-") as home:
        crawl = Crawl(
            Path(home) / "crawl",
            said.pages,
            hangs=13,
            kills=said.kills,
            dice=random.Random(said.seed),
            options=[
                f"rate={said.rate}",
                "error_every=29",
                f"away_after={said.pages // 2}",
                f"away={said.away}",
            ],
            environment={"CRAWL_RATE": f"{said.rate}/s", "CRAWL_TIMEOUT": "5"},
        )
        seconds = crawl.play()
        answers = (crawl.home / "answers").read_text().split()[1::2]
        allowed = len([it for it in answers if it != "429"]) / said.rate + said.away
        problems = crawl.problems()
    print(f"{seconds:.1f} s, {seconds / allowed:.2f} of the {allowed:.1f} s that the rate allows")
    print(f"answers: {dict(Counter(answers))}; killed: {len(crawl.killed)} times")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
