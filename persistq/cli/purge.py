"""``persistq purge``: old loads give up their rows now, and the disk gets the space back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from persistq.cli.choosing import directory_of, reader_of
from persistq.cli.options import journal_option, json_option, name_argument
from persistq.cli.output import note, write_document, write_json, write_lines
from persistq.cli.standing import moment
from persistq.errors import UsageError
from persistq.journal.keeping import Keep, beyond
from persistq.site.finding import catalogue_of, site_of
from persistq.site.naming import fields_of
from persistq.text.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from persistq.journal.load import EndedLoad
    from persistq.journal.siblings import Siblings
    from persistq.journal.view import JournalView
    from persistq.site.base import Site

_SIZE: Final = re.compile(r"(\d{1,15})\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_UNITS: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}

_Found = tuple["Site", "EndedLoad"]


class _Size(click.ParamType):  # type: ignore[type-arg] # older releases of click take none
    """A number of bytes, such as ``500MB``; each unit is 1,024 of the smaller one."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = _SIZE.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is no size: give a number of bytes, as in 500MB", param, ctx)
        return int(found[1]) * int(1024 ** _UNITS[found[2].upper()])


@dataclass(frozen=True, slots=True)
class Wish:
    """What was typed.

    Attributes:
        name: A journal's name, or what the names of several are made from.
        loads: The loads to purge; if there are none, those beyond what is kept.
        keep: How much is kept.
        abandoned: Whether abandoned loads with outstanding items are purged as well.
        keys: Whether it is forgotten which keys were done, and nothing else.
    """

    name: str
    loads: tuple[int, ...]
    keep: Keep
    abandoned: bool
    keys: bool


@click.command("purge", short_help="Give up the items of old loads, and their space.")
@name_argument
@click.option(
    "--load",
    "loads",
    type=click.IntRange(min=1),
    metavar="N",
    multiple=True,
    help="This load, and none but those that are named so.",
)
@click.option(
    "--keep-loads",
    type=click.IntRange(min=0),
    metavar="N",
    help="How many loads keep their items.  [env: PERSISTQ_KEEP_LOADS; default: 20]",
)
@click.option(
    "--keep-bytes",
    type=_Size(),
    metavar="SIZE",
    help="How many bytes these may have together, as in 500MB.  [env: PERSISTQ_KEEP_BYTES; "
    "default: 1GB]",
)
@click.option(
    "--abandoned", is_flag=True, help="Drop the outstanding items of abandoned loads as well."
)
@click.option(
    "--keys",
    is_flag=True,
    help="Forget which keys loads have done, so that a source with once=True yields them again; "
    "loads stay as they are.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be given up, and do nothing.")
@json_option
@journal_option
def command(
    *,
    name: str | None,
    loads: tuple[int, ...],
    keep_loads: int | None,
    keep_bytes: int | None,
    abandoned: bool,
    keys: bool,
    dry_run: bool,
    as_json: bool,
    journal: str | None,
) -> None:
    """Give up the items of loads that have ended, but for the latest ones.

    NAME is the load's name, or that of several with its parameters in it, as in 'sales-{day}':
    these count together, and those with nothing left are removed. Kept are counters, failures and
    parked items, which can still be retried. Unfinished loads keep everything. Runs do the same
    beside their work; while one is at work, this command does nothing and says so.

    \b
    Example:
      $ persistq purge sales --keep-loads 5 --dry-run
    """  # noqa: D301 - \b is click's mark for lines to keep
    if name is None:
        raise UsageError("say which load: give its NAME, as `persistq list` shows it")
    others = loads or abandoned or keep_loads is not None or keep_bytes is not None
    if keys and (fields_of(name) or others):
        raise UsageError("--keys is of one journal, and of no loads: give its NAME and no more")
    wish = Wish(name, loads, _keep(keep_loads, keep_bytes), abandoned, keys)
    directory = directory_of(journal, None if fields_of(name) else name)
    if keys:
        _forget(wish, directory, dry_run=dry_run, as_json=as_json)
        return
    found = _chosen(wish, directory)
    if not dry_run:
        _give_up(wish, directory, found)
    if as_json:
        write_document(
            {"done": not dry_run}, "loads", (_as_object(*one, done=not dry_run) for one in found)
        )
    else:
        write_lines(printable(_line(*one)) for one in found)
    note(f"{_count(found)} {'would give' if dry_run else 'gave'} up items; journals {directory}")


