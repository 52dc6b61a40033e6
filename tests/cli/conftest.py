"""Journals to look at, scripts to run, and the command: in this process or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from persistq.cli.program import program
from persistq.journal.run import Command
from persistq.journal.sqlite import SqliteJournal, open_journal
from persistq.settings import typed
from persistq.site.processes import peer_here
from persistq.testing import check_journal

from .acting import COMMAND, PIPELINE, TIMEOUT_S, Call, Ledger, Notes, Record, Shell, WriteScript


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run each test in an empty directory, without settings from the outside."""
    for name in [name for name in os.environ if name.startswith("PERSISTQ_")]:
        if "TEST" not in name:
            monkeypatch.delenv(name)
    (tmp_path / "pyproject.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(typed, "values", {})
    return tmp_path


@pytest.fixture
def call() -> Call:
    """Run the command in this process, for what only reads."""
    return lambda *args: CliRunner().invoke(program, list(args), prog_name="persistq")


@pytest.fixture
def shell() -> Shell:
    """Run the command, or with ``python=True`` an interpreter, in a process of its own."""

    def run(
        *args: str,
        cwd: Path | None = None,
        python: bool = False,
        typed: str = "",
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*([sys.executable] if python else COMMAND), *args],
            cwd=cwd,
            env=os.environ | environment,
            input=typed,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            start_new_session=True,
        )

    return run


@pytest.fixture
def write_script(tmp_path: Path) -> Iterator[WriteScript]:
    """Write a program; by default one with a pipeline that notes what it stores.

    The journals that it leaves must be sound.
    """

    def write(text: str = "", *, path: str = "etl.py", main: str = "pipeline.run()") -> Path:
        script = tmp_path / path
        script.parent.mkdir(parents=True, exist_ok=True)
        body = textwrap.dedent(text) if text else PIPELINE
        script.write_text(f'{body}\n\nif __name__ == "__main__":\n    {main}\n', encoding="utf-8")
        return script

    yield write
    problems = {path: found for path in tmp_path.rglob("*.db") if (found := check_journal(path))}
    assert not problems


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    """Return the notes that begin with a word, without it."""

    def read(word: str, directory: Path = tmp_path) -> list[str]:
        path = directory / "notes"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.removeprefix(f"{word} ") for line in lines if line.startswith(f"{word} ")]

    return read


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    """Begin a load in a journal of the default directory; its run has the command given."""
    opened: list[SqliteJournal] = []

    def begin(
        name: str = "sales",
        *,
        argv: Sequence[str] = ("etl.py",),
        cwd: Path = tmp_path,
        executable: str = sys.executable,
        pid: int = 4711,
    ) -> Ledger:
        directory = tmp_path / ".persistq"
        directory.mkdir(exist_ok=True)
        journal = open_journal(directory / f"{name}.db")
        opened.append(journal)
        load = journal.begin_load("pipeline")
        run_id = journal.begin_run(
            load.load_id, Command(executable, tuple(argv), os.fspath(cwd), peer_here(pid))
        )
        return Ledger(journal, load.load_id, run_id, journal.add_queue(load.load_id, 0, "store"))

    yield begin
    for journal in opened:
        journal._writer._connection.close()
