"""However a program is started, its items are the same ones, and every process can read them."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from persistq.blocks import Block

PATIENCE_S = 50.0

PROGRAM = '''\
"""Items of every kind that is stored by the name of something in this file."""
import copyreg
import datetime
import enum
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from persistq import Pipeline, Retry

HERE = Path(__file__).parent


@dataclass
class Row:
    n: int
    more: Any = None

    class Inner:
        def __eq__(self, other):
            return type(self) is type(other)

        def __repr__(self):
            return "Inner()"


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntFlag):
    LOW = 1
    HIGH = 2


class Pair(NamedTuple):
    one: int
    two: Any


class Failure(ValueError):
    pass


class Registered:
    """Pickled by a function that copyreg knows."""

    def __repr__(self):
        return "Registered()"


def register(value):
    return Registered, ()


copyreg.pickle(Registered, register)


class Nothing:
    """Pickled as the name of a global, as singletons are."""

    def __reduce__(self):
        return "NOTHING"

    def __repr__(self):
        return "NOTHING"


NOTHING = Nothing()


class Text(str):
    pass


def double(n):
    return 2 * n


VALUES = [
    Row(1),
    Row(2, Row(3, [Row(4)])),
    [Row(5), {"row": Row(6)}, (Row(7), Row(7))],
    {Colour.RED: Row(8), "main": "__main__", "mp": "__mp_main__"},
    Colour.RED,
    Level.LOW | Level.HIGH,
    Pair(9, Pair(10, None)),
    Failure("text"),
    Registered(),
    NOTHING,
    (NOTHING, NOTHING, Text("word")),
    Row,
    Row.Inner(),
    double,
    Row(11, double),
    datetime.date(2024, 2, 29),
    (1, "plain"),
    {"plain": "json"},
]


def shown(value):
    return repr(value) if not callable(value) else value.__qualname__


pipeline = Pipeline("rows", workers=int(os.environ["WORKERS"]))


@pipeline.source
def rows():
    yield from VALUES
    if not (HERE / "fixed").exists():
        raise OSError("server gone")


@pipeline.stage
def check(value):
    return value


@pipeline.stage(retries=100)
def store(value):
    if not (HERE / "fixed").exists():
        raise Retry(1)
    # What is read is what this process knows by the name, and not a double of it.
    number = [type(one) is type(value) and shown(one) == shown(value) for one in VALUES].index(True)
    with (HERE / "effects").open("a") as file:
        file.write(f"{number}\\n")


if __name__ == "__main__":
    pipeline.run()
'''

OTHER = """\
from etl.load import pipeline

if __name__ == "__main__":
    pipeline.run()
