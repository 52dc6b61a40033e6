"""What a supervisor makes of the kernel's own killings."""

from __future__ import annotations

from pathlib import Path

import pytest

from persistq.pool import endings
from persistq.pool.endings import Ending, OomWatch


@pytest.fixture
def kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kernel's counters, to be written by the test."""
    path = tmp_path / "vmstat"
    path.write_text("oom_kill 3\n")
    monkeypatch.setattr(endings, "_OOM_KILLS", path)
    return path


def test_several_workers_that_the_kernel_kills_together_are_all_recognised(kills: Path) -> None:
    """The first question must not use up the answer for the second."""
    watch = OomWatch()
    assert not watch.struck()
    kills.write_text("oom_kill 5\n")
    assert watch.struck()
    assert watch.struck()


def test_an_old_killing_explains_no_new_death(kills: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some seconds later a SIGKILL has another cause."""
    watch = OomWatch()
    kills.write_text("oom_kill 4\n")
    assert watch.struck()
    monkeypatch.setattr(endings, "TOGETHER_S", -1.0)
    assert not watch.struck()


def test_a_system_without_the_counter_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No guess without evidence."""
    monkeypatch.setattr(endings, "_OOM_KILLS", tmp_path / "missing")
    assert not OomWatch().struck()


@pytest.mark.parametrize(
    ("code", "out_of_memory", "text"),
    [
        (3, False, "ended with exit code 3"),
        (-11, False, "was killed by SIGSEGV"),
        (-9, True, "was killed by SIGKILL, likely for want of memory"),
        (-40, False, "was killed by signal 40"),
    ],
)
def test_a_death_reads_as_a_sentence(code: int, out_of_memory: bool, text: str) -> None:
    """A name where the signal has one."""
    assert str(Ending(1, code, 0, out_of_memory)) == text
