"""One place where a load is run, goes wrong, and is carried on."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from persistq.journal.sqlite_reader import SqliteReader
from persistq.testing import check_journal

PROGRAM: Final = Path(__file__).with_name("program.py")
COMMAND: Final = [sys.executable, "-m", "persistq.cli"]
ITEMS: Final = 400
TIMEOUT_S: Final = 50.0

_PR_CAPBSET_DROP: Final = 24
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2

Done = "subprocess.CompletedProcess[str]"


def without_privilege() -> None:
    """Let permissions count in a child, even if it is root's; for ``preexec_fn``."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
            libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


@dataclass
class Site:
    """Where a load's journal and its evidence are.

    Attributes:
        home: A directory on good ground.
        journals: The directory of journals.
        environment: What every program here is told.
        before: Called in each child before it becomes the program.
    """

    home: Path
    journals: Path
    environment: dict[str, str] = field(default_factory=dict)
    before: Callable[[], None] | None = None

    @property
    def file(self) -> Path:
        """The journal."""
        return self.journals / "load.db"

    @property
    def effects(self) -> list[int]:
        """The items that were worked on, in order, each as often as it was."""
        evidence = self.home / "evidence"
        return [int(line) for line in evidence.read_text().split()] if evidence.exists() else []

    def run(self, kind: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the program: "2" and "0" are a pipeline's workers, "queue" is a plain queue."""
        return self._execute([sys.executable, str(PROGRAM), kind], environment)

    def command(self, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command."""
        return self._execute([*COMMAND, *args], environment)

    def _execute(
        self, argv: list[str], environment: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv,
            cwd=self.home,
            env={
                **os.environ,
                "PERSISTQ_JOURNAL": str(self.journals),
                "PERSISTQ_PROGRESS": "none",
                "EVIDENCE": str(self.home / "evidence"),
                **self.environment,
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            start_new_session=True,
            preexec_fn=self.before,
        )

    def goes_wrong(self, kind: str, words: str, **environment: str) -> str:
        """Run the program, and see that it ends with one sentence and the right code."""
        ended = self.run(kind, **environment)
        require_one_sentence(ended, words, kind)
        return ended.stderr

    def is_carried_on(self, kind: str, *, items: int = ITEMS) -> None:
        """Run again on good ground, and see that nothing is lost and nothing contradicts itself."""
        ended = self.run(kind)
        assert ended.returncode == 0, ended.stderr
        assert set(self.effects) == set(range(items))
        assert check_journal(self.file) == []
        with SqliteReader(self.file) as reader:
            view = reader.view()
        assert {(row.put, row.done) for row in view.queues} == {(items, items)}
        assert not view.unfinished


def require_one_sentence(
    ended: subprocess.CompletedProcess[str], words: str, kind: str = "2"
) -> None:
    """See that a program says why it ended, once, and exits truthfully."""
    assert ended.stderr.count(words) == 1, ended.stderr
    assert "Traceback" not in ended.stderr, ended.stderr
    assert ended.returncode == 4, ended.stderr
