"""Commands whose reader leaves, or who never had one, end as they would have ended otherwise."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from .acting import COMMAND, TIMEOUT_S, Record, WriteScript

WHERE = [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "2>&1 | true", "2>/dev/full"]


def code_of(line: str, where: str) -> str:
    """Run the command in a shell with its streams redirected; return its exit code."""
    if "/dev/full" in where and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    command = f"{{ $COMMAND {line}; echo $? >code; }} {where}"
    subprocess.run(
        ["sh", "-c", command],
        env={**os.environ, "COMMAND": " ".join(COMMAND)},
        timeout=TIMEOUT_S,
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return Path("code").read_text().strip()


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("list", "0"),
        ("status --json", "0"),
        ("outstanding --exit-code", "3"),
        ("verify", "0"),
        ("resume --dry-run", "0"),
        ("status nothing", "4"),
        ("--help", "0"),
        ("nonsense", "2"),
    ],
)
def test_what_only_looks_ends_quietly(
    record: Record, write_script: WriteScript, where: str, line: str, code: str
) -> None:
    """With its own exit code, which says what it has found and not who listened."""
    write_script()
    record().put(*range(200))
    assert code_of(line, where) == code


@pytest.mark.parametrize("where", WHERE)
def test_a_load_that_a_command_runs(write_script: WriteScript, where: str) -> None:
    """All of it is done."""
    write_script()
    assert code_of("run etl.py", where) == "0"
    assert code_of("outstanding sales --exit-code", where) == "0"


@pytest.mark.parametrize("where", WHERE)
def test_a_load_that_is_resumed(
    write_script: WriteScript, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program that takes the command's place has its streams, closed ones too."""
    write_script()
    monkeypatch.setenv("STOPPING", "2")
    assert code_of("run etl.py", where) == "143"
    monkeypatch.delenv("STOPPING")
    assert code_of("resume sales", where) == "0"
    assert code_of("outstanding sales --exit-code", where) == "0"


def test_the_help_on_a_full_disk() -> None:
    """One sentence, and no success."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [*COMMAND, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ended.returncode == 1
    assert "No space left on device" in ended.stderr
    assert "Traceback" not in ended.stderr
