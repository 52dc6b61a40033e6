"""``persistq folder``: directories that are queues, seen and helped from a shell."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem

from persistq.cli.options import json_option
from persistq.cli.output import (
    Column,
    Failing,
    Quiet,
    note,
    on_terminal,
    write_fields,
    write_json,
    write_table,
)
from persistq.duration import seconds_of
from persistq.errors import FolderError, PersistqError, UsageError
from persistq.text.masking import masked_text
from persistq.text.terminal import printable

if TYPE_CHECKING:
    from persistq.folder.owner import Watch
    from persistq.folder.place import Place
    from persistq.folder.recovery import Recovered
    from persistq.folder.retrying import Retried
    from persistq.folder.standing import Known, ProducerState, Standing
    from persistq.peer import Peer

SILENT: Final = 3
UNSOUND: Final = 5

Row = tuple[str, str, str]

_NAME_WIDTH: Final = 40
"""Cells of a name on one line of a terminal; the rest of it follows below."""

_LISTED: Final = 20
"""Of each kind, on a terminal."""

_LOOKS: Final = 20
"""So often is an owner of another host looked at while its lease runs."""

_path = click.argument("path", type=click.Path(path_type=Path))

_match = click.option(
    "--match", default="*", metavar="PATTERN", help="Which files are items, as in FolderQueue."
)

_lease = click.option(
    "--lease",
    type=float,
    metavar="SECONDS",
    help="How long an owner on another host may be silent; by default the setting lease.",
)


def _complete_parked(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return what was put aside in the folder that is typed before."""
    from persistq.folder.standing import parked_files

    try:
        place = _existing(context.params["path"])
        names = [file.name for file in parked_files(place)]
    except (PersistqError, OSError, KeyError):
        return []
    fits = (name for name in names if name.startswith(incomplete) and name.isprintable())
    return [CompletionItem(name) for name in fits]


@click.group("folder", short_help="See directories that are queues, and help them on.")
def command() -> None:
    """See what waits in a directory that is a queue, who has what, and what was put aside."""


@command.command("status", short_help="Show what waits, who has what, and what was put aside.")
@_path
@_match
@_lease
@click.option(
    "--max-silence",
    metavar="TIME",
    help="Only tell, by the exit code, whether somebody is dead or silent for longer, as 10min.",
)
@json_option
def status(
    *, path: Path, match: str, lease: float | None, max_silence: str | None, as_json: bool
) -> int:
    """Show the producers of PATH, what waits, who has what in hand, and what was put aside.

    A terminal shows the first of each kind. Elsewhere it is all of them, with tabs between what it
    is, its name, and details. Exits with 3 if something is left to do,
    and with 6 if nothing is, and something was put aside. With --max-silence, for monitors, it
    exits with 3 if a producer that is not done, or who has something in hand, is dead or has given
    no sign of life for longer, and otherwise with 0. Nothing is changed.

    \b
    Example:
      $ persistq folder status in
      $ persistq folder status in --max-silence 10min || mail -s "in" me
    """  # noqa: D301 - \b is click's mark for lines to keep
    from persistq.folder.standing import standing_of

    longest = None if max_silence is None else seconds_of("--max-silence", max_silence)
    place = _existing(path)
    standing = standing_of(place, match, _watch_of(place, lease))
    note(f"folder {place.path}: {_in_short(standing)}")
    if as_json:
        write_json(_as_object(standing))
    elif on_terminal() and (rows := [*_first_of_each(_rows(standing))]):
        write_table(_columns_for(rows), rows)
    else:
        write_fields(_rows(standing))
    return standing.exit_code if longest is None else _silence_told(standing, longest)


@command.command("recover", short_help="Give back what dead processes had in hand.")
@_path
@_lease
@click.option("--wait", is_flag=True, help="Watch owners on other hosts until it is known.")
@json_option
def recover(*, path: Path, lease: float | None, wait: bool, as_json: bool) -> None:
    """Let what dead processes had claimed wait again, and clear up what they were writing.

    Every reader does so by itself; this is for when none runs. What a live process has is never
    touched. Whether one on another host lives can only be found out by watching it.

    \b
    Example:
      $ persistq folder recover in
    """  # noqa: D301 - \b is click's mark for lines to keep
    place = _existing(path)
    place.prepare()
    watch = _watch_of(place, lease)
    found, unseen = _recovered(place, watch, wait=wait)
    for name in unseen:
        why = "it has asked for more time" if wait else "whether it lives is found out with --wait"
        note(f"{name} is on another host: {why}")
    if as_json:
        keys = ("owners", "given_back", "parked")
        write_json({"folder": str(place.path), **{key: getattr(found, key) for key in keys}})
    else:
        write_fields([("given back", name) for name in found.given_back])
        write_fields([("parked", name) for name in found.parked])
        note(f"{len(found.owners)} dead, {len(found.given_back)} given back")


