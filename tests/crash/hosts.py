"""The soak of two hosts: readers and writers of one directory, in namespaces of their own.

``python -m tests.crash.hosts --kills 200`` puts 10,000 files by three writers on two hosts, has
eight readers finish them, and kills processes and whole hosts all the time. A host here is a
network, UTS, mount and PID namespace: neither sees the other's processes, so leases are all that
they have. Then a second round is played in the same directory, whose readers are there first.

With ``--enter`` and ``--mount`` each host has a mount of its own, as of an NFS export.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from persistq.folder.names import original

from .handovers import Handovers, Tally, not_up, read_lines
from .script_host import WRITERS, content_of

NAMES = ("one", "two")
ROLES = {
    "one": ("w1", "r1", "r3", "r5", "r7"),
    "two": ("w2", "w3", "r2", "r4", "r6", "r8"),
}
UNSHARE = ("unshare", "--uts", "--pid", "--mount", "--mount-proc", "--fork", "--kill-child")
HITS = (*["reader"] * 28, *["writer"] * 8, *["pause"] * 4, "host")
SECOND_SHARE = 10
LOOK_S = 0.02
SCRIPT = "tests.crash.script_host"


@dataclass(frozen=True)
class Plan:
    """What is played.

    Attributes:
        files: How many files are put in the first round.
        kills: How often somebody is hit.
        seed: Decides who.
        lease: How long an owner on another host may be silent, in seconds.
        settle: How long nothing may have moved before all is over; None for the default.
        lost: Which share of answers of the file system is lost.
        at: Where the folder is; empty for a temporary directory.
        enter: A command that enters the network namespace of host ``{host}``; empty makes one.
        mount: A command by which a host mounts what ``at`` is in.
        limit: How long a round may take, in seconds.
    """

    files: int = 10_000
    kills: int = 200
    seed: int = 0
    lease: float = 3.0
    settle: float | None = None
    lost: float = 0.0
    at: str = ""
    enter: str = ""
    mount: str = ""
    limit: float = 900.0


@dataclass
class Found:
    """What a soak has come to.

    Attributes:
        files: How many files were finished.
        hits: Who was hit how often.
        repeated: How many were handed out again.
        lost: How often somebody was told that his claim is lost.
        seconds: How long it took.
        problems: What is wrong, in words.
    """

    files: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    lost: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"files={self.files:,} kills={self.kills} hits={dict(sorted(self.hits.items()))} "
            f"repeated={self.repeated} lost={self.lost} seconds={self.seconds:.0f} "
            f"{'FAILED: ' + '; '.join(self.problems[:10]) if self.problems else 'OK'}"
        )

    @property
    def kills(self) -> int:
        """How often somebody was killed, a whole host counted as one."""
        return self.hits.total() - self.hits["pause"]


class TwoHosts:
    """One soak.

    Args:
        plan: What is played.
        home: An empty directory, on a local file system.
    """

    def __init__(self, plan: Plan, home: Path) -> None:
        self.found = Found()
        self._plan = plan
        self._home = home
        self._at = Path(plan.at) if plan.at else home
        self._dice = random.Random(plan.seed)
        self._hosts: dict[str, subprocess.Popen[bytes]] = {}
        self._round = 0
        self._tally = Tally(home)
        self._put: list[str] = []

    def play(self) -> Found:
        """Play both rounds, and check."""
        began = time.monotonic()
        try:
            self._play_round(self._plan.files, self._plan.kills)
            self._play_round(self._plan.files // SECOND_SHARE, 0)
        finally:
            for name in self._hosts:
                self._kill(name)
        self._judge()
        self.found.seconds = time.monotonic() - began
        return self.found

    def _play_round(self, files: int, kills: int) -> None:
        self._round += 1
        self._tally = Tally(self._home)
        self._fill(files)
        for name in NAMES:
            self._begin(name)
        self._start("r")
        self._await(lambda: not self._not_up(), "readers begin")
        self._start("w")
        self._hit_all(files, kills)
        self._await(lambda: self._count("put") >= 1 and not self._left(), "all is put")
        self._await(lambda: not self._not_up(), "all are there again")
        Path(self._home, f"enough.{self._round}").touch()
        if kills:
            self._send("one", "end r1")
        self._await(lambda: self._count("over") >= 8 - bool(kills), "all is over")
        self._leave()

    # --- the hosts ---

    def _fill(self, files: int) -> None:
        for role in WRITERS:
            (self._at / "sources" / role).mkdir(parents=True, exist_ok=True)
        for number in range(files):
            role = WRITERS[number % len(WRITERS)]
            name = f"{role}-{self._round}-{number:06}.csv"
            (self._at / "sources" / role / name).write_text(content_of(name))
            self._put.append(name)

    def _begin(self, name: str) -> None:
        plan = self._plan
        config = {
            "name": name,
            "at": str(self._at),
            "home": str(self._home),
            "round": self._round,
            "lease": plan.lease,
            "settle": plan.settle,
            "mount": plan.mount.format(host=name),
            "lost": plan.lost,
        }
        with (self._home / f"{name}.errors").open("a") as errors:
            self._hosts[name] = subprocess.Popen(
                [*self._command(name), sys.executable, "-m", SCRIPT, json.dumps(config)],
                env=_environment(),
                stdin=subprocess.PIPE,
                stdout=errors,
                stderr=errors,
            )

    def _command(self, name: str) -> list[str]:
        user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
        if self._plan.enter:
            return [*self._plan.enter.format(host=name).split(), *UNSHARE, *user]
        return [*UNSHARE, "--net", *user]

    def _start(self, kind: str) -> None:
        for name, roles in ROLES.items():
            for role in roles:
                if role.startswith(kind):
                    self._send(name, f"start {role}")

    def _send(self, name: str, line: str) -> None:
        pipe = self._hosts[name].stdin
        assert pipe is not None
        pipe.write(line.encode() + b"\n")
        pipe.flush()

    def _leave(self) -> None:
        for name, host in self._hosts.items():
            self._send(name, "leave")
            if code := host.wait(60):
                self.found.problems.append(f"host {name} has ended with {code}")
            self._kill(name)
        for log in self._home.glob("*.log"):
            log.rename(log.with_suffix(f".log{self._round}"))

    def _kill(self, name: str) -> None:
        host = self._hosts[name]
        host.kill()
        host.communicate()

    # --- hits ---

    def _hit_all(self, files: int, kills: int) -> None:
        for number in range(kills):
            due = (number + 1) * files // (kills + 1)
            self._await(lambda due=due: self._count("did") >= due, f"{due} files are finished")
            time.sleep(self._dice.uniform(0, 0.01))
            while (kind := self._dice.choice(HITS)) == "pause":
                self._hit(kind)
            self._hit(kind)

    def _hit(self, kind: str) -> None:
        name = self._dice.choice(NAMES)
        self.found.hits[kind] += 1
        if kind == "host":
            self._kill_host(name)
            return
        wanted = "w" if kind == "writer" else "r"
        role = self._dice.choice([role for role in ROLES[name] if role.startswith(wanted)])
        long = 2 * self._plan.lease
        self._send(name, f"pause {role} {long}" if kind == "pause" else f"kill {role}")

    def _kill_host(self, name: str) -> None:
        """Kill all processes of a host, as a power cut does, and start it anew."""
        with (self._home / f"{name}.log").open("a") as log:
            log.write(f"{time.monotonic_ns()} * died \n")
        self._kill(name)
        self._begin(name)
        for role in ROLES[name]:
            self._send(name, f"start {role}")

    # --- looking ---

    def _await(self, comes: Any, what: str) -> None:
        deadline = time.monotonic() + self._plan.limit
        while not comes():
            if time.monotonic() > deadline:
                raise TimeoutError(f"it is waited in vain that {what}: {self._home}")
            if wrong := self._tally.wrong:
                raise RuntimeError(f"{wrong}, while it is waited that {what}: {self._home}")
            dead = [name for name, host in self._hosts.items() if host.poll() is not None]
            if dead:
                raise RuntimeError(f"host {dead[0]} has ended while it is waited that {what}")
            time.sleep(LOOK_S)

    def _count(self, word: str) -> int:
        self._tally.update()
        return self._tally.words[word]

    def _not_up(self) -> set[str]:
        return not_up(read_lines(self._home))

    def _left(self) -> bool:
        return any(any((self._at / "sources" / role).iterdir()) for role in WRITERS)

    # --- the verdict ---

    def _judge(self) -> None:
        problems = self.found.problems
        for number in range(1, self._round + 1):
            handovers = Handovers()
            handovers.follow(read_lines(self._home, f"log{number}"))
            problems += handovers.problems
            self.found.repeated += handovers.repeated
            self.found.lost += handovers.counts["lost"]
        self._judge_done()
        self._judge_rest()

    def _judge_done(self) -> None:
        done = list((self._at / "in/.done").iterdir())
        names = Counter(original(path.name) for path in done)
        self.found.files = len(done)
        wrong = {
            "are lost": {*self._put} - names.keys(),
            "were never put": names.keys() - {*self._put},
            "are there twice": {name for name, count in names.items() if count > 1},
            "are not whole": {p.name for p in done if p.read_text() != content_of(p.name)},
        }
        self.found.problems += [
            f"{len(which)} {text}, as {min(which)}" for text, which in wrong.items() if which
        ]

    def _judge_rest(self) -> None:
        folder = self._at / "in"
        left = [
            str(path.relative_to(folder))
            for path in folder.rglob("*")
            if not path.is_dir() and path.parent.name not in {".done", ".owners", ".rounds"}
        ]
        strange = [name for name in left if not name.endswith((".helo", ".done"))]
        self.found.problems += [f"left behind: {name}" for name in strange]


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("PERSISTQ_")}


def refusal() -> str:
    """Return why there can be no two hosts here; empty if there can."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return "namespaces need Linux and unshare"
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    tried = subprocess.run(
        [*UNSHARE, "--net", *user, "true"], capture_output=True, text=True, check=False
    )
    return f"namespaces are refused: {tried.stderr.strip()}" if tried.returncode else ""


def main() -> int:
    """Soak, print one line; return 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    plain = Plan()
    for name in ("files", "kills"):
        parser.add_argument(f"--{name}", type=int, default=getattr(plain, name))
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    for name in ("lease", "settle", "lost", "limit"):
        parser.add_argument(f"--{name}", type=float, default=getattr(plain, name))
    for name in ("at", "enter", "mount"):
        parser.add_argument(f"--{name}", default="")
    plan = Plan(**vars(parser.parse_args()))
    if why := refusal():
        print(why)
        return 2
    home = Path(tempfile.mkdtemp(prefix="hosts-"))
    found = TwoHosts(plan, home).play()
    print(f"seed={plan.seed} {found}", flush=True)
    if found.problems:
        print(f"kept: {home}")
    else:
        shutil.rmtree(home)
    return bool(found.problems)


if __name__ == "__main__":
    sys.exit(main())
