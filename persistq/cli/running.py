"""``persistq run``: start a program's load, or carry it on."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from persistq.cli.mainmodule import run_as_main
from persistq.cli.options import journal_option, progress_option, quiet_option
from persistq.cli.output import note
from persistq.cli.target import Target, parse_target, pipeline_of, pipelines_in
from persistq.ending import has_sentence
from persistq.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_OWN_PLACE = str(Path(__file__).parent)


def _parameters(
    _ctx: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> dict[str, Any] | None:
    return dict(map(_parameter, texts)) or None


def _parameter(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise click.BadParameter(f"{text!r} is not of the form key=value.")
    return key, _value(value)


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    except UnicodeEncodeError:
        # A path that is no UTF-8, perhaps within JSON.
        with contextlib.suppress(ValueError):
            return json.loads(text)
        return text


@click.command("run", short_help="Run a pipeline or script, or carry it on.")
@click.argument("target")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--workers",
    type=int,
    metavar="N",
    help="Processes of each stage that does not set its own number; 0 runs everything in one "
    "process.  [env: PERSISTQ_WORKERS; default: the number of CPUs]",
)
@click.option(
    "--fresh",
    is_flag=True,
    default=None,
    help="Begin a new load although one is unfinished.  [env: PERSISTQ_FRESH]",
)
@click.option(
    "--param",
    "params",
    multiple=True,
    metavar="KEY=VALUE",
    callback=_parameters,
    help="An argument of the source: JSON if it is any, else text; may be repeated."
    "  [env: PERSISTQ_PARAMS, a JSON object]",
)
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    metavar="N",
    help="Try the first N items of each source in a journal that is thrown away: sinks roll back, "
    "and whatever else handlers do is real.  [env: PERSISTQ_SAMPLE]",
)
@progress_option
@quiet_option
@journal_option
def command(target: str, arguments: tuple[str, ...], **values: Any) -> Callable[[], int]:
    """Run a pipeline or a script: start its load, or carry on the one that is unfinished.

    \b
    TARGET is one of
      module:name               a Pipeline of a module; sys.path begins with the
                                current directory
      path/to/script.py:name    a Pipeline of a script
      path/to/script.py         a script, as python would run it; if it runs
                                nothing itself and has one Pipeline, that is run

    ARGUMENTS, after --, are those of the script. Options given here win over the program's code.

    \b
    Example:
      $ persistq run etl.py --workers 2
    """  # noqa: D301 - \b is click's mark for lines to keep
    from persistq.settings import command_line, load_settings

    parsed = parse_target(target)
    if arguments and (parsed.script is None or parsed.name):
        raise click.UsageError("Arguments after -- are for scripts; a pipeline takes --param.")
    command_line(**values)
    settings = load_settings()
    if values["journal"] is not None:
        # What the program starts in its turn belongs to the same directory.
        os.environ["PERSISTQ_JOURNAL"] = str(Path(settings.journal).resolve())
    return partial(_perform, parsed, arguments, quiet=settings.quiet)


def _perform(target: Target, arguments: tuple[str, ...], *, quiet: bool) -> int:
    try:
        if target.script is not None and not target.name:
            _run_script(target.script, arguments)
        else:
            pipeline_of(target).run()
    except Exception as error:
        if has_sentence(error):
            raise
        return _crash(error)
    finally:
        if not quiet:
            _name_journals()
    return 0


def _run_script(script: Path, arguments: tuple[str, ...]) -> None:
    from persistq.client.openings import opened

    names = run_as_main(script, arguments)
    if opened:
        return
    pipelines = pipelines_in(names)
    if len(pipelines) > 1:
        raise UsageError(
            f"{script} runs none of its pipelines {', '.join(pipelines)}: "
            f"say which, as in {script}:{next(iter(pipelines))}"
        )
    for pipeline in pipelines.values():
        pipeline.run()
    if not pipelines:
        note(f"{script} has ended without opening a queue, and it has no pipeline")


def _name_journals() -> None:
    """Say which journals plain queues were in; pipelines have said so themselves."""
    from persistq.client.openings import opened

    for path, kind in opened.items():
        if kind == "queue" and Path(path).exists():
            note(f"journal {path}")


def _crash(error: Exception) -> int:
    """Show an error of the program as Python would, from the program's first line on."""
    error.__traceback__ = _program_part(error.__traceback__)
    sys.excepthook(type(error), error, error.__traceback__)
    return 1


def _program_part(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OWN_PLACE):
        trace = trace.tb_next
    return trace