"""


class Way(NamedTuple):
    """How a program is started.

    Attributes:
        arguments: Of the interpreter.
        method: The start method; ``inline`` for no processes.
    """

    arguments: tuple[str, ...]
    method: str


SCRIPT = ("etl/load.py",)
RUN = ("-m", "persistq.cli", "run")
WAYS = {
    "script, fork": Way(SCRIPT, "fork"),
    "script, spawn": Way(SCRIPT, "spawn"),
    "script, forkserver": Way(SCRIPT, "forkserver"),
    "script, inline": Way(SCRIPT, "inline"),
    "module as main, fork": Way(("-m", "etl.load"), "fork"),
    "module as main, spawn": Way(("-m", "etl.load"), "spawn"),
    "run path, fork": Way((*RUN, "etl/load.py"), "fork"),
    "run path, spawn": Way((*RUN, "etl/load.py"), "spawn"),
    "run path and name, spawn": Way((*RUN, "etl/load.py:pipeline"), "spawn"),
    "run module and name, fork": Way((*RUN, "etl.load:pipeline"), "fork"),
    "run module and name, forkserver": Way((*RUN, "etl.load:pipeline"), "forkserver"),
    "run module and name, inline": Way((*RUN, "etl.load:pipeline"), "inline"),
    "another script, spawn": Way(("nightly.py",), "spawn"),
}

PAIRS = list(pairwise([*WAYS, next(iter(WAYS))]))


def program(home: Path) -> Path:
    """Write the program: a script in a directory that is no package, and one that imports it."""
    (home / "etl").mkdir(parents=True)
    (home / "etl" / "load.py").write_text(PROGRAM)
    (home / "nightly.py").write_text(OTHER)
    return home


def start(home: Path, way: str) -> subprocess.CompletedProcess[str]:
    """Start the program, and wait for its end."""
    arguments, method = WAYS[way]
    chosen = {"PERSISTQ_START_METHOD": method, "WORKERS": "1"}
    if method == "inline":
        chosen = {"WORKERS": "0"}
    # What is stored waits for the next start, so nothing is worked off when the source has raised.
    chosen["PERSISTQ_SHUTDOWN_GRACE"] = "0.5"
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=home,
        env={**os.environ, **chosen, "PERSISTQ_PROGRESS": "none", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def stored(home: Path) -> list[tuple[int, bytes]]:
    """Return the items of the first stage."""
    with sqlite3.connect(home / ".persistq" / "rows.db") as journal:
        blocks = journal.execute(
            "SELECT count, codec, data, crc FROM put_block WHERE first_id >> 40 = "
            "(SELECT min(queue_id) FROM queue) ORDER BY first_id"
        ).fetchall()
    return [(row[1], payload) for row in blocks for payload in Block(*row).payloads()]


@pytest.fixture(scope="module")
def as_script(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, bytes]]:
    """What the program stores when it is simply started."""
    home = program(tmp_path_factory.mktemp("reference") / "home")
    ended = start(home, "script, fork")
    assert ended.returncode == 3, ended.stderr
    return stored(home)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_load_is_carried_on_in_another_way(
    tmp_path: Path, as_script: list[tuple[int, bytes]], first: str, second: str
) -> None:
    """Nothing is done twice and nothing is unreadable.

    Each way begins a load and carries one on; and each stores the same bytes, so what holds for
    these pairs holds for all.
    """
    home = program(tmp_path / "home")
    ended = start(home, first)
    assert ended.returncode == 3, ended.stderr
    assert stored(home) == as_script
    (home / "etl" / "fixed").touch()
    ended = start(home, second)
    assert ended.returncode == 0, ended.stderr
    assert stored(home) == as_script
    effects = Counter((home / "etl" / "effects").read_text().split())
    assert effects == {str(number): 1 for number in range(len(as_script))}


@pytest.mark.parametrize(
    ("first", "second"),
    [("run module and name, fork", "script, spawn"), ("script, fork", "run path and name, spawn")],
)
def test_a_library_may_make_the_pipeline(tmp_path: Path, first: str, second: str) -> None:
    """Then the classes are still those of the main script, or of what stands for it."""
    home = program(tmp_path / "home")
    made = 'pipeline = Pipeline("rows", workers=int(os.environ["WORKERS"]))'
    assert made in PROGRAM
    (home / "library.py").write_text(f"import os\nfrom persistq import Pipeline\n{made}\n")
    text = PROGRAM.replace(made, "import sys; sys.path.append('.'); from library import pipeline")
    (home / "etl" / "load.py").write_text(text)
    assert start(home, first).returncode == 3
    (home / "etl" / "fixed").touch()
    ended = start(home, second)
    assert ended.returncode == 0, ended.stderr
    effects = Counter((home / "etl" / "effects").read_text().split())
    assert set(effects.values()) == {1}


QUEUE = """
import os, sys
from dataclasses import dataclass
from multiprocessing import get_context

from persistq import PersistentQueue


@dataclass
class Row:
    n: int


def work(queue):
    for row in queue:
        assert type(row) is Row
        with open("effects", "a") as file:
            file.write(f"{row.n}\\n")
        queue.task_done()


if __name__ == "__main__":
    queue = PersistentQueue("rows")
    queue.put_many([Row(n) for n in range(5)])
    queue.flush()
    if not os.path.exists("etl/fixed"):
        os._exit(3)
    queue.close()
    worker = get_context(os.environ["PERSISTQ_START_METHOD"]).Process(target=work, args=(queue,))
    worker.start()
    worker.join()
    queue.join()
"""


@pytest.mark.parametrize(
    ("first", "second"),
    [("script, fork", "run path, spawn"), ("run path, spawn", "module as main, fork")],
)
def test_a_plain_queue_is_carried_on_in_another_way(
    tmp_path: Path, first: str, second: str
) -> None:
    """Its items are those of the main script."""
    home = program(tmp_path / "home")
    (home / "etl" / "load.py").write_text(QUEUE)
    assert start(home, first).returncode == 3
    (home / "etl" / "fixed").touch()
    ended = start(home, second)
    assert ended.returncode == 0, ended.stderr
    assert Counter((home / "effects").read_text().split()) == {str(n): 1 for n in range(5)}
