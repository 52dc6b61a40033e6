"""The tests can fail: each planted bug is noticed by a test that is named beside it."""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import cache_from_source
from pathlib import Path

import pytest
from skips import may_be_skipped

from tests.mutants.catalogue import MUTANTS, Mutant

PART = 1 if os.environ.get("PERSISTQ_TEST_FULL") else 20
"""Every so-manyth bug is planted; `make mutants` plants all."""

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
    compileall.compile_dir(target / "persistq", quiet=2)
    return target


@contextmanager
def planted(mutant: Mutant, file: Path) -> Iterator[None]:
    """Spoil a file, whose compiled form is set aside meanwhile."""
    sound, times = file.read_text(), file.stat()
    compiled = Path(cache_from_source(file))
    aside = compiled.rename(compiled.with_suffix(".sound")) if compiled.exists() else None
    file.write_text(sound.replace(mutant.old, mutant.new))
    try:
        yield
    finally:
        file.write_text(sound)
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
        if aside:
            aside.rename(compiled)


def _dashed(mutant: Mutant) -> str:
    return mutant.name.replace(" ", "-")


def outcome_of(copy: Path, tests: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Run tests against the copy; a hang is cut off by the tests' own time limit."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--timeout=15", *tests]
    command += ["--hypothesis-profile=any-failure", "-p", "no:cacheprovider"]
    # Nothing compiled of a spoiled file may be left to be taken for the sound one's.
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    # There a skip would be a failure, and look as if the bug had been noticed.
    environment.pop("CI", None)
    return subprocess.run(
        command,
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def require_noticed(done: subprocess.CompletedProcess[str]) -> None:
    """Raise unless the tests have noticed the bug; skip if none of them could run."""
    if done.returncode == 0 and " passed" not in done.stdout:
        # No listed reason: where all tests must run, this is a failure.
        pytest.skip(f"what notices it cannot run here: {reasons_in(done.stdout)}")
    assert done.returncode == 1, f"not noticed:\n{done.stdout}\n{done.stderr}"


def reasons_in(output: str) -> str:
    """Return why tests were skipped, as pytest has summed it up."""
    lines = (line for line in output.splitlines() if line.startswith("SKIPPED"))
    return "; ".join(line.partition(": ")[2] for line in lines)


@pytest.mark.parametrize("mutant", MUTANTS, ids=_dashed)
def test_place_of_a_planted_bug_is_found(mutant: Mutant) -> None:
    """Once in its file, so that it is known what is spoiled; and what is to notice it exists."""
    assert (ROOT / mutant.file).read_text().count(mutant.old) == 1
    for test in mutant.caught_by:
        file, _, name = test.partition("::")
        function = name.partition("[")[0].rpartition("::")[2]
        assert f"def {function}" in (ROOT / file).read_text() or not name, test


@pytest.mark.timeout(180)
@pytest.mark.parametrize("mutant", MUTANTS[::PART], ids=_dashed)
def test_planted_bug_is_noticed(copy: Path, mutant: Mutant) -> None:
    """With the bug planted, at least one of the tests named for it fails."""
    with planted(mutant, copy / mutant.file):
        done = outcome_of(copy, mutant.caught_by)
    require_noticed(done)


def test_planted_bug_whose_tests_are_skipped_is_not_noticed(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a skip is a failure: the skip of the planted bug is the one that fails there."""
    monkeypatch.setenv("CI", "true")
    file = copy / "tests" / "unit" / "test_that_is_skipped.py"
    file.write_text('import pytest\ndef test_it(): pytest.skip("a tool is missing")\n')
    with pytest.raises(pytest.skip.Exception, match="cannot run here: a tool is missing") as caught:
        require_noticed(outcome_of(copy, ("tests/unit/test_that_is_skipped.py",)))
    assert not may_be_skipped(str(caught.value))
