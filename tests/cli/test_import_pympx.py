"""``persistq import-pympx``: what an old queue has left is a load, and is carried on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from persistq.testing import check_journal

from .acting import Call

PREFIX = "p[1]"
"""A name that PyMPX itself did not find again, because it took it for a pattern."""


@pytest.fixture
def pickup(tmp_path: Path) -> Path:
    """The directory of a run that was killed: two producers, and a consumer that had done two."""
    place = tmp_path / "pickup"
    place.mkdir()
    write(place / f"{PREFIX}_requested_PID11.tsv", "a\nb\tc\nd\n\nd\nto", at=1)
    write(place / f"{PREFIX}_requested_PID7.tsv", "caf\u00e9\n", at=2)
    write(place / f"{PREFIX}_completed_PID12.tsv", "b\tc\nd\nz\ncaf", at=3)
    write(place / f"{PREFIX}2_requested_PID1.tsv", "of another queue\n", at=4)
    return place


def write(path: Path, text: str, at: int) -> None:
    """Write a journal that is as old as is said."""
    path.write_text(text, encoding="utf-8")
    os.utime(path, (at, at))


WORK = """
import json, sys
from persistq import PersistentQueue

queue = PersistentQueue("old")
assert queue.carried_on
for message in json.loads(sys.argv[1]):
    queue.put(tuple(message) if isinstance(message, list) else message)
queue.close()
got = []
for message in queue:
    got.append(message)
    queue.task_done()
print(json.dumps(got))
"""


def worked_off(puts: Sequence[object] = ()) -> list[object]:
    """Put what the program puts, work on everything, and return it."""
    typed = [sys.executable, "-c", WORK, json.dumps(puts)]
    done = subprocess.run(typed, capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout))


def test_the_difference_is_outstanding(call: Call, pickup: Path) -> None:
    """In the order of the requests; two that are equal are two items."""
    made = call("import-pympx", PREFIX, str(pickup), "--name", "old")
    assert made.exit_code == 0, made.output
    assert "6 items of 3 files, 2 done and 4 outstanding" in made.stdout
    assert "2 times a last line without an end" in made.stderr
    assert "1 times a completion of what is requested nowhere" in made.stderr
    assert worked_off() == ["a", "", "d", "caf\u00e9"]
    assert check_journal(".persistq/old.db") == []


def test_what_its_program_puts_again_is_absorbed(call: Call, pickup: Path) -> None:
    """Texts and tuples, done or not; what is new is put."""
    assert call("import-pympx", PREFIX, str(pickup), "--name", "old").exit_code == 0
    again = ["a", ("b", "c"), "d", "", "d", "caf\u00e9", "new"]
    assert worked_off(again) == ["a", "", "d", "caf\u00e9", "new"]


def test_figures_as_json(call: Call, pickup: Path) -> None:
    """For scripts."""
    made = call("import-pympx", PREFIX, str(pickup), "--name", "old", "--json")
    figures = json.loads(made.stdout)
    assert (figures["items"], figures["done"], figures["outstanding"]) == (6, 2, 4)
    assert (figures["torn_lines"], figures["completed_without_request"]) == (2, 1)


def test_nothing_is_recorded_if_it_is_killed(pickup: Path, tmp_path: Path) -> None:
    """And the next try does it."""
    typed = [sys.executable, "-m", "persistq", "import-pympx", PREFIX, str(pickup), "--name", "old"]
    armed = os.environ | {"PERSISTQ_FAILPOINT": "importing.before_end:kill"}
    assert subprocess.run(typed, env=armed, cwd=tmp_path, check=False).returncode == -9
    done = subprocess.run(typed, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "load 1 has 6 items" in done.stdout


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--name", "old", "--encoding", "ascii"], "is not in ascii"),
        (["--encoding", "klingon"], "Python knows no encoding of this name"),
        (["--name", "a/b"], "a/b"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    call: Call, pickup: Path, more: list[str], sentence: str
) -> None:
    """And nothing is made."""
    refused = call("import-pympx", PREFIX, str(pickup), *more)
    assert refused.exit_code == 2
    assert sentence in refused.stderr
    assert not list(Path().rglob("*.db"))


def test_a_directory_without_journals_is_told(call: Call, tmp_path: Path) -> None:
    """With what was looked for."""
    refused = call("import-pympx", "orders", str(tmp_path))
    assert refused.exit_code == 2
    assert "as orders_requested_PID1234.tsv" in refused.stderr
    assert "cannot be read" in call("import-pympx", "orders", "nowhere").stderr


def test_an_unfinished_load_is_left_alone(call: Call, pickup: Path) -> None:
    """It has items of its own."""
    assert call("import-pympx", PREFIX, str(pickup), "--name", "old").exit_code == 0
    refused = call("import-pympx", PREFIX, str(pickup), "--name", "old")
    assert refused.exit_code == 2
    assert "has an unfinished load already (1)" in refused.stderr
