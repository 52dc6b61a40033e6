"""Act out the story of a failed night load, and print docs/story.md.

    python docs/story_page.py > docs/story.md

Each command is run on a terminal of 80 columns, and what it writes is what the page shows.
"""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

ROWS: Final = 10_000
STUCK: Final = 9_000
EVERY: Final = 240
"""So 37 of the rows before the warehouse stands still have a comma in their amount."""

PROGRAM: Final = """\
import csv

import warehouse
from persistq import Pipeline

pipeline = Pipeline("sales", workers=1)


@pipeline.source
def orders():
    with open("orders.csv") as file:
        yield from csv.DictReader(file)


@pipeline.stage
def store(order):
    warehouse.insert(order["id"], float(order["amount"]))


if __name__ == "__main__":
    pipeline.run()
"""
WRONG: Final = 'float(order["amount"])'
RIGHT: Final = 'float(order["amount"].replace(",", ""))'

WAREHOUSE: Final = f'''\
import time
from pathlib import Path

DOWN = Path(__file__).with_name("down")


def insert(order, amount):
    while order == "{STUCK}" and DOWN.exists():
        time.sleep(0.01)
    with Path(__file__).with_name("stored").open("a") as file:
        file.write(f"{{order}} {{amount}}\\n")
'''

FAILED_SHOWN: Final = 2
COLUMNS: Final = 80
TIMEOUT_S: Final = 60.0

PAGE: Final = """\
<!-- Printed by docs/story_page.py, which acts it out; a test compares. -->
# A night load fails

Each night `sales.py` loads 10,000 orders into a warehouse.

```python
{program}```

Tonight some orders have amounts that it does not understand, and at order 9,000 the warehouse does
not answer any more. In the morning somebody kills the load.

{run}
## What has happened?

{status}
Nothing is lost: each of the 10,000 orders is done, parked as failed, or outstanding. Why did 37
fail?

{failed}
One error, 37 times. The whole life of one of them:

{why}
## The cause is mended

A thousand has a comma in it. One line of `sales.py` is changed:

```diff
-    warehouse.insert(order["id"], {wrong})
+    warehouse.insert(order["id"], {right})
```

Does that help? Five of the 37 are tried first. No run is at work, so one is started for them. When
they have ended, so does the run, and you are asked.

{sample}
## The load is finished

What the night has left, and what was retried, is all that is worked on:

{resume}
Is that true? The journal proves it:

{verify}
What else there is: [all commands](cli.md), and [what is guaranteed](guarantees.md).
"""


class Terminal:
    """A terminal on which a program runs.

    Args:
        child: The program.
        descriptor: What it writes is read here.
    """

    def __init__(self, child: subprocess.Popen[bytes], descriptor: int) -> None:
        self.child = child
        self._descriptor = descriptor

    def read(self, question: str = "", answer: str = "") -> str:
        """Answer a question, and return all that is written until nobody writes any more."""
        written = b""
        while chunk := self._chunk():
            written += chunk
            if question and question.encode() in written:
                os.write(self._descriptor, f"{answer}\n".encode())
                question = ""
        return written.decode().replace("\r\n", "\n")

    def _chunk(self) -> bytes:
        try:
            return os.read(self._descriptor, 65536)
        except OSError:  # Linux says EIO when the last writer has gone.
            return b""


