"""The evidence: what handlers and producers really did, in files beside the journal.

Each line is one ``os.write`` on a descriptor opened with ``O_APPEND``, so it survives the kill of
its writer and never mixes with another line.

    effects.log   S key attempt pid    a handler starts
                  E key pid            its effect has happened
                  P role pid           a process with a role is there: source, script
    puts.log      A key                a put is about to be made
                  K key                the put was acknowledged
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

EFFECTS = "effects.log"
PUTS = "puts.log"
FAULTS = "faults.log"


class Pen:
    """Writes lines of evidence.

    Args:
        path: The file; made if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, *words: object) -> None:
        """Write one line."""
        os.write(self._file, (" ".join(map(str, words)) + "\n").encode())


class Follower:
    """Reads a growing file of evidence, line by line as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._rest = b""
        self.lines = 0
        self.started: dict[int, None] = {}
        self.roles: dict[str, int] = {}

    def catch_up(self) -> int:
        """Read what is new and return the number of lines so far."""
        if not self._path.exists():
            return 0
        with self._path.open("rb") as file:
            file.seek(self._at)
            data = file.read()
        self._at += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        self.lines += len(whole)
        for line in whole:
            self._note(line.decode().split())
        return self.lines

    def _note(self, words: list[str]) -> None:
        if words[0] == "S":
            pid = int(words[3])
            # The most recent ones come last.
            self.started.pop(pid, None)
            self.started[pid] = None
        elif words[0] == "P":
            self.roles[words[1]] = int(words[2])


@dataclass(slots=True)
class Evidence:
    """All evidence of one round.

    Attributes:
        started: How often a handler was started, by key.
        effects: How often an effect happened, by key.
        put: Keys whose put was about to be made.
        acknowledged: Keys whose put was acknowledged.
        overlaps: Keys whose handler was still at work when another process started it again.
        latest: Process that started the handler of a key last.
    """

    started: Counter[str] = field(default_factory=Counter)
    effects: Counter[str] = field(default_factory=Counter)
    put: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    overlaps: set[str] = field(default_factory=set)
    latest: dict[str, str] = field(default_factory=dict)


def read_evidence(home: Path) -> Evidence:
    """Return the evidence that lies in a directory; a last line without an end does not count."""
    evidence = Evidence()
    for name in (EFFECTS, PUTS):
        text = (home / name).read_text() if (home / name).exists() else ""
        for line in text[: text.rfind("\n") + 1].splitlines():
            _add(evidence, line.split())
    return evidence


def _add(evidence: Evidence, words: list[str]) -> None:
    match words[0]:
        case "S":
            evidence.started[words[1]] += 1
            evidence.latest[words[1]] = words[3]
        case "E":
            evidence.effects[words[1]] += 1
            # Lines are in the order of time, whoever wrote them.
            if evidence.latest.get(words[1]) != words[2]:
                evidence.overlaps.add(words[1])
        case "A":
            evidence.put.add(words[1])
        case "K":
            evidence.acknowledged.add(words[1])
