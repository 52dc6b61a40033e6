"""The examples of how to check an implementation do what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "contracts.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


IMPORTS = EXAMPLES[0].partition("@contextmanager")[0]


def run(tmp_path: Path, name: str, examples: list[str], *command: str) -> str:
    """Run examples of the page as one file, and return what was printed."""
    file = tmp_path / name
    file.write_text("\n\n".join(examples), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, *command, str(file)],
        cwd=tmp_path,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=350,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("example", ["journal", "queue"])
@pytest.mark.timeout(400)
def test_an_implementation_is_checked_by_a_script(tmp_path: Path, example: str) -> None:
    """Those that are shipped pass, and nothing is printed."""
    examples = EXAMPLES[:1] if example == "journal" else [IMPORTS, EXAMPLES[1]]
    assert run(tmp_path, "checking.py", examples) == ""


def test_checks_are_shown_one_by_one_by_pytest(tmp_path: Path) -> None:
    """The last example is a file of tests."""
    options = "-m", "pytest", "-q", "-c", os.devnull, "-p", "no:cacheprovider"
    said = run(tmp_path, "test_it.py", [EXAMPLES[0], EXAMPLES[2]], *options)
    assert re.search(r"^\d+ passed", said, re.MULTILINE)
