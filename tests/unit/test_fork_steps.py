"""What is done at a fork: each step in its order, and every one of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from persistq import forking
from persistq.forking import Step


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done in each moment of each step, in the order in which it is."""
    monkeypatch.setattr(forking, "_steps", {})
    done: list[str] = []

    def noting(step: Step, moment: str) -> Callable[[], None]:
        return lambda: done.append(f"{moment} {step.name}")

    for step in reversed(Step):
        moments = {moment: noting(step, moment) for moment in forking._Actions._fields}
        forking.at_fork(step, **moments)
    return done


def test_steps_are_taken_in_the_order_in_which_they_are_listed(steps: list[str]) -> None:
    """Whatever the order in which modules were imported."""
    forking._before()
    forking._after_in_parent()
    assert steps == [f"{moment} {s.name}" for moment in ("before", "after_in_parent") for s in Step]


def test_step_that_raises_keeps_no_other_from_being_taken(steps: list[str]) -> None:
    """Ctrl-C in the first of them must not leave threads to be forked."""

    def struck() -> None:
        raise KeyboardInterrupt

    forking.at_fork(Step.CONNECTIONS, before=struck)
    with pytest.raises(KeyboardInterrupt):
        forking._before()
    others = [step for step in Step if step is not Step.CONNECTIONS]
    assert steps == [f"before {step.name}" for step in others]


def test_a_program_with_queues_takes_every_step() -> None:
    """No module forgets to say what it does."""
    modules = "persistq.folder, persistq.forking as forking, persistq.queues"
    code = f"import {modules}; print(len(forking._steps))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.stdout == f"{len(Step)}\n", done.stderr
