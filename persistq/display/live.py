"""A picture at the bottom of a terminal, which is drawn over and over."""

from __future__ import annotations

import contextlib
import io
import time
from typing import TYPE_CHECKING, Final

from rich.console import Console as Terminal
from rich.console import Group
from rich.live import Live
from rich.text import Text

from persistq.display.beside import Beside
from persistq.display.course import Course
from persistq.display.glyphs import ASCII, FULL
from persistq.display.picture import picture_of
from persistq.display.scene import scene_of
from persistq.display.silent import SilentConsole
from persistq.text.streams import throw_away, write
from persistq.text.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from persistq.display.console import Workers
    from persistq.display.plan import LoadPlan
    from persistq.wire.messages import Progress

TICK_S: Final = 1.0
"""It is drawn at least so often: time goes on even if nothing else does."""

PAUSE_S: Final = 0.1
"""While others write all the time it is drawn no more often than so."""


class _Terminal(Terminal):
    """A terminal whose cursor is left alone: who is killed could not bring it back."""

    def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002 - as it is there
        """Change nothing."""
        return False


class LiveConsole(SilentConsole):
    """Draws where a load stands, below all that is said and printed.

    Crash: the last picture stays where it is, and the terminal is as it was.

    Args:
        name: The load's name.
        out: The terminal.
    """

    def __init__(self, name: str, out: TextIO) -> None:
        super().__init__(name, out)
        self._terminal = out
        # Lines are broken by the terminal, which knows that they are one.
        self._console = _Terminal(
            file=out,
            force_terminal=True,
            highlight=False,
            markup=False,
            emoji=False,
            soft_wrap=True,
        )
        self._glyphs = ASCII if self._console.options.ascii_only else FULL
        self._shown: tuple[Course, Workers] | None = None
        self._beside = Beside(self._console)
        self._live: Live | None = None
        self._due: float | None = None
        self._gone = False

    @property
    def due(self) -> float | None:
        """When it is drawn next."""
        return self._due

    def begin(self, plan: LoadPlan, workers: Workers) -> None:
        """Draw it from now on."""
        self._shown = Course(plan, time.monotonic()), workers
        self._beside.begin()
        self._draw()

    def refresh(self) -> None:
        """Draw it anew if it is time."""
        if self._due is not None and time.monotonic() >= self._due:
            self._draw()

    def show(self, progress: Progress) -> None:
        """Draw it anew, below what has come up."""
        super().show(progress)
        if self._shown is not None:
            self._shown[0].note(progress.queues, time.monotonic())
            self._draw()

    def say(self, text: str) -> None:
        """Say one line above it."""
        if not self._gone:
            with self._while_there():
                self._console.print(Text(f"{self._name}: {printable(text)}"))

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Take it away while others write, and have it drawn again below that."""
        drawn = self._live is not None
        with self._while_there():
            self._take_away(keep=False)
        try:
            yield
        finally:
            if drawn:
                self._due = time.monotonic() + PAUSE_S

    def pass_on(self, stream: int, text: str) -> None:
        """Write to standard output (1) or standard error (2) as it is."""
        write(self._beside.original("stdout" if stream == 1 else "stderr"), text)

    def close(self) -> None:
        """Draw it a last time, and leave that where it is."""
        if self._shown is not None:
            self._draw(over=True)
            with self._while_there():
                self._take_away(keep=True)
            self._shown = self._due = None
            with self._while_there():
                self._beside.end()

    # --- inside ---

    @contextlib.contextmanager
    def _while_there(self) -> Iterator[None]:
        """Draw; a terminal that was closed ends the drawing and not the run."""
        try:
            yield
        except (OSError, ValueError):
            self._gone = True
            self._due = None
            self._console.file = io.StringIO()
            self._beside.end()
            throw_away(self._terminal)

    def _draw(self, *, over: bool = False) -> None:
        if self._gone or self._shown is None:
            return
        course, workers = self._shown
        now = time.monotonic()
        self._due = now + TICK_S
        with self._while_there():
            width, height = self._console.size
            scene = scene_of(course, workers, now, over=over)
            # The last column stays free, where some terminals begin a new line, and a line as well.
            lines = picture_of(scene, self._glyphs, width - 1, None if over else height - 1)
            self._put(Group(*lines))

    def _put(self, picture: Group) -> None:
        if self._live is not None:
            self._live.update(picture, refresh=True)
            return
        # No refreshing thread: this process forks its workers. A new one each time: what an old one
        # has drawn would be counted as its own.
        self._live = Live(
            picture,
            console=self._console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start(refresh=True)

    def _take_away(self, *, keep: bool) -> None:
        if self._live is not None:
            live, self._live = self._live, None
            live.transient = not keep
            live.stop()
