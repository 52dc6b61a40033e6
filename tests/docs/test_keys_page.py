"""The program of the page on new files runs, night after night."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "keys.md"


def test_only_files_that_are_new_or_others_are_taken_each_night(tmp_path: Path) -> None:
    """One comes, one changes, and the broker of one night is killed."""
    text = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]
    (tmp_path / "nightly.py").write_text(text)
    surroundings = {k: v for k, v in os.environ.items() if not k.startswith("PERSISTQ_")}

    def arrives(name: str, *rows: str) -> None:
        (tmp_path / "incoming").mkdir(exist_ok=True)
        (tmp_path / "incoming" / name).write_text("\n".join(["id,amount", *rows, ""]))

    def night(**more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "nightly.py"],
            cwd=tmp_path,
            env={**surroundings, "PERSISTQ_PROGRESS": "plain", **more},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    arrives("monday.csv", "1,10", "2,20")
    arrives("sunday.csv", "3,30")
    first = night()
    assert first.returncode == 0, first.stderr
    assert "done: 5 items\n" in first.stderr
    arrives("tuesday.csv", "4,40")
    arrives("sunday.csv", "3,35")
    killed = night(PERSISTQ_FAILPOINT="broker.before_commit@2")
    assert killed.returncode == 3, killed.stderr
    second = night()
    assert second.returncode == 0, second.stderr
    third = night()
    assert "done: 0 items; 3 skipped, done by earlier loads" in third.stderr
    stored = (tmp_path / "stored.txt").read_text().split("\n")
    assert {*stored} == {"1 10", "2 20", "3 30", "4 40", "3 35", ""}
