"""How a user has started Python holds for the broker's interpreter too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import persistq
from persistq.client import interpreter

PLACES = [str(Path(it.__file__ or "").parents[1]) for it in (persistq, msgspec)]

PROGRAM = f"""
import sys
sys.path += {PLACES!r}
from persistq import PersistentQueue
with PersistentQueue("load") as queue:
    queue.put("caf\\udce9")
    print(queue.get() == "caf\\udce9")
    queue.task_done()
"""

PRINT_OPTIONS = f"""
import sys
sys.path += {PLACES!r}
from persistq.client import interpreter
print(*interpreter.options())
"""


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    """An environment in which every Python that heeds it leaves a mark."""
    evil = tmp_path / "evil"
    evil.mkdir()
    (evil / "sitecustomize.py").write_text(
        f"import os; open({str(tmp_path / 'marks')!r}, 'a').write(f'{{os.getpid()}}\\n')"
    )
    return {**os.environ, "PYTHONPATH": str(evil)}


def marks_of(
    tmp_path: Path, environment: dict[str, str], *options: str, code: str = PROGRAM
) -> set[str]:
    """Run the program, and return which processes have heeded the environment."""
    (tmp_path / "program.py").write_text(code)
    ended = subprocess.run(
        [sys.executable, *options, "program.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (ended.stdout, ended.returncode) == ("True\n", 0), ended.stderr
    marks = tmp_path / "marks"
    return set(marks.read_text().split()) if marks.exists() else set()


def test_without_options_the_environment_holds_for_the_broker_too(
    tmp_path: Path, surroundings: dict[str, str]
) -> None:
    """So the test below can fail."""
    assert len(marks_of(tmp_path, surroundings)) == 2


@pytest.mark.parametrize("options", [["-E"], ["-I"], ["-IS"], ["-ES"], ["-E", "-X", "utf8"]])
def test_a_broker_heeds_no_environment_that_its_program_ignores(
    tmp_path: Path, surroundings: dict[str, str], options: list[str]
) -> None:
    """Nothing that lies about is imported, and the queue works."""
    assert marks_of(tmp_path, surroundings, *options) == set()


def test_a_broker_has_no_site_if_its_program_has_none(
    tmp_path: Path, surroundings: dict[str, str]
) -> None:
    """What persistq needs is found where the program has found it."""
    assert marks_of(tmp_path, surroundings, "-S") == set()


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ([], "-P"),
        (["-s"], "-s -P"),
        (["-B"], "-B -P"),
        (["-I"], "-I -P"),
        (["-IB"], "-I -B -P"),
        (["-Es"], "-E -s -P"),
        (["-X", "utf8"], "-P -X utf8"),
        (["-X", "utf8=0", "-X", "pycache_prefix=/tmp/x"], "-P -X utf8=0 -X pycache_prefix=/tmp/x"),
        (["-W", "error", "-O", "-X", "dev", "-X", "importtime"], "-P"),
    ],
)
def test_options_that_matter_are_passed_on(given: list[str], passed: str) -> None:
    """Those that are about the user's own code are not: a warning must not end the broker."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    }
    ended = subprocess.run(
        [sys.executable, *given, "-c", PRINT_OPTIONS],
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    assert ended.stdout.strip() == passed


def test_the_places_lead_to_what_the_broker_imports() -> None:
    """Once each."""
    places = [Path(os.fsdecode(place)) for place in interpreter.places()]
    assert any((place / "persistq").is_dir() for place in places)
    assert any((place / "msgspec").is_dir() for place in places)
    assert len(places) == len(set(places))
