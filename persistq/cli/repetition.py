"""Whether and how the command that a run recorded can be typed again."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from persistq.errors import UsageError
from persistq.text.masking import masked_words
from persistq.text.ostext import native
from persistq.text.terminal import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from persistq.journal.run import Command
    from persistq.journal.view import JournalView

_WITH_VALUE: Final = "XW"
_CHILD_MARK: Final = "--multiprocessing-fork"
_NOTEBOOK: Final = "ipykernel_launcher"


@dataclass(frozen=True, slots=True)
class Repetition:
    """A command that can be repeated.

    Attributes:
        executable: The interpreter; it exists.
        argv: Its arguments.
        cwd: The directory to do it in.
        environment: The settings it was given by its environment.
        gone: The interpreter that was recorded, if it is gone and another one takes its place.
    """

    executable: str
    argv: tuple[str, ...]
    cwd: str
    environment: Mapping[str, str]
    gone: str | None

    def __str__(self) -> str:
        """Return the command for people, with secrets masked."""
        return " ".join(map(quoted, [self.executable, *masked_words(self.argv)]))


class _Called(NamedTuple):
    """What an interpreter was asked to run.

    Attributes:
        how: ``script``, ``module``, ``code``, or empty for a session at the keyboard or a pipe.
        what: The script's path or the module's name.
        rest: Position of the first argument after it.
    """

    how: str
    what: str
    rest: int


def repetition_of(view: JournalView, directory: Path) -> Repetition:
    """Return how to repeat the last run of a load.

    Args:
        view: The load.
        directory: Where its journal is now.

    Raises:
        UsageError: It cannot be repeated; the sentence says why, and what to do instead.
    """
    if view.run is None:
        raise _refused(view, "no run of it is recorded")
    command = _here(view.run.command)
    called = _called(command.argv)
    reason = _obstacle(command, called)
    if reason:
        raise _refused(view, reason)
    exists = os.access(command.executable, os.X_OK) and Path(command.executable).is_file()
    return Repetition(
        command.executable if exists else sys.executable,
        _pointed_at(directory, command, called),
        command.cwd,
        command.environment,
        None if exists else command.executable,
    )


def _here(command: Command) -> Command:
    """Return a command in the form that this process hands to the system."""
    return replace(
        command,
        executable=native(command.executable),
        argv=tuple(map(native, command.argv)),
        cwd=native(command.cwd),
        environment={native(k): native(v) for k, v in command.environment.items()},
    )


def _refused(view: JournalView, reason: str) -> UsageError:
    return UsageError(
        f"the command of {view.name!r} cannot be repeated: {reason}; start the program again "
        "yourself, it carries on by itself"
    )


def _obstacle(command: Command, called: _Called) -> str:
    """Return why a command cannot be repeated, or nothing."""
    if not called.how:
        return "it was typed at a prompt, or came through standard input"
    if _NOTEBOOK in Path(called.what).stem:
        return "it ran in a notebook"
    if _CHILD_MARK in command.argv:
        return "it was opened by a child process of multiprocessing"
    if not Path(command.cwd).is_dir():
        return f"its directory {command.cwd} is gone"
    script = Path(command.cwd, called.what)
    if called.how == "script" and not (script.is_file() or script.is_dir()):
        return f"its script {script} is gone"
    return ""


def _called(argv: Sequence[str]) -> _Called:
    """Read an interpreter's arguments as the interpreter does."""
    words = enumerate(argv)
    for position, word in words:
        if word == "-":
            break
        if not word.startswith("-"):
            return _Called("script", word, position + 1)
        option, value = _cluster(word)
        if option in {"c", "m"}:
            how = "code" if option == "c" else "module"
            what = value or next(words, (0, ""))[1]
            return _Called(how, "" if how == "code" else what, position + (1 if value else 2))
        if option and not value:
            next(words, None)
    return _Called("", "", len(argv))


def _cluster(word: str) -> tuple[str, str]:
    """Return which option of a word like ``-Bum`` takes a value, and the value if it is there."""
    if word.startswith("--"):
        return ("-", "") if word == "--check-hash-based-pycs" else ("", "")
    for position, letter in enumerate(word[1:], start=2):
        if letter in f"cm{_WITH_VALUE}":
            return letter, word[position:]
    return "", ""


def target_in(repetition: Repetition) -> str:
    """Return the pipeline that ``persistq run`` was told to run; empty if it was another command.

    A script without the name of a pipeline is none: it is run, and not imported.
    """
    from persistq.cli.running import command

    called = _called(repetition.argv)
    words = list(repetition.argv[called.rest :])
    if not _is_own(called) or words[:1] != [command.name]:
        return ""
    with command.make_context("run", words[1:], resilient_parsing=True) as context:
        target = str(context.params.get("target") or "")
    return target if ":" in target else ""


def _is_own(called: _Called) -> bool:
    return Path(called.what).name == "persistq" or called.what in {"persistq", "persistq.cli"}


def _pointed_at(directory: Path, command: Command, called: _Called) -> tuple[str, ...]:
    """Let a recorded ``persistq run --journal`` follow a journal directory that was moved."""
    argv = list(command.argv)
    stop = argv.index("--") if "--" in argv else len(argv)
    for position in range(called.rest if _is_own(called) else stop, stop):
        option, equals, value = argv[position].partition("=")
        if option != "--journal":
            continue
        place = position if equals else position + 1
        moved = Path(command.cwd, value or argv[place]).resolve() != directory
        if moved:
            argv[place] = f"--journal={directory}" if equals else str(directory)
    return tuple(argv)
