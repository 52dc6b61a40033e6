"""Which way of showing progress fits."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from persistq.display.plain import PlainConsole
from persistq.display.silent import QuietConsole, SilentConsole

if TYPE_CHECKING:
    from typing import TextIO

    from persistq.display.console import Console
    from persistq.settings import Settings

_CANNOT_DRAW: Final = ("dumb", "unknown")


def console_for(name: str, settings: Settings) -> Console:
    """Return the way of showing progress that fits.

    Args:
        name: The load's name.
        settings: The settings of the start.
    """
    out: TextIO | None = sys.stderr
    if settings.quiet:
        return QuietConsole(name, out)
    match settings.progress:
        case "none":
            return SilentConsole(name, out)
        case "log":
            from persistq.display.spoken import SpokenConsole

            return SpokenConsole(name, settings.progress_plain_interval)
        case "json":
            from persistq.display.jsonlines import JsonConsole

            return JsonConsole(name, out, settings.progress_interval)
        case "auto" if out is not None and _draws(out):
            from persistq.display.live import LiveConsole

            return LiveConsole(name, out)
        case _:
            return PlainConsole(name, out, settings.progress_plain_interval)


def _draws(out: TextIO) -> bool:
    """Return whether a stream is a terminal that can be drawn on."""
    return out.isatty() and os.environ.get("TERM", "").lower() not in _CANNOT_DRAW