class Stage:
    """The directory in which the story takes place.

    Args:
        directory: It is empty.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        rows = (f"{n},{_amount(n)}\n" for n in range(1, ROWS + 1))
        self._write("orders.csv", "id,amount\n" + "".join(rows))
        self._write("warehouse.py", WAREHOUSE)
        self._write("sales.py", PROGRAM)
        self._write("down", "")

    def night(self) -> str:
        """Start the load, and kill it when the warehouse does not answer."""
        with self._on_terminal([sys.executable, "sales.py"]) as terminal:
            self._await(lambda it: it["outstanding"] == ROWS - STUCK + 1)
            terminal.child.kill()
            written = terminal.read()
        self._await(lambda it: it["pid"] is None)
        (self._directory / "down").unlink()
        begins, *lines = written.splitlines()
        failed = [line for line in lines if " failed: " in line]
        return self._console("python sales.py", [begins, *failed[:FAILED_SHOWN], "...", "Killed"])

    def mend(self) -> None:
        """Change the line that is wrong."""
        self._write("sales.py", PROGRAM.replace(WRONG, RIGHT))

    def persistq(self, *words: str, question: str = "", answer: str = "") -> str:
        """Run the command, and return it with what it has written."""
        with self._on_terminal([sys.executable, "-m", "persistq", *words]) as terminal:
            written = terminal.read(question, answer)
        return self._console(" ".join(["persistq", *words]), written.splitlines())

    def _console(self, command: str, lines: Sequence[str]) -> str:
        text = "\n".join(line.rstrip() for line in lines)
        plain = text.replace(str(self._directory), "/data").replace(sys.executable, "python3")
        return f"```console\n$ {command}\n{plain.rstrip()}\n```\n"

    @contextmanager
    def _on_terminal(self, words: Sequence[str]) -> Iterator[Terminal]:
        ours, theirs = pty.openpty()
        with subprocess.Popen(  # noqa: S603 - our own command
            words,
            cwd=self._directory,
            env=_environment(),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        ) as child:
            os.close(theirs)
            yield Terminal(child, ours)
        os.close(ours)

    def _write(self, name: str, text: str) -> None:
        (self._directory / name).write_text(text, encoding="utf-8")

    def _await(self, fits: Callable[[dict[str, object]], bool]) -> None:
        """Wait until the load stands as it should."""
        words = [sys.executable, "-m", "persistq", "status", "sales", "--json"]
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            done = subprocess.run(  # noqa: S603 - our own command
                words, cwd=self._directory, capture_output=True, text=True, check=False
            )
            if done.returncode == 0 and fits(json.loads(done.stdout)):
                return
            if time.monotonic() >= deadline:
                raise TimeoutError(done.stdout + done.stderr)
            time.sleep(0.05)


def _amount(n: int) -> str:
    """Return the amount of an order; some have a comma in it, and are quoted as CSV wants it."""
    return '"1,200.50"' if n % EVERY == 0 and n < STUCK else f"{n % 90}.50"


def _environment() -> dict[str, str]:
    own = {"COLUMNS": str(COLUMNS), "LINES": "24", "TERM": "dumb"}
    others = {name: it for name, it in os.environ.items() if not name.startswith("PERSISTQ_")}
    return others | own | {"PERSISTQ_PROGRESS": "plain"}


def page() -> str:
    """Act the story out, and return the page."""
    with TemporaryDirectory() as directory:
        stage = Stage(Path(directory).resolve())
        parts = {
            "program": PROGRAM,
            "wrong": WRONG,
            "right": RIGHT,
            "run": stage.night(),
            "status": stage.persistq("status", "sales"),
            "failed": stage.persistq("failed", "sales"),
            "why": stage.persistq("why", f"store:{EVERY}"),
        }
        stage.mend()
        parts |= {
            "sample": stage.persistq(
                "retry", "--all", "--sample", "5", question="retry the other", answer="y"
            ),
            "resume": stage.persistq("resume", "sales"),
            "verify": stage.persistq("verify", "sales"),
        }
    return PAGE.format(**parts)


def lasting(page: str) -> str:
    """Return a page without what differs each time.

    That is times, processes, and how far the run of the sample has come with the rest.
    """
    for pattern, same in (
        (r"\d{4}-\d\d-\d\dT[\d:]+Z", "TIME"),
        (r"(TIME +\S+ +)\d+( +killed)", r"\1N\2"),
        (r"[\d,.]+/s", "SPEED"),
        (r"\d[\d,]* (outstanding;|outstanding,|done before|before)", r"N \1"),
        (r"python[\d.]* ", "python "),
        (r"[ \t]+", " "),
    ):
        page = re.sub(pattern, same, page)
    return page


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201
