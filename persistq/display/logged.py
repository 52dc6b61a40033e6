"""A console whose every word is logged as well, with fields, if the program logs anything."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from persistq.itemnames import item_name
from persistq.text.masking import masked_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from persistq.display.console import Console, Workers
    from persistq.display.plan import LoadPlan
    from persistq.wire.messages import Progress

# As in `logging`, which is not imported for them.
INFO: Final = 20
WARNING: Final = 30
ERROR: Final = 40


def log(level: int, text: str, **fields: Any) -> None:
    """Log something; without `logging` in this program nobody can have asked for it."""
    if "logging" in sys.modules:
        from persistq import logs

        logs.log(level, text, **fields)


class LoggedConsole:
    """Shows what another console shows, and logs what is said: failures, notices, the run's words.

    Args:
        console: The console.
        journal: The field ``journal`` of all records.
        load: Their field ``load``.
    """

    def __init__(self, console: Console, journal: str, load: int) -> None:
        self._console = console
        self._fields = {"journal": journal, "load": load}

    @property
    def due(self) -> float | None:
        """When to `refresh`."""
        return self._console.due

    def begin(self, plan: LoadPlan, workers: Workers) -> None:
        """Show from now on where a load stands."""
        self._console.begin(plan, workers)

    def refresh(self) -> None:
        """Show what waits to be shown, if it is time."""
        self._console.refresh()

    def show(self, progress: Progress) -> None:
        """Show where the load stands; log which attempts have failed, and notices of stages."""
        self._console.show(progress)
        for stage, text in progress.notices:
            self._log(WARNING, f"{stage}: {text}", stage=stage)
        for it in progress.failures:
            self._log(
                ERROR if it.parked else WARNING,
                f"{item_name(it.stage, it.item_id)} failed: {masked_text(it.text)}",
                stage=it.stage,
                item=item_name(it.stage, it.item_id),
                attempt=it.attempt,
                worker=it.pid,
            )

    def inform(self, text: str) -> None:
        """Say one line that is no fault, and log it."""
        self._console.inform(text)
        self._log(INFO, text)

    def say(self, text: str) -> None:
        """Say one line, and log it."""
        self._console.say(text)
        self._log(INFO, text)

    def aside(self) -> AbstractContextManager[None]:
        """Let others write to the terminal, above what is drawn there."""
        return self._console.aside()

    def pass_on(self, stream: int, text: str) -> None:
        """Write to standard output (1) or standard error (2) as it is."""
        self._console.pass_on(stream, text)

    def close(self) -> None:
        """Show the last state and leave the terminal in order."""
        self._console.close()

    def conclude(self, text: str, facts: Mapping[str, Any], *, good: bool) -> None:
        """Say how it ended, and log it."""
        self._console.conclude(text, facts, good=good)
        self._log(INFO if good else ERROR, text)

    def _log(self, level: int, text: str, **fields: Any) -> None:
        """Log something, where the program's handlers may write to the terminal themselves."""
        with self._console.aside():
            log(level, text, **fields, **self._fields)
