"""Nothing is shown: all that a run says is logged, and where it stands every few seconds."""

from __future__ import annotations

from persistq.display.logged import INFO, log
from persistq.display.plain import PlainConsole


class SpokenConsole(PlainConsole):
    """Logs the lines that others write.

    Args:
        name: The load's name.
        interval: Least time between two lines, in seconds.
    """

    def __init__(self, name: str, interval: float) -> None:
        super().__init__(name, None, interval)

    def _write(self, line: str) -> None:
        log(INFO, line, journal=self._name)
