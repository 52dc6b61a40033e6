"""``persistq resume``: repeat the command of a load that was left unfinished."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import click

from persistq.cli.choosing import (
    directory_of,
    elsewhere,
    every_view,
    last_activity,
    latest_unfinished,
    reader_of,
    require_any,
)
from persistq.cli.options import (
    journal_option,
    load_option,
    name_argument,
    progress_option,
    quiet_option,
)
from persistq.cli.output import note, write_lines
from persistq.cli.repetition import Repetition, repetition_of
from persistq.cli.standing import Standing, standing_of
from persistq.errors import JournalBusy, JournalError, UsageError
from persistq.journal.load import LoadState
from persistq.site.processes import has_ended, this_node
from persistq.text.leftovers import left_over
from persistq.text.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import IO, NoReturn

    from persistq.journal.view import JournalView


@click.command("resume", short_help="Repeat the command of an unfinished load.")
@name_argument
@click.option(
    "--failed",
    is_flag=True,
    help="Put items that are parked as failed back to work too.  [env: PERSISTQ_RETRY_FAILED]",
)
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@progress_option
@quiet_option
@load_option
@journal_option
def command(
    *,
    name: str | None,
    failed: bool,
    dry_run: bool,
    progress: str | None,
    quiet: bool | None,
    load: int | None,
    journal: str | None,
) -> Callable[[], int] | None:
    """Carry on an unfinished load: repeat the command that ran it, in its directory.

    NAME is the load's name; without it, the unfinished load on which a run started last. With
    --load an older load of this name is worked on: one that was abandoned, or with --failed one
    that is settled. The program takes the place of this process, so signals and exit code are its
    own. --progress is for a command that does not say that itself.

    \b
    Example:
      $ persistq resume sales --dry-run
    """  # noqa: D301 - \b is click's mark for lines to keep
    directory = directory_of(journal, name)
    view = _chosen(directory, name, load, failed=failed)
    if view is None:
        return None
    standing = standing_of(view)
    if standing.running and _program_lives(view):
        raise _busy(standing)
    repetition = repetition_of(view, directory)
    if repetition.gone is not None:
        note(f"the interpreter {repetition.gone} is gone; using {repetition.executable}")
    if dry_run:
        write_lines(map(printable, _plan(view, repetition, failed=failed)))
        return None
    own = _environment(directory, view, failed=failed) | _display(progress, quiet=bool(quiet))
    # Who reads objects reads nothing else.
    return partial(_repeat, view, repetition, own, quiet=bool(quiet) or progress == "json")


def _chosen(
    directory: Path, name: str | None, load: int | None, *, failed: bool
) -> JournalView | None:
    """Return the load to carry on; if there is none, say so."""
    if name is None and load is None:
        view = _latest_retryable(directory) if failed else latest_unfinished(directory)
        if view is None:
            require_any(directory)
            note(f"nothing to resume in {directory}{_hint(directory, failed=failed)}")
        return view
    with reader_of(directory, name) as reader:
        view = reader.view(load)
    if view.unfinished or (failed and _retryable(view)) or (load and _abandoned(view)):
        return view
    note(f"nothing to resume: {_settled(view)}{_others(view)}; journal {view.path}")
    return None


def _abandoned(view: JournalView) -> bool:
    return view.load is not None and view.load.state is LoadState.ABANDONED


def _others(view: JournalView) -> str:
    """Return what other loads of a journal have left, and what to type for the latest of them."""
    if not view.left:
        return ""
    last = view.left[-1]
    failed = "--failed " if last.state is LoadState.SETTLED else ""
    return (
        f"; other loads have left {left_over(view.left)}: "
        f"persistq resume {failed}--load {last.load_id} {view.name}"
    )


def _retryable(view: JournalView) -> bool:
    settled = view.load is not None and view.load.state is LoadState.SETTLED
    return settled and view.parked > 0


def _latest_retryable(directory: Path) -> JournalView | None:
    views = (view for view in every_view(directory) if not isinstance(view, JournalError))
    wanted = {last_activity(view): view for view in views if view.unfinished or _retryable(view)}
    return wanted[max(filter(None, wanted))] if wanted else None


def _hint(directory: Path, *, failed: bool) -> str:
    if not failed and (view := _latest_retryable(directory)) is not None:
        return f"; {_settled(view)}"
    views = (view for view in every_view(directory) if not isinstance(view, JournalError))
    left = "".join(f"; of {view.name}{_others(view)[1:]}" for view in views if view.left)
    others = elsewhere(directory)
    return f"{left}; elsewhere {others}" if others else left


def _settled(view: JournalView) -> str:
    if view.load is None:
        return f"{view.name} has no load"
    text = f"load {view.load.load_id} of {view.name} is {view.load.state}"
    if not _retryable(view):
        return text
    return f"{text} with {view.parked:,} parked as failed, which --failed puts back to work"


def _program_lives(view: JournalView) -> bool:
    """Return False if a load's program is known to be dead.

    Its broker may outlive it for a moment; the program that is started waits for that by itself.
    """
    return view.run is None or has_ended(view.run.command.peer) is not True


def _busy(standing: Standing) -> JournalBusy:
    holder, run = standing.holder, standing.view.run
    if holder is not None:
        return JournalBusy(standing.view.path, holder.peer.pid, holder.peer.node)
    # A broker that is just starting or ending has not said who it is.
    pid, node = (run.command.peer.pid, run.command.peer.node) if run else (0, this_node())
    return JournalBusy(standing.view.path, pid, node)


def _plan(view: JournalView, repetition: Repetition, *, failed: bool) -> Iterator[str]:
    assert view.load is not None, "what can be resumed is a load"
    stages = ", ".join(f"{row.name} {row.outstanding:,}" for row in view.queues)
    yield f"name:         {view.name}"
    yield f"load:         {view.load.load_id}"
    if view.params:
        yield f"parameters:   {', '.join(f'{p.name}={p.shown}' for p in view.params)}"
    yield f"journal:      {view.path}"
    yield f"outstanding:  {view.outstanding:,} ({stages})"
    fate = "back to work" if failed else "left alone; --failed puts them back to work"
    yield f"parked:       {view.parked:,}{f', {fate}' if view.parked else ''}"
    yield f"directory:    {repetition.cwd}"
    yield f"command:      {repetition}"


def _environment(directory: Path, view: JournalView, *, failed: bool) -> dict[str, str]:
    assert view.load is not None, "what can be resumed is a load"
    own = {
        "PERSISTQ_JOURNAL": str(directory),
        "PERSISTQ_CARRY_ON": "1",
        "PERSISTQ_LOAD": f"{view.name}:{view.load.load_id}",
    }
    return own | ({"PERSISTQ_RETRY_FAILED": "1"} if failed else {})


def _display(progress: str | None, *, quiet: bool) -> dict[str, str]:
    """Return in which way the program is to show its progress."""
    chosen = {"PERSISTQ_PROGRESS": progress} if progress else {}
    return chosen | ({"PERSISTQ_QUIET": "1"} if quiet else {})


def _repeat(
    view: JournalView, repetition: Repetition, own: dict[str, str], *, quiet: bool
) -> NoReturn:
    if not quiet:
        note(f"resuming {view.name}, {view.outstanding:,} outstanding; journal {view.path}")
        note(f"in {repetition.cwd}: {repetition}")
    with _startable(view, repetition):
        os.chdir(repetition.cwd)
        environment = _inherited(repetition, own)
        os.execve(repetition.executable, [repetition.executable, *repetition.argv], environment)  # noqa: S606 - the recorded program takes this process's place
    raise AssertionError("another program has taken this one's place")


def begin_again(view: JournalView, directory: Path, output: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start the command of a load as a child, which carries the load on.

    Args:
        view: The load.
        directory: Where its journal is.
        output: Where what it says goes.

    Raises:
        UsageError: It cannot be repeated, or not be started.
    """
    repetition = repetition_of(view, directory)
    own = _environment(directory, view, failed=False)
    with _startable(view, repetition):
        return subprocess.Popen(  # noqa: S603 - the recorded program
            [repetition.executable, *repetition.argv],
            cwd=repetition.cwd,
            env=_inherited(repetition, own),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


@contextmanager
def _startable(view: JournalView, repetition: Repetition) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = f"{error.strerror}: {error.filename or repetition.executable}"
        raise UsageError(f"the command of {view.name!r} cannot be started: {reason}") from error


def _inherited(repetition: Repetition, own: dict[str, str]) -> dict[str, str]:
    """Return the environment: what is set in this shell comes before what was set in that one."""
    return {**repetition.environment, **os.environ, **own, "PWD": repetition.cwd}
