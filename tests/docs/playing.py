"""Plays a page: writes its programs, types its commands, and looks for what it says comes out.

A block of Python, or of the shell's language, that begins with a comment like ``# load.py`` is that
file. In a block of console each line behind ``$`` is typed; the lines below it have to come out in
that order, perhaps among others, and ``…`` in them stands for anything. A ``sleep`` waits until a
load has got on, and for no time: see `asleep.py`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
LIMIT_S = 100

# Its `sleep` waits for what the pages wait for.
COMMANDS = Path(__file__).parent / "commands"

_BLOCK = re.compile(r"^```(python|sh|console)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_NAME = re.compile(r"# (\w+\.(?:py|sh))\n")


def play(page: str, home: Path, programs: Path = Path(sys.executable).parent) -> None:
    """Play a page in an empty directory.

    Args:
        page: The page, as it is called in the directory of the documents.
        home: Where it is played.
        programs: Where `python` and `persistq` are; by default those that run the tests.

    Raises:
        AssertionError: Something does not come out.
    """
    for kind, text in _BLOCK.findall((DOCS / page).read_text(encoding="utf-8")):
        if kind == "console":
            for command, expected in _typed(text):
                _require(expected, _output(command, home, programs), command)
        elif named := _NAME.match(text):
            (home / named[1]).write_text(text, encoding="utf-8")


def _typed(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the commands of a block, each with the lines that are to come out."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, *expected = part.rstrip("\n").split("\n")
        yield command, expected


def _output(command: str, home: Path, programs: Path) -> list[str]:
    hidden = ("PYTHON", "PERSISTQ", "VIRTUAL_ENV")
    surroundings = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
    path = os.pathsep.join([str(COMMANDS), str(programs), os.environ["PATH"]])
    done = subprocess.run(
        command,
        shell=True,
        cwd=home,
        env={**surroundings, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return done.stdout.splitlines()


def _require(expected: list[str], came: list[str], command: str) -> None:
    left = iter(came)
    for line in expected:
        pattern = ".*".join(map(re.escape, line.split("…")))
        assert any(re.fullmatch(pattern, other) for other in left), (
            f"$ {command}\nhas not said, in this place: {line}\nbut: " + "\n".join(came)
        )
