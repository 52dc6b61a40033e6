"""The tests can fail: each planted bug is noticed by a test that is named beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants.catalogue import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("persistq", "tests", "migrations", "pyproject.toml")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the sources and tests to where they can be spoiled."""
    target = tmp_path_factory.mktemp("mutants")
    ignored = shutil.ignore_patterns("__pycache__", ".*_cache")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=ignored)
        else:
            shutil.copy(source, target / name)
    return target


def outcome_of(copy: Path, tests: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Run tests against the copy; a hang is cut off by the tests' own time limit."""
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-x", "--timeout=25", *tests]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    return subprocess.run(
        [*command, "-p", "no:cacheprovider"],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(120)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_planted_bug_is_noticed(copy: Path, mutant: Mutant) -> None:
    """With the bug planted, at least one of the tests named for it fails."""
    file = copy / mutant.file
    sound = file.read_text()
    assert sound.count(mutant.old) == 1, f"the place of this bug has moved in {mutant.file}"
    file.write_text(sound.replace(mutant.old, mutant.new))
    try:
        done = outcome_of(copy, mutant.caught_by)
    finally:
        file.write_text(sound)

    assert done.returncode == 1, f"not noticed:\n{done.stdout}\n{done.stderr}"