def _keep(loads: int | None, size: int | None) -> Keep:
    from persistq.settings import command_line, load_settings

    command_line(keep_loads=loads, keep_bytes=size)
    settings = load_settings()
    return Keep(settings.keep_loads, settings.keep_bytes)


# --- which ----------------------------------------------------------------------------------------


def _chosen(wish: Wish, directory: Path) -> list[_Found]:
    if fields_of(wish.name):
        if wish.loads:
            raise UsageError("--load names a load of one journal: give that journal's name")
        found = _siblings(wish, directory).ended_loads()
    else:
        found = _of_one(wish, directory)
    if wish.loads:
        return found
    left = [one for one in found if one[1].outstanding] if wish.abandoned else []
    return [*left, *beyond(wish.keep, found)]


def _of_one(wish: Wish, directory: Path) -> list[_Found]:
    from persistq.journal.siblings import ended_in

    with reader_of(directory, wish.name) as reader:
        site = site_of(reader.path)
        views = [reader.view(load_id) for load_id in dict.fromkeys(wish.loads)] or [
            reader.view(load.load_id) for load in reader.loads()
        ]
    if wish.loads:
        for view in views:
            _require_over(view, abandoned=wish.abandoned)
    return [(site, load) for load in ended_in(views)]


def _require_over(view: JournalView, *, abandoned: bool) -> None:
    """Refuse a load that was asked for by its number and cannot be purged.

    Raises:
        UsageError: It is such a load.
    """
    load = view.load
    assert load is not None, "a reader has found it"
    what = f"load {load.load_id} of {view.name!r}"
    if load.ended_at is None:
        raise UsageError(f"{what} is {load.state}: only what has ended is purged")
    if load.purged_at is None and view.outstanding and not abandoned:
        raise UsageError(
            f"{what} was abandoned with {view.outstanding:,} outstanding: --abandoned drops them, "
            f"and persistq resume --load {load.load_id} {view.name} carries them on"
        )


def _siblings(wish: Wish, directory: Path) -> Siblings:
    from persistq.journal.siblings import Siblings

    return Siblings(catalogue_of(directory.resolve()), wish.name)


# --- what is done ---------------------------------------------------------------------------------


def _give_up(wish: Wish, directory: Path, found: list[_Found]) -> None:
    if fields_of(wish.name):
        siblings = _siblings(wish, directory)
        siblings.ended_loads()
        for site in siblings.give_up(_by_site(found), lambda: False):
            note(f"removed {site.journal}, of which nothing was left")
        return
    from persistq.journal.holding import held

    with held(catalogue_of(directory).site(wish.name)) as journal:
        for _, load in found:
            journal.purge_load(load.load_id)
        # Also what a process that died has left half-way.
        spools_before = journal.next_spool_id()
        while journal.tidy(spools_before):
            pass


def _forget(wish: Wish, directory: Path, *, dry_run: bool, as_json: bool) -> None:
    """Forget which keys were done, and say how many.

    Crash: all of them are forgotten, or none.
    """
    from persistq.journal.holding import held

    if dry_run:
        with reader_of(directory, wish.name) as reader:
            count = reader.done_keys()
    else:
        with held(catalogue_of(directory).site(wish.name)) as journal:
            count = journal.forget_done_keys()
    if as_json:
        write_json({"done": not dry_run, "name": wish.name, "keys": count})
    else:
        write_lines([f"{wish.name}: {count:,} keys"])
    note(f"{'would forget' if dry_run else 'forgot'} which keys were done; journals {directory}")


def _by_site(found: Iterable[_Found]) -> dict[Site, list[int]]:
    loads: dict[Site, list[int]] = {}
    for site, load in found:
        loads.setdefault(site, []).append(load.load_id)
    return loads


# --- what is said ---------------------------------------------------------------------------------


def _line(site: Site, load: EndedLoad) -> str:
    dropped = f"; {load.outstanding:,} outstanding are dropped" if load.outstanding else ""
    return (
        f"{site.name}, load {load.load_id}, {load.state} {moment(load.ended_at)}: "
        f"{load.bytes:,} bytes{dropped}"
    )


def _count(found: list[_Found]) -> str:
    return {0: "no load", 1: "1 load"}.get(len(found), f"{len(found):,} loads")


def _as_object(site: Site, load: EndedLoad, *, done: bool) -> dict[str, Any]:
    return {
        "name": site.name,
        "journal": site.journal,
        "load": load.load_id,
        "state": load.state.value,
        "ended": load.ended_at.isoformat(),
        "bytes": load.bytes,
        "outstanding": load.outstanding,
        "purged": done,
    }
