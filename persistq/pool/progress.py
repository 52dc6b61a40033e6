"""What a user sees of a running load, on stderr: a live line on a terminal, else plain lines."""

from __future__ import annotations

import contextlib
import io
import sys
import time
from typing import TYPE_CHECKING, Protocol, TextIO

from persistq.itemnames import item_name
from persistq.text.masking import masked_text
from persistq.text.streams import throw_away, write
from persistq.text.terminal import printable
from persistq.wire.messages import Progress, QueueSizes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.live import Live

FAILURES_SHOWN_MAX = 10
"""Failed items that are shown one by one; the rest is counted, and stays in the journal."""


class _Rate:
    """Finished items a second, over this run only, so that resumed work does not flatter it."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def line(self, name: str, queues: list[QueueSizes]) -> str:
        settled = sum(q.done + q.dropped - q.resumed for q in queues)
        rate = settled / max(time.monotonic() - self._since, 1e-3)
        stages = " | ".join(_stage(queue) for queue in queues)
        return f"{name}: {stages} | {rate:,.0f}/s"


def _stage(queue: QueueSizes) -> str:
    total = f"{queue.put:,}" if queue.sealed else f"{queue.put:,}+"
    resumed = f" ({queue.resumed:,} before)" if queue.resumed else ""
    failed = f", {queue.parked:,} failed" if queue.parked else ""
    return f"{queue.name} {queue.done + queue.dropped:,}/{total}{resumed}{failed}"


class Console(Protocol):
    """One of the ways to show progress."""

    def show(self, progress: Progress) -> None:
        """Show where the load stands."""

    def say(self, text: str) -> None:
        """Say one line."""

    def close(self) -> None:
        """Show the last state and leave the terminal in order."""


class SilentConsole:
    """Shows nothing while it runs; lines that are said still appear."""

    def __init__(self, name: str, out: TextIO | None) -> None:
        self._name = name
        self._out = out
        self._failures = 0

    def show(self, progress: Progress) -> None:
        """Say which items failed, and what has become of stages."""
        for stage, text in progress.notices:
            self.say(f"{stage}: {text}")
        for stage, item_id, text in progress.failures:
            self._failures += 1
            if self._failures <= FAILURES_SHOWN_MAX:
                self.say(f"{item_name(stage, item_id)} failed: {masked_text(text)}")
        if self._failures > FAILURES_SHOWN_MAX >= self._failures - len(progress.failures):
            self.say("further failures are not shown here; see persistq failed")

    def say(self, text: str) -> None:
        """Say one line."""
        write(self._out, f"{self._name}: {printable(text)}\n")

    def close(self) -> None:
        """Nothing is open."""


class PlainConsole(SilentConsole):
    """One line every few seconds, for logs.

    Args:
        name: The load's name.
        out: Where to write.
        interval: Least time between two lines, in seconds.
    """

    def __init__(self, name: str, out: TextIO | None, interval: float) -> None:
        super().__init__(name, out)
        self._interval = interval
        self._due = time.monotonic() + interval
        self._rate = _Rate()
        self._last: str = ""

    def show(self, progress: Progress) -> None:
        """Write a line if it is time."""
        super().show(progress)
        self._last = self._rate.line(self._name, progress.queues)
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + self._interval
            self._write()

    def close(self) -> None:
        """Write the last state."""
        if self._last:
            self._write()

    def _write(self) -> None:
        write(self._out, f"{self._last}\n")


class LiveConsole(SilentConsole):
    """One line at the bottom of a terminal that is written over."""

    def __init__(self, name: str, out: TextIO) -> None:
        from rich.console import Console as RichConsole
        from rich.live import Live

        super().__init__(name, out)
        self._rate = _Rate()
        self._terminal = out
        self._console = RichConsole(file=out, highlight=False)
        # No refreshing thread: this process forks its workers.
        self._live: Live = Live(console=self._console, auto_refresh=False, transient=False)
        self._gone = False
        with self._while_there():
            self._live.start()

    @contextlib.contextmanager
    def _while_there(self) -> Iterator[None]:
        """Draw; a terminal that was closed ends the drawing and not the run."""
        try:
            yield
        except (OSError, ValueError):
            self._gone = True
            self._console.file = io.StringIO()
            throw_away(self._terminal)

    def show(self, progress: Progress) -> None:
        """Write the line anew."""
        super().show(progress)
        if self._gone:
            return
        from rich.text import Text

        line = Text(self._rate.line(self._name, progress.queues), no_wrap=True, overflow="ellipsis")
        with self._while_there():
            self._live.update(line, refresh=True)

    def say(self, text: str) -> None:
        """Say one line above the live one."""
        if not self._gone:
            with self._while_there():
                self._console.print(f"{self._name}: {printable(text)}", markup=False)

    def close(self) -> None:
        """Leave the last line as it is."""
        with self._while_there():
            self._live.stop()


def console_for(name: str, style: str, plain_interval: float) -> Console:
    """Return the way of showing progress that fits.

    Args:
        name: The load's name.
        style: ``auto`` (live on a terminal, else plain), ``plain`` or ``none``.
        plain_interval: Time between plain lines, in seconds.
    """
    out: TextIO | None = sys.stderr
    if style == "none":
        return SilentConsole(name, out)
    if style == "auto" and out is not None and out.isatty():
        return LiveConsole(name, out)
    return PlainConsole(name, out, plain_interval)
