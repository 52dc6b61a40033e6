"""What readers and writers of several hosts have said, and whether it may be so."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from persistq.folder.names import original

ENDINGS = frozenset({"kill", "end", "left"})


class Said(NamedTuple):
    """One line of evidence.

    Attributes:
        at: When it was said, in nanoseconds of one clock.
        who: Which process, as its role and when it was started.
        word: What it has done, or what was done to it.
        what: With which file.
        host: On which host.
    """

    at: int
    who: str
    word: str
    what: str
    host: str

    @property
    def role(self) -> str:
        """The role of the process."""
        return self.who.partition(".")[0]


def read_lines(home: Path, suffix: str = "log") -> list[Said]:
    """Return what was said on all hosts, in order."""
    said = []
    for log in home.glob(f"*.{suffix}"):
        for line in log.read_text().splitlines():
            at, who, word, what = line.split(" ", 3)
            said.append(Said(int(at), who, word, original(what), log.stem))
    return sorted(said)


def not_up(said: list[Said]) -> set[str]:
    """Return the processes that were started and have not begun yet."""
    begun: set[str] = set()
    for line in said:
        if line.word == "start":
            begun.add(line.who)
        elif line.word == "died":
            begun -= {one.who for one in said if one.host == line.host and one.at < line.at}
        elif line.word in ENDINGS or line.word == "up":
            begun.discard(line.who)
    return begun


class Tally:
    """Counts what is being said, without reading anything twice.

    Args:
        home: Where the logs are.

    Attributes:
        words: How often each word was said.
        wrong: The first line that says that somebody has failed; empty if none does.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._read: dict[Path, int] = {}
        self.words: Counter[str] = Counter()
        self.wrong = ""

    def update(self) -> None:
        """Take in what was said since."""
        for log in self._home.glob("*.log"):
            with log.open("rb") as file:
                file.seek(self._read.get(log, 0))
                whole = file.read().rpartition(b"\n")[0]
            self._read[log] = self._read.get(log, 0) + (len(whole) + 1 if whole else 0)
            self._take_in(whole.decode().splitlines())

    def _take_in(self, lines: list[str]) -> None:
        for line in lines:
            _, _, word, what = line.split(" ", 3)
            self.words[word] += 1
            if word == "error" or (word == "left" and what != "0"):
                self.wrong = self.wrong or line


@dataclass
class Handovers:
    """Follows each file from hand to hand.

    Attributes:
        counts: How often each word was said.
        repeated: How often a file was handed out again.
        problems: What may not be, in words.
    """

    counts: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    problems: list[str] = field(default_factory=list)
    _holders: dict[str, Said] = field(default_factory=dict)
    _excused: set[str] = field(default_factory=set)
    _host_of: dict[str, str] = field(default_factory=dict)

    def follow(self, said: list[Said]) -> None:
        """Take in all that was said in one round, in order."""
        for line in said:
            self.counts[line.word] += 1
            self._host_of[line.who] = line.host
            self._follow(line)
        self._judge_end(said)

    def _follow(self, line: Said) -> None:
        if line.word == "died":
            self._excused |= {who for who, host in self._host_of.items() if host == line.host}
        elif line.word in {*ENDINGS, "pause"}:
            self._excused.add(line.who)
        elif line.word == "got":
            self._take(line)
        elif line.word == "lost" and line.who not in self._excused:
            self.problems.append(f"{line.who} was taken for dead with {line.what}, and lived")
        if line.word == "error" or (line.word == "left" and line.what != "0"):
            self.problems.append(f"{line.who} has ended with {line.what}")

    def _take(self, line: Said) -> None:
        before = self._holders.get(line.what)
        self.repeated += before is not None
        if before is not None and before.who not in self._excused:
            self.problems.append(f"{line.what} went from {before.who}, who lived, to {line.who}")
        self._holders[line.what] = line

    def _judge_end(self, said: list[Said]) -> None:
        closing = max((line.at for line in said if line.word == "closing"), default=0)
        early = {line.who for line in said if line.word == "over" and line.at < closing}
        self.problems += [f"{who} was told that all is over too early" for who in sorted(early)]
