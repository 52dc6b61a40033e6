"""The group of all commands, and how each of them ends."""

from __future__ import annotations

import io
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from persistq import __version__
from persistq.ending import tell
from persistq.errors import PersistqError
from persistq.text.streams import end_truthfully, fill_descriptors, write
from persistq.text.suggestions import nearest

_HOMES: Final = {
    "run": "running",
    "resume": "resuming",
    "status": "status",
    "failed": "failed",
    "show": "show",
    "why": "why",
    "duplicates": "duplicates",
    "retry": "retry",
    "drop": "drop",
    "edit": "edit",
    "wake": "wake",
    "outstanding": "outstanding",
    "list": "listing",
    "check": "check",
    "export": "export",
    "workers": "workers",
    "events": "events",
    "report": "reporting",
    "serve": "serve",
    "metrics": "metrics",
    "backup": "backup",
    "db": "db",
    "doctor": "doctor",
    "verify": "verify",
    "purge": "purge",
    "sink": "sink",
    "import-pympx": "importpympx",
    "folder": "folder",
    "completion": "completion",
}

INTERRUPTED: Final = 130

_EPILOG: Final = """\
\b
Exit codes:
  0    settled, nothing failed; or simply fine
  2    wrong usage
  3    work is outstanding, or check: a load is overdue
  4    the journal is missing, locked, foreign, newer, damaged or cannot be written;
       a folder cannot be used; doctor: something would keep persistq from working
  5    verify: the journal, or a folder, contradicts itself
  6    settled, some items are parked as failed
  1    an error of the program that was run, with its traceback
  130  interrupted by Ctrl-C, 143 by SIGTERM

Options win over the program's code, that over PERSISTQ_* variables, .env and pyproject.toml.
"""


class Program(click.Group):
    """A group whose commands are imported when they are wanted.

    A command returns its exit code, None for 0, or a function to call when click is out of the way:
    a user's program must not run below a parser that has its own ideas about `EOFError` and EPIPE.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click names it
        """Return the names of the commands, in the order of their use."""
        return list(_HOMES)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click names it
        cmd_name: str,
    ) -> click.Command | None:
        """Import one command, or return None if there is none of this name."""
        if cmd_name not in _HOMES:
            return None
        module = import_module(f"persistq.cli.{_HOMES[cmd_name]}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was typed; of a wrong one, say which was meant."""
        typed = args[0] if args else ""
        if not typed.startswith("-") and typed not in _HOMES:
            meant = f"persistq run {typed}" if Path(typed).is_file() else nearest(typed, _HOMES)
            hint = f" Did you mean {meant!r}?" if meant else ""
            ctx.fail(f"No such command {typed!r}.{hint}")
        return super().resolve_command(ctx, args)

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Parse, run, and exit with the code that the command or its error stands for."""
        _prepare_streams()
        try:
            outcome = self._parsed(*args, **extra)
            code = outcome() if callable(outcome) else outcome
        except SystemExit:
            # Whoever raised it has told the user.
            raise
        except PersistqError as error:
            tell(error)
            code = error.exit_code
        except click.Abort:
            code = INTERRUPTED
        except click.ClickException as error:
            _show(_with_the_nearest(error) if isinstance(error, click.NoSuchOption) else error)
            code = error.exit_code
        sys.exit(code or 0)

    def _parsed(self, *args: Any, **extra: Any) -> Any:
        try:
            return super().main(*args, **{**extra, "standalone_mode": False})
        except SystemExit:
            # So click ends when the reader of its help has left.
            return 0
        except OSError as error:
            # Of what a command writes, only the help can fail here.
            raise click.ClickException(str(error)) from error


def _prepare_streams() -> None:
    fill_descriptors()
    end_truthfully()
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - it stays open


def _with_the_nearest(error: click.NoSuchOption) -> click.NoSuchOption:
    """Return an error that names the option that was meant, instead of all that are like it."""
    found = nearest(error.option_name, error.possibilities or ())
    return click.NoSuchOption(error.option_name, None, [found] if found else None, error.ctx)


def _show(error: click.ClickException) -> None:
    text = io.StringIO()
    error.show(text)
    write(sys.stderr, text.getvalue())


@click.group(cls=Program, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="persistq %(version)s")
def program() -> None:
    """Start loads, see what is outstanding, and carry on after a crash."""
