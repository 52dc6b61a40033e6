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
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--timeout=15", *tests]
    command += ["--hypothesis-profile=any-failure", "-p", "no:cacheprovider"]
    # A file that is spoiled twice within a second looks unchanged to Python's cache.
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command,
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(180)
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

    if done.returncode == 0 and " passed" not in done.stdout:
        pytest.skip("what notices it cannot run here")
    assert done.returncode == 1, f"not noticed:\n{done.stdout}\n{done.stderr}"
