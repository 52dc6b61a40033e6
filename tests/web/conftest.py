"""Journals to look at, and pages about them: asked without a browser, or served to one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browser import browser  # noqa: F401 - a fixture
from starlette.testclient import TestClient

from persistq.journal.run import Command
from persistq.journal.sqlite import SqliteJournal, open_journal
from persistq.settings import typed
from persistq.site.processes import peer_here
from persistq.web.app import Doors, Pages
from persistq.web.folders import Folders
from persistq.web.hosts import Hosts
from persistq.web.journals import Journals
from persistq.web.tokens import Tickets, Tokens
from tests.cli.acting import Ledger

from .asking import COOKIE, HERE, TOKEN, Begin, Serve, Served, Site


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
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Begin a load of one stage in a journal; nobody has it open when the pages look."""
    opened: list[SqliteJournal] = []

    def one(name: str = "sales", stage: str = "store") -> Ledger:
        directory = tmp_path / ".persistq"
        directory.mkdir(exist_ok=True)
        journal = open_journal(directory / f"{name}.db")
        opened.append(journal)
        load = journal.begin_load("pipeline")
        command = Command(sys.executable, ("etl.py",), os.fspath(tmp_path), peer_here(4711))
        run_id = journal.begin_run(load.load_id, command)
        return Ledger(journal, load.load_id, run_id, journal.add_queue(load.load_id, 0, stage))

    yield one
    for journal in opened:
        journal._writer._connection.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The pages of the journals of this test; nobody is in yet."""
    words: list[str] = []
    tickets = Tickets(words.append)
    tickets.show()
    doors = Doors(Hosts("127.0.0.1"), tickets, Tokens([TOKEN]), COOKIE)
    journals = tmp_path / ".persistq"
    pages = Pages(Journals(journals), Folders(journals), doors)
    with TestClient(pages.app(), base_url=HERE) as client:
        yield Site(pages, words, client)


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Serve the pages of this test's journals, as the command does, until the block ends."""

    @contextmanager
    def served(*options: str, **environment: str) -> Iterator[Served]:
        process = subprocess.Popen(
            [sys.executable, "-m", "persistq.cli", "serve", "--port", "0", *options],
            cwd=tmp_path,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            yield Served(process, process.stdout.readline().strip())
        finally:
            process.terminate()
            process.communicate(timeout=30)

    return served