@command.command("retry", short_help="Put back what was put aside, to be tried again.")
@_path
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=_complete_parked)
@click.option("--all", "everything", is_flag=True, help="All that was put aside.")
@json_option
def retry(*, path: Path, names: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Let files that were put aside wait again, without the reasons that are beside them.

    NAME is as `persistq folder status` shows it; a group comes back as a whole. The same is done by
    `mv PATH/.parked/NAME PATH/`. Where a file of this name waits already, it gets another one.

    \b
    Example:
      $ persistq folder retry in --all
    """  # noqa: D301 - \b is click's mark for lines to keep
    from persistq.folder.retrying import put_back
    from persistq.folder.standing import parked_files

    if bool(names) == everything:
        raise UsageError("say what is to be put back: names as in `folder status`, or --all")
    place = _existing(path)
    done = put_back(place, names)
    left = [file.name for file in parked_files(place)] if everything else []
    if as_json:
        retried = [one._asdict() for one in done]
        write_json({"folder": str(place.path), "retried": retried, "left": left})
    else:
        write_fields([("waiting", file) for one in done for file in one.files])
        note(_in_words(place, done, left))


@command.command("pause", short_help="Have nobody claim anything.")
@_path
@json_option
def pause(*, path: Path, as_json: bool) -> None:
    """Have nobody claim anything in PATH; what is in hands is finished, and put can still be.

    The same is done by `touch PATH/PAUSE`.

    \b
    Example:
      $ persistq folder pause in
    """  # noqa: D301 - \b is click's mark for lines to keep
    from persistq.folder.pausing import pause as pause_folder

    place = _existing(path)
    pause_folder(place)
    _say_paused(place, as_json=as_json, paused=True)


@command.command("resume", short_help="Let files be claimed again.")
@_path
@json_option
def resume(*, path: Path, as_json: bool) -> None:
    """Let files of PATH be claimed again, after `persistq folder pause`.

    \b
    Example:
      $ persistq folder resume in
    """  # noqa: D301 - \b is click's mark for lines to keep
    from persistq.folder.pausing import resume as resume_folder

    place = _existing(path)
    resume_folder(place)
    _say_paused(place, as_json=as_json, paused=False)


@command.command("verify", short_help="Find what does not agree with itself.")
@_path
@_match
@json_option
def verify(*, path: Path, match: str, as_json: bool) -> int:
    """Look for files that nobody will ever touch: of no known owner, without a reason, cut short.

    One line for each. Exits with 5 if there are any, with 0 otherwise. Nothing is changed.

    \b
    Example:
      $ persistq folder verify in
    """  # noqa: D301 - \b is click's mark for lines to keep
    from persistq.folder.standing import problems_of

    place = _existing(path)
    problems = problems_of(place, match, _watch_of(place, None))
    if as_json:
        write_json({"folder": str(place.path), "sound": not problems, "problems": problems})
    else:
        write_fields([(problem,) for problem in problems])
        note(f"folder {place.path}: {len(problems)} problems" if problems else "all is sound")
    return UNSOUND if problems else 0


def _existing(path: Path) -> Place:
    """Return a folder that is there.

    Raises:
        FolderError: It is not, or is a stranger's.
    """
    from persistq.folder.place import place_of

    place = place_of(path)
    if not place.path.is_dir():
        raise FolderError(str(place.path), "there is no directory here")
    place.require_own()
    return place


def _told(place: Place) -> Any:
    from persistq.folder.reader import reported

    return reported(place)


def _watch_of(place: Place, lease: float | None) -> Watch:
    from persistq.folder.owner import Watch
    from persistq.settings import load_settings

    return Watch(place, load_settings(lease=lease).lease)


def _silence_told(standing: Standing, longest: float) -> int:
    """Tell of whom nothing may come any more; return the exit code."""
    complaints = standing.silent(longest)
    for complaint in complaints:
        note(f"folder {standing.path}: {complaint}")
    return SILENT if complaints else 0


def _recovered(place: Place, watch: Watch, *, wait: bool) -> tuple[Recovered, list[str]]:
    """Recover once, or until owners on other hosts had the time to show that they live.

    Returns:
        What was done, and the owners of whom it is not known.
    """
    from persistq.folder.claims import Claims
    from persistq.folder.recovery import recover as recover_once

    claims = Claims(place)
    with _told(place):
        found = recover_once(claims.owner, watch, max_crashes=3)
        if wait:
            _look_until_known(place, watch)
            found.extend(recover_once(claims.owner, watch, max_crashes=3))
        claims.leave()
    return found, _unseen(place, watch)


def _look_until_known(place: Place, watch: Watch) -> None:
    # Looks may come late, and then they do not count in full.
    patience = watch.patience()
    deadline = time.monotonic() + 2 * patience
    while _unseen(place, watch) and time.monotonic() < deadline:
        time.sleep(patience / _LOOKS)


def _unseen(place: Place, watch: Watch) -> list[str]:
    from persistq.folder.cards import owners_in

    names = owners_in(place)
    return [name for name in names if watch.peer_of(name) and watch.is_dead(name) is None]


def _say_paused(place: Place, *, as_json: bool, paused: bool) -> None:
    if as_json:
        write_json({"folder": str(place.path), "paused": paused})
    else:
        note(f"folder {place.path} is {'paused' if paused else 'open'}")


def _in_words(place: Place, done: list[Retried], left: list[str]) -> str:
    words = f"folder {place.path}: {len(done):,} put back"
    if left:
        words += f"; {len(left):,} stay aside, because nobody would claim them"
    return words


def _in_short(standing: Standing) -> str:
    counts = (
        f"{len(standing.waiting):,} waiting, {standing.taken:,} in hand, "
        f"{len(standing.parked):,} parked"
    )
    return f"{counts}; paused" if standing.paused else counts


def _first_of_each(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield the first rows of each kind, and how many there are besides."""
    for kind, found in groupby(rows, key=lambda row: row[0]):
        same = [*found]
        yield from same[:_LISTED]
        if more := same[_LISTED:]:
            yield kind, Quiet(f"and {len(more):,} more"), ""


def _columns_for(rows: Iterable[Row]) -> tuple[Column, ...]:
    width = max(len(printable(name)) for _, name, _ in rows)
    name = Column("name", width=min(max(width, len("name")), _NAME_WIDTH), wrap=True)
    return Column("what"), name, Column("details", wrap=True)


def _rows(standing: Standing) -> Iterator[Row]:
    from persistq.folder.owner import load_of

    for producer in standing.producers:
        by = _process(producer.peer)
        reason = f": {masked_text(producer.reason)}" if producer.reason else ""
        state = f"{producer.state}, {by}{reason}{_life_of(producer)}"
        bad = producer.state in ("failed", "dead")
        yield "producer", producer.name, Failing(state) if bad else state
    yield from (("waiting", name, "") for name in standing.waiting)
    for holder in standing.holders:
        load = load_of(holder.owner)
        by = f"load {load}, in its journal" if load else f"{_process(holder.peer)}, {holder.life}"
        yield from (("in hand", name, by) for name in holder.taken)
        yield from (("written", name, by) for name in holder.writing)
    for aside in standing.parked:
        yield "parked", aside.name, Failing(f"{aside.kind}: {masked_text(aside.reason)}")
    yield from (("left alone", name, "") for name in standing.strange)


def _life_of(producer: ProducerState) -> str:
    """Return what is known of a producer that is still to say something."""
    known = producer.life
    told = known.told_silence if producer.state == "dead" else str(known)
    return "" if known.life is None or not told else f", {told}"


def _process(peer: Peer | None) -> str:
    return "nobody known" if peer is None else str(peer)


def _as_object(standing: Standing) -> dict[str, Any]:
    return {
        "folder": str(standing.path),
        "paused": standing.paused,
        "rounds": standing.rounds,
        "waiting": standing.waiting,
        "holders": [
            {
                "owner": holder.owner,
                "process": None if holder.peer is None else holder.peer.pid,
                "host": None if holder.peer is None else holder.peer.node,
                "dead": holder.dead,
                **_as_members(holder.life),
                "taken": holder.taken,
                "writing": holder.writing,
            }
            for holder in standing.holders
        ],
        "parked": [
            {"name": one.name, "kind": one.kind, "reason": masked_text(one.reason)}
            for one in standing.parked
        ],
        "producers": [
            {
                "name": one.name,
                "state": one.state,
                "reason": masked_text(one.reason),
                **_as_members(one.life),
            }
            for one in standing.producers
        ],
        "left_alone": standing.strange,
    }


def _as_members(known: Known) -> dict[str, Any]:
    return {"life": known.life, "silent_s": known.silent}
