"""What is installed from the wheel works alone, from any directory."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.docs.playing import play

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
from persistq import DONE, PersistentQueue

queue = PersistentQueue("wheel")
queue.put_many(range(3))
queue.close()
while (item := queue.get()) is not DONE:
    queue.task_done()
print("carried through")
"""

UPGRADE = """
from pathlib import Path
from persistq.journal.migrate import migrations_directory

found = migrations_directory(Path("x.db"))
assert "site-packages" in str(found), found
assert (Path(found) / "versions" / "0001_first_schema.py").exists(), found
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command with nothing of this checkout in its environment; return what it printed."""
    hidden = ("PYTHON", "PERSISTQ", "VIRTUAL_ENV")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and install it, with its dependencies, in an empty environment."""
    directory = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", directory, ROOT, cwd=directory)
    (wheel,) = directory.glob("persistq-*.whl")
    home = directory / "env"
    # A pip of its own, and code compiled ahead, would take longer than all the rest.
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    run(*pip, "--python", python, "install", "--no-compile", wheel, cwd=home)
    return home / "bin"


@pytest.mark.timeout(300)
def test_wheel_carries_a_queue_through_in_an_empty_environment(
    installed: Path, tmp_path: Path
) -> None:
    """A script, the command and the broker work with nothing but what the wheel brings."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)

    assert run(installed / "python", script, cwd=tmp_path) == "carried through\n"
    assert run(installed / "persistq", "outstanding", "wheel", "--count", cwd=tmp_path) == "0\n"
    assert "uPlot" in run(installed / "persistq", "report", "wheel", "-o", "-", cwd=tmp_path)


@pytest.mark.timeout(300)
def test_wheel_contains_the_migrations(installed: Path, tmp_path: Path) -> None:
    """An installed persistq finds the scripts that upgrade an older journal."""
    run(installed / "python", "-c", UPGRADE, cwd=tmp_path)


@pytest.mark.timeout(300)
def test_the_readme_alone_leads_to_the_first_resume(installed: Path, tmp_path: Path) -> None:
    """In an empty directory: its programs are written, killed and resumed as it says."""
    play("../README.md", tmp_path, installed)
