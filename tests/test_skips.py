"""Where all tests must run, a skip that is not in the list is a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import skips

TESTS = """
import pytest

@pytest.fixture
def missing():
    pytest.skip("a tool is missing")

def test_that_passes(): pass

@pytest.mark.skipif(True, reason="mounting is not possible here: no permission")
def test_that_may_be_skipped(): pass

@pytest.mark.skipif(True, reason="no reason")
def test_that_is_marked(): pass

def test_that_skips_itself(): pytest.skip("no reason either")

def test_that_lacks_something(missing): pass

@pytest.mark.xfail(reason="known")
def test_that_is_known_to_fail(): assert False
"""
MODULE = 'import pytest; pytest.importorskip("no_such_module", reason="a module is missing")'


@pytest.fixture
def outcomes(tmp_path: Path) -> object:
    """Run the tests above as on a machine of one kind, and return the run's end."""
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "test_module.py").write_text(MODULE)

    options = ["--continue-on-collection-errors", str(tmp_path)]

    def run(**environment: str) -> subprocess.CompletedProcess[str]:
        path = {"PYTHONPATH": str(Path(skips.__file__).parent)}
        inherited = {name: value for name, value in os.environ.items() if name != "CI"}
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "-p", "skips", *options],
            env=inherited | path | environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_skip_is_a_failure_where_all_must_run(outcomes: object) -> None:
    """Marked, called in a test, a fixture or a module; with the reason, and not if it is listed."""
    done = outcomes(CI="true")  # type: ignore[operator]
    assert done.returncode == 1
    for reason in ("no reason", "no reason either", "a tool is missing", "a module is missing"):
        assert f"skipped where every test has to run: {reason}\n" in done.stdout
    assert "no permission" not in done.stdout
    assert "1 failed, 1 passed, 1 skipped, 1 xfailed, 3 errors" in done.stdout


@pytest.mark.parametrize("environment", [{}, {"CI": ""}, {"CI": "false"}])
def test_elsewhere_a_skip_is_a_skip(outcomes: object, environment: dict[str, str]) -> None:
    """Whoever develops on another machine runs what it can."""
    done = outcomes(**environment)  # type: ignore[operator]
    assert done.returncode == 0
    assert "1 passed, 5 skipped, 1 xfailed" in done.stdout


def test_every_reason_in_the_list_is_that_of_a_test() -> None:
    """A reason that nobody gives any more would let others of its beginning through."""
    here = Path(skips.__file__).parent
    sources = set(here.rglob("*.py")) - {Path(skips.__file__), Path(__file__)}
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    assert [reason for reason in skips.MAY_BE_SKIPPED if reason not in text] == []
