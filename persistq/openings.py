"""From a name and the settings to what a broker is asked to open."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from persistq import origin
from persistq.broker.wire import Opening, StageSpec
from persistq.client.starting import new_token
from persistq.journal.naming import journal_path, real_path

if TYPE_CHECKING:
    from persistq.settings import Settings

opened: dict[str, str] = {}
"""What this process has opened, or tried to: ``queue`` or ``pipeline``, by journal file."""


def queue_opening(
    name: str, *, resume: bool, fresh: bool, journal: str | os.PathLike[str] | None
) -> tuple[Opening, Settings]:
    """Return the opening of a plain queue, with the settings it was made from.

    Raises:
        UsageError: The name or a setting is wrong.
    """
    from persistq.settings import load_settings

    settings = load_settings(
        journal=None if journal is None else os.fspath(journal), fresh=fresh or None
    )
    stage = StageSpec(name, max_crashes=settings.max_crashes)
    return opening(name, "queue", [stage], settings, hold=not resume), settings


def opening(
    name: str, kind: str, stages: list[StageSpec], settings: Settings, *, hold: bool = False
) -> Opening:
    """Return what to ask a broker for.

    Args:
        name: Name of the load.
        kind: ``queue`` or ``pipeline``.
        stages: Its stages in order.
        settings: The validated settings.
        hold: Whether outstanding items wait for a release.

    Raises:
        UsageError: The name is not one.
    """
    path = str(real_path(journal_path(origin.absolute(settings.journal), name)))
    opened[path] = kind
    return Opening(
        token=new_token(),
        name=name,
        path=path,
        kind=kind,
        stages=stages,
        executable=sys.executable,
        argv=origin.argv(),
        cwd=origin.cwd,
        environment=origin.environment(),
        pid=os.getpid(),
        family=new_token(),
        fresh=settings.fresh and not settings.resume,
        hold=hold,
        retry_failed=settings.retry_failed,
        durability=settings.durability,
        flush_interval=settings.flush_interval,
        window_time=settings.window_time,
        window_max=settings.window_max,
        ready_bytes_max=settings.ready_bytes_max,
        fence_timeout=settings.fence_timeout,
    )


def resume_command(name: str, journal: str, *, failed: bool = False) -> str:
    """Return what to type, here and now, to carry a load on.

    Args:
        name: The load.
        journal: Path of its journal.
        failed: Whether to retry its parked items as well.
    """
    from persistq.settings import load_settings

    usual = Path(origin.cwd, load_settings().journal).resolve()
    what = name
    # A symbolic link in the usual place leads to it as well.
    if str(real_path(journal_path(usual, name))) != journal:
        file = Path(journal)
        what = f"{file.stem} --journal {shlex.quote(str(file.parent))}"
    return f"persistq resume {'--failed ' if failed else ''}{what}"
