"""No progress: what is said still appears, or, for who wants it quiet, what has gone wrong."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

from persistq.itemnames import item_name
from persistq.text.masking import masked_text
from persistq.text.streams import write
from persistq.text.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from typing import TextIO

    from persistq.display.console import Workers
    from persistq.display.plan import LoadPlan
    from persistq.wire.messages import Progress

FAILURES_SHOWN_MAX = 10
"""Failed items that are shown one by one; the rest is counted, and stays in the journal."""


class SilentConsole:
    """Shows nothing while it runs; lines that are said still appear.

    Args:
        name: The load's name.
        out: Where to write; None if that is closed.
    """

    def __init__(self, name: str, out: TextIO | None) -> None:
        self._name = name
        self._out = out
        self._failures = 0

    @property
    def due(self) -> float | None:
        """Everything is said at once."""
        return None

    def begin(self, plan: LoadPlan, workers: Workers) -> None:
        """Nothing is shown of where it stands."""

    def refresh(self) -> None:
        """Nothing waits to be shown."""

    def show(self, progress: Progress) -> None:
        """Say which items failed, and what has become of stages."""
        for stage, text in progress.notices:
            self.say(f"{stage}: {text}")
        for it in progress.failures:
            self._failures += 1
            if self._failures <= FAILURES_SHOWN_MAX:
                self.say(f"{item_name(it.stage, it.item_id)} failed: {masked_text(it.text)}")
        if self._failures > FAILURES_SHOWN_MAX >= self._failures - len(progress.failures):
            self.say("further failures are not shown here; see persistq failed")

    def inform(self, text: str) -> None:
        """Say one line."""
        self.say(text)

    def say(self, text: str) -> None:
        """Say one line."""
        write(self._out, f"{self._name}: {printable(text)}\n")

    def aside(self) -> AbstractContextManager[None]:
        """Nothing is drawn."""
        return contextlib.nullcontext()

    def pass_on(self, stream: int, text: str) -> None:
        """Write to standard output (1) or standard error (2) as it is."""
        write(sys.stdout if stream == 1 else sys.stderr, text)

    def close(self) -> None:
        """Nothing is open."""

    def conclude(self, text: str, facts: Mapping[str, Any], *, good: bool) -> None:  # noqa: ARG002
        """Say how it ended."""
        lines = map(printable, text.splitlines())
        write(self._out, "\n".join([f"{self._name}: {next(lines, '')}", *lines, ""]))


class QuietConsole(SilentConsole):
    """Says what has gone wrong, and nothing else."""

    def inform(self, text: str) -> None:
        """Nothing has gone wrong."""

    def conclude(self, text: str, facts: Mapping[str, Any], *, good: bool) -> None:
        """Say how it ended, unless that is as it should."""
        if not good:
            super().conclude(text, facts, good=good)
