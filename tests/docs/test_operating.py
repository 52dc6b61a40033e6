"""What the page on operation has service managers and containers do is right."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from persistq.errors import ItemsFailed, JournalError, UsageError
from persistq.settings import Settings
from tests.docs.asleep import begun
from tests.pipeline.program import until

TEXT = (Path(__file__).parents[2] / "docs" / "operating.md").read_text(encoding="utf-8")
PROGRAM = re.findall(r"```python\n(# nightly.py\n.*?)```", TEXT, re.DOTALL)[0]
UNIT = dict(line.split("=", 1) for line in re.findall(r"^[A-Z]\w+=.*$", TEXT, re.MULTILINE))
IMAGE = re.findall(r"```dockerfile\n(.*?)```", TEXT, re.DOTALL)[0]
EXIT_OF_SIGTERM = 143

SERVICE = shlex.split(UNIT["ExecStart"])
CONTAINER = json.loads(re.findall(r"^CMD (.+)$", IMAGE, re.MULTILINE)[0])


@pytest.mark.parametrize("command", [SERVICE, CONTAINER], ids=["systemd", "container"])
def test_what_is_stopped_by_sigterm_is_carried_on_by_the_same_command(
    tmp_path: Path, command: list[str]
) -> None:
    """SIGTERM goes to the script alone, as `KillMode=mixed` and containers have it."""
    (tmp_path / "nightly.py").write_text(PROGRAM.replace("0.05", "0.02"), encoding="utf-8")
    journal = tmp_path / "journal"
    environment = {"PERSISTQ_JOURNAL": str(journal), "PERSISTQ_PROGRESS": "none"}
    assert Path(command[0]).name == "python"
    here = [sys.executable, *command[1:]]
    with subprocess.Popen(here, cwd=tmp_path, env=environment) as first:
        until(lambda: begun(journal / "nightly.db"))
        first.send_signal(signal.SIGTERM)
        stopped = first.wait(50)
    again = subprocess.run(here, cwd=tmp_path, env=environment, timeout=50, check=False)
    assert (stopped, again.returncode) == (EXIT_OF_SIGTERM, 0)


def test_a_manager_waits_longer_than_the_grace() -> None:
    """Or it kills what is about to end in good order."""
    grace = Settings().shutdown_grace
    assert float(UNIT["TimeoutStopSec"]) > grace
    assert float(re.findall(r"--stop-timeout (\d+)", TEXT)[0]) > grace
    assert UNIT["SuccessExitStatus"] == str(EXIT_OF_SIGTERM)


def test_nothing_is_restarted_that_gets_no_better_by_that() -> None:
    """The codes in the unit are those of the errors that it is about."""
    codes = {error.exit_code for error in (UsageError, JournalError, ItemsFailed)}
    assert {int(code) for code in UNIT["RestartPreventExitStatus"].split()} == codes
