"""Whether an edited item fits what its program says of it, where it is known how to ask that."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from persistq.blocks import JSON, block_of
from persistq.cli.output import note
from persistq.cli.repetition import repetition_of, target_in
from persistq.errors import UsageError
from persistq.items import queue_of
from persistq.text.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from persistq.blocks import Block
    from persistq.cli.amending import Choice
    from persistq.cli.repetition import Repetition

FITS: Final = 0
"""Exit code: the answer is the item as the program would store it."""

FITS_NOT: Final = 2
"""Exit code: the answer says why it does not fit."""

UNKNOWN: Final = 3
"""Exit code: the answer says why that is not known. So it is with all others, without an answer."""


@dataclass(frozen=True, slots=True)
class Fitting:
    """Asks the program of a load, in a process of its own, how it would store an item.

    Attributes:
        target: What to import, as for ``persistq run``; empty if that is not known.
        stage: The item's stage.
        repetition: How the load was run, if the target is that of its run.
        tell: Tells people that an item was not checked, and why.
    """

    target: str
    stage: str
    repetition: Repetition | None = None
    tell: Callable[[str], None] = note

    def __call__(self, block: Block) -> Block:
        """Return an item as the program would store it.

        Raises:
            UsageError: It does not fit; or the user has named a program that does not say.
        """
        if not self.target:
            return block
        asked = self._asked(block.data)
        answer = asked.stdout.decode(errors="replace")
        if asked.returncode == FITS:
            return block_of(JSON, [asked.stdout])
        if asked.returncode == FITS_NOT:
            raise UsageError(f"nothing was changed: {answer}")
        why = printable(answer or _told(asked))
        if self.repetition is None:
            raise UsageError(f"nothing was changed, {self.target} does not say what fits: {why}")
        self.tell(f"not checked, because {self.target} does not say what fits: {why}")
        return block

    def _asked(self, text: bytes) -> subprocess.CompletedProcess[bytes]:
        it = self.repetition
        executable, cwd = (sys.executable, None) if it is None else (it.executable, it.cwd)
        environment: Mapping[str, str] = {} if it is None else it.environment
        return subprocess.run(  # noqa: S603 - the program of the load
            [executable, "-m", "persistq.cli.fitted", self.target, self.stage],
            input=text,
            capture_output=True,
            cwd=cwd,
            env={**environment, **os.environ},
            check=False,
        )


def fitting_of(choice: Choice, directory: Path, program: str | None) -> Fitting:
    """Return how to ask about the item that is chosen.

    Args:
        choice: The item.
        directory: Where its journal is.
        program: The program that the user names, as for ``persistq run``; None takes that of the
            load's last run, if that was started so and can be imported.
    """
    [item_id] = choice.item_ids
    [stage] = [it.name for it in choice.view.queues if it.queue_id == queue_of(item_id)]
    if program is not None:
        return Fitting(program, stage)
    try:
        repetition = repetition_of(choice.view, directory)
    except UsageError:
        return Fitting("", stage)
    return Fitting(target_in(repetition), stage, repetition)


def _told(asked: subprocess.CompletedProcess[bytes]) -> str:
    """Return why there is no answer: of a traceback the last line."""
    from persistq.pool.child import UNGUARDED

    if asked.returncode == UNGUARDED:
        return "it runs its pipeline when it is imported"
    lines = asked.stderr.decode(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), f"exit {asked.returncode}")
