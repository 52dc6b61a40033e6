"""From a name and the settings to what a broker is asked to open."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from persistq import origin
from persistq.client.starting import new_token
from persistq.errors import UsageError
from persistq.site.finding import catalogue_of
from persistq.site.naming import fits, name_of
from persistq.site.places import home_directory, journals_of, upwards
from persistq.site.processes import this_process
from persistq.text.leftovers import left_over
from persistq.text.ostext import portable
from persistq.text.streams import say
from persistq.text.terminal import quoted
from persistq.wire.messages import Opening, SourceSpec, StageSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from persistq.client.starting import OpenedRun
    from persistq.settings import Settings
    from persistq.text.leftovers import Leftover
    from persistq.wire.messages import Parameter

_OF_QUEUES: Final = ("retries", "backoff", "backoff_max", "max_crashes")
"""What the settings say of plain queues. A time-out is not among them: it changes who may get
items, so that only a program that knows can ask for one."""

opened: dict[str, str] = {}
"""What this process has opened, or tried to: ``queue`` or ``pipeline``, by journal file."""


def queue_opening(
    name: str,
    *,
    resume: bool,
    fresh: bool,
    journal: str | os.PathLike[str] | None,
    said: Mapping[str, Any],
) -> tuple[Opening, Settings]:
    """Return the opening of a plain queue, with the settings it was made from.

    Args:
        name: Name of the load.
        resume: Whether outstanding items are handed out at once.
        fresh: Whether a new load is to begin.
        journal: Directory of journals; None leaves that to the settings.
        said: What the program says of the queue's `Policy`, validated.

    Raises:
        UsageError: The name or a setting is wrong, or a sample is asked for.
    """
    from persistq.settings import load_settings

    settings = load_settings(
        journal=None if journal is None else os.fspath(journal), fresh=fresh or None
    )
    if settings.sample is not None:
        raise UsageError(
            f"sample={settings.sample} is for pipelines: what a program does with the items of a "
            f"plain queue, here {name!r}, nobody can take back"
        )
    policy = {option: getattr(settings, option) for option in _OF_QUEUES} | dict(said)
    stage = StageSpec(name, **policy)
    return opening(name, "queue", [stage], settings, hold=not resume), settings


def opening(
    name: str,
    kind: str,
    stages: list[StageSpec],
    settings: Settings,
    *,
    hold: bool = False,
    template: str = "",
    source: str = "",
    parameters: list[Parameter] | None = None,
    takes_any: bool = True,
    sources: list[SourceSpec] | None = None,
) -> Opening:
    """Return what to ask a broker for.

    Args:
        name: Name of the load.
        kind: ``queue`` or ``pipeline``.
        stages: Its stages in order.
        settings: The validated settings.
        hold: Whether outstanding items wait for a release.
        template: What the name was made from, if it has parameters in it.
        source: Whose parameters they are, for messages.
        parameters: What the source takes, with the values that are given or its defaults.
        takes_any: Whether the source takes parameters of any name.
        sources: The sources of a pipeline.

    Raises:
        UsageError: The name is not one, or a fresh load is asked for and one is named.
    """
    path = catalogue_of(origin.absolute(settings.journal)).site(name).journal
    load = _load_named(settings, path)
    opened[path] = kind
    return Opening(
        token=new_token(),
        name=name,
        path=path,
        kind=kind,
        stages=stages,
        executable=portable(sys.executable),
        argv=origin.argv(),
        cwd=portable(origin.cwd),
        environment=origin.environment(),
        peer=this_process(),
        family=new_token(),
        fresh=settings.fresh and not settings.carry_on,
        hold=hold,
        retry_failed=settings.retry_failed,
        load=load,
        source=source,
        parameters=parameters or [],
        takes_any=takes_any,
        yields=settings.carry_on,
        sources=sources or [],
        durability=settings.durability,
        flush_interval=settings.flush_interval,
        window_time=settings.window_time,
        window_max=settings.window_max,
        ready_bytes_max=settings.ready_bytes_max,
        fence_timeout=settings.fence_timeout,
        keep_loads=settings.keep_loads,
        keep_bytes=settings.keep_bytes,
        slow_after=settings.slow_after,
        slow_kept=settings.slow_kept,
        min_free_disk=settings.min_free_disk if kind == "pipeline" else 0,
        template=template,
        elsewhere=[] if settings.says("journal") else _elsewhere(name, path, settings),
    )


def _elsewhere(name: str, path: str, settings: Settings) -> list[str]:
    """Return the journals of a name above the current directory, and beside or above the script.

    A program that is started in another directory than usual would begin a new load, and leave
    there what is unfinished.
    """
    script, home = origin.script_directory(), home_directory()
    starts = [origin.current_directory(), *([Path(script).resolve()] if script else [])]
    above = dict.fromkeys(directory for start in starts for directory in upwards(start, home))
    directories = [directory / settings.journal for directory in above]
    return [found for found in map(str, journals_of(name, directories)) if found != path]


def named_by_resume(template: str, settings: Settings) -> str | None:
    """Return the name that the setting ``load`` gives a load whose name has parameters in it.

    Args:
        template: Such a name.
        settings: The validated settings.
    """
    name, colon, _ = (settings.load or "").rpartition(":")
    return name if colon and fits(template, name) else None


def _load_named(settings: Settings, path: str) -> int | None:
    """Return which load of this journal is asked for.

    Raises:
        UsageError: A fresh one is asked for as well.
    """
    name, colon, number = (settings.load or "").rpartition(":")
    if not number or (colon and name != name_of(path)):
        return None
    if settings.fresh and not settings.carry_on:
        raise UsageError(
            f"fresh begins a new load, and load={settings.load} works on an old one: give one of "
            "the two"
        )
    return int(number)


def left_sentence(name: str, journal: str, left: Sequence[Leftover]) -> str:
    """Return in words what other loads have left, and what to type for the latest of them.

    Args:
        name: The load that begins.
        journal: Path of its journal.
        left: The others that have parked or outstanding items, oldest first; at least one.
    """
    last = left[-1]
    command = resume_command(name, journal, failed=last.parked > 0, load=last.load_id)
    return f"other loads have left {left_over(left)}: {command}"


def tell_what_is_left(run: OpenedRun) -> None:
    """Say on standard error what other loads have left, if this run begins a new one."""
    if run.broker is not None and not run.welcome.carried_on and run.welcome.left:
        handle = run.handle
        sentence = left_sentence(handle.name, handle.journal, run.welcome.left)
        say(f"{handle.name}: {sentence}")


def resume_command(
    name: str, journal: str, *, failed: bool = False, load: int | None = None
) -> str:
    """Return what to type, here and now, to carry a load on.

    Args:
        name: The load.
        journal: Path of its journal.
        failed: Whether to retry its parked items as well.
        load: Its number, where another load of this name would be taken.
    """
    from persistq.settings import load_settings

    usual = Path(origin.cwd, load_settings().journal).resolve()
    what = name
    # A symbolic link in the usual place leads to it as well.
    if catalogue_of(usual).site(name).journal != journal:
        file = Path(journal)
        what = f"{file.stem} --journal {quoted(str(file.parent))}"
    number = "" if load is None else f"--load {load} "
    return f"persistq resume {'--failed ' if failed else ''}{number}{what}"
