"""``persistq check``: one line and an exit code for monitors."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from persistq.cli.choosing import directory_of, reader_of
from persistq.cli.options import journal_option, json_option, required_name
from persistq.cli.output import write_json, write_lines
from persistq.cli.spans import span
from persistq.cli.standing import Standing, coarse, next_command, standing_of
from persistq.errors import ItemsFailed, JournalError, LoadUnfinished
from persistq.text.terminal import printable

if TYPE_CHECKING:
    from datetime import timedelta

    from persistq.journal.load import Load
    from persistq.journal.view import JournalView


class Finding(NamedTuple):
    """What a monitor is told.

    Attributes:
        code: The exit code.
        text: One sentence.
        view: The load, if there is a journal that can be read.
    """

    code: int
    text: str
    view: JournalView | None = None


@click.command("check", short_help="Tell a monitor whether the last load is settled and young.")
@required_name
@click.option(
    "--max-age",
    callback=span,
    metavar="SPAN",
    help="The longest time since the last load was settled, such as 26h, 90m or 2d.",
)
@click.option(
    "--running-ok",
    is_flag=True,
    help="A load that is being worked on is fine too, until it is older than --max-age.",
)
@json_option
@journal_option
def command(
    *,
    name: str,
    max_age: timedelta | None,
    running_ok: bool,
    as_json: bool,
    journal: str | None,
) -> int:
    """Say in one line whether the last load of NAME is settled, without failures, and young.

    A script that was killed tells nobody. So let something else ask: cron, Nagios, a health check.
    Exits with 0 if all is well; with 3 if work is outstanding, or the load that should have come
    since has not; with 4 if the journal is missing or cannot be read, or has no load; with 6 if the
    load is settled and items are parked as failed.

    \b
    Example:
      $ persistq check sales --max-age 26h
    """  # noqa: D301 - \b is click's mark for lines to keep
    finding = _find(name, journal, max_age, running_ok=running_ok)
    if as_json:
        write_json(_as_object(name, finding))
    else:
        write_lines([printable(f"{'FAILED' if finding.code else 'OK'} {name}: {finding.text}")])
    return finding.code


def _find(
    name: str, journal: str | None, max_age: timedelta | None, *, running_ok: bool
) -> Finding:
    try:
        with reader_of(directory_of(journal, name), name) as reader:
            loads = reader.loads()
            if not loads:
                return Finding(JournalError.exit_code, f"no load was begun; journal {reader.path}")
            view = reader.view(loads[-1].load_id)
    except JournalError as error:
        return Finding(error.exit_code, str(error))
    code, text = judged(standing_of(view), loads[-1], max_age, running_ok=running_ok)
    following = next_command(standing_of(view), journal, named=False)
    hint = f"; {following}" if following is not None and code else ""
    return Finding(code, f"load {loads[-1].load_id} {text}{hint}; journal {view.path}", view)


def judged(
    standing: Standing, load: Load, max_age: timedelta | None, *, running_ok: bool
) -> tuple[int, str]:
    """Return the exit code for a load, and what is said of it.

    Args:
        standing: Where it stands.
        load: The load.
        max_age: Longest time since it was settled, or None.
        running_ok: Whether one that is being worked on is fine until it is older.
    """
    view, now = standing.view, datetime.now(UTC)
    if load.state.value != "settled" or load.ended_at is None:
        age = now - load.created_at
        young = max_age is None or age <= max_age
        code = 0 if standing.running and running_ok and young else LoadUnfinished.exit_code
        return code, f"is {standing.state}, begun {coarse(age)} ago, {_left(view)}"
    age = now - load.ended_at
    text = f"was settled {coarse(age)} ago, {standing.done:,} items done{_failed(view)}"
    if max_age is not None and age > max_age:
        return LoadUnfinished.exit_code, f"{text}; that is too long ago"
    return (ItemsFailed.exit_code if view.parked else 0), text


def _left(view: JournalView) -> str:
    return f"{view.outstanding:,} outstanding{_failed(view)}"


def _failed(view: JournalView) -> str:
    return f", {view.parked:,} parked as failed" if view.parked else ""


def _as_object(name: str, finding: Finding) -> dict[str, Any]:
    view = finding.view
    load = view.load if view is not None else None
    ended = load.ended_at if load is not None else None
    return {
        "name": name,
        "ok": not finding.code,
        "exit_code": finding.code,
        "text": finding.text,
        "journal": view.path if view is not None else None,
        "load": load.load_id if load is not None else None,
        "state": load.state.value if load is not None else None,
        "ended": ended.isoformat() if ended is not None else None,
        "outstanding": view.outstanding if view is not None else None,
        "parked": view.parked if view is not None else None,
    }
