"""The program of the page on pools runs, dies, and gets all results."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "pool.md"


def test_the_program_of_the_page_gets_all_results(tmp_path: Path) -> None:
    """Its broker is killed at a commit; it is started once more."""
    text = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]
    script = tmp_path / "sizes.py"
    script.write_text(text)
    surroundings = {k: v for k, v in os.environ.items() if not k.startswith("PERSISTQ_")}

    def run(**more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(script)],
            cwd=tmp_path,
            env={**surroundings, **more},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    killed = run(PERSISTQ_FAILPOINT="broker.before_commit@5")
    assert killed.returncode == 3, killed.stderr
    ended = run()
    assert ended.returncode == 0, ended.stderr
    total = sum(len(str(2**number)) for number in range(1000))
    assert ended.stdout == f"total {total}\n"
