"""A folder as a source: what ``pipeline.source(folder=...)`` takes, and what comes of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypedDict

from persistq.errors import UsageError

if TYPE_CHECKING:
    import os

    from persistq.folder.checks import CheckOption
    from persistq.folder.grouping import MembersOption
    from persistq.folder.options import ProducersOption
    from persistq.folder.order import OrderOption
    from persistq.pipeline.source import Source


class FolderSourceOptions(TypedDict, total=False):
    """What ``pipeline.source(folder=...)`` takes beside the options of every source.

    All but the first two are as for `persistq.FolderQueue`.
    """

    folder: str | os.PathLike[str] | None
    """The directory whose files are the items; its own name is the source's, unless ``name`` is
    said."""
    rows: bool | None
    """Whether the files are batches of rows, and each row is an item."""
    match: str | None
    """Which files are items; with ``rows``, by default batch files."""
    order: OrderOption | None
    """By what files are claimed; by default by name."""
    check: CheckOption
    """What a file has to be; with ``rows``, by default ``rows``."""
    done: str | None
    """Where finished files go; ``delete`` deletes them."""
    producers: ProducersOption | None
    """Who has to be done before the source is over."""
    dead_producer: str | None
    """What a producer means that has died."""
    drain: bool | None
    """Whether the source is over whenever nothing is left."""
    failed: str | None
    """Whether a failure comes before files that wait."""
    group: str | None
    """Which files belong together: then an item is the list of their paths."""
    members: MembersOption
    """The members of each complete group."""
    group_size: int | None
    """Or how many files it has."""
    incomplete: str | None
    """What is done with groups that are not complete at the end."""
    min_age: float | None
    """How long a file must not have changed, in seconds."""
    max_crashes: int | None
    """After how many deaths of other readers a file is parked."""
    lease: float | None
    """How long an owner on another host may be silent, in seconds."""
    settle: float | None
    """How long nothing must have moved at the end, in seconds."""


FOLDER_SOURCE_OPTIONS: Final = tuple(FolderSourceOptions.__annotations__)
"""The names of what a source that is a folder may say."""

_NAME: Final = re.compile(r"[\w.-]+")

_IN_VAIN: Final = {
    "key": "every file is an item of its own",
    "once": "a file that is finished is there no more",
    "poll": "a folder is looked at all the time",
}
"""Options of sources that a folder does not take, and why."""


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A folder as a source.

    Attributes:
        path: The folder.
        done: Where finished files go.
        rows: Whether the rows of its files are the items.
        options: What `persistq.FolderQueue` takes about reading.
    """

    path: str
    done: str
    rows: bool
    options: Mapping[str, Any]


class BatchRows:
    """The handler of the stage that reads batch files: what it yields are their rows."""

    def __call__(self, path: str) -> Iterator[Any]:
        """Yield the rows of a batch file.

        Crash: all of them are recorded, together with the end of the file's item, or none.

        Raises:
            BatchFault: It is cut short, or was changed; none of its rows is recorded.
        """
        from persistq.folder.batchfile import check_batch, read_lines
        from persistq.folder.rowlines import row_in

        rows = check_batch(Path(path))
        yield from map(row_in, read_lines(Path(path), rows))


def folder_source_of(said: dict[str, Any]) -> Source:
    """Return the source that a folder is.

    Args:
        said: The options that are given, of this source.

    Raises:
        UsageError: One of them is wrong, or does not go with a folder.
    """
    from persistq.pipeline.arrivals import Arrivals, Checked
    from persistq.pipeline.source import Source
    from persistq.pipeline.sourceoptions import LIMITS

    path = str(_required_path(said.pop("folder")))
    name = said.pop("name", None) or _named(path)
    what = f"source {name!r}"
    rows, to = said.pop("rows", False), said.pop("to", "")
    _require_fitting(what, said, rows=rows)
    limits: dict[str, int] = {key: said.pop(key) for key in LIMITS if key in said}
    if rows:
        said = {"match": ("*.jsonl", "*.jsonl.gz"), "check": "rows"} | said
    Checked(path, **said)
    folder = FolderSource(path, said.get("done", ".done"), rows, said)
    return Source(name, Arrivals(path, said), limits, to, folder=folder)


def looked_at(source: Source) -> Source:
    """Return a source that claims nothing, for a sample, whose items are no load's."""
    from persistq.pipeline.arrivals import Waiting

    if source.folder is None:
        return source
    return replace(source, function=Waiting(source.folder.path, source.folder.options))


def takes_no_function(name: str) -> Callable[[Any], NoReturn]:
    """Return what a folder's source is as a decorator: a mistake."""

    def refuse(function: Any) -> NoReturn:
        raise UsageError(
            f"source {name!r} is a folder, which persistq reads: write pipeline.source(folder=...) "
            f"as a line of its own, without a function such as {function!r}"
        )

    return refuse


def _required_path(given: Any) -> Path:
    try:
        return Path(given)
    except TypeError as error:
        raise UsageError(f"a source: folder={given!r} is refused: give the path") from error


def _named(path: str) -> str:
    name = Path(path).name
    if not _NAME.fullmatch(name) or name == "..":
        raise UsageError(f"a source: folder={path!r} gives no name: say name= as well")
    return name


def _require_fitting(what: str, said: Mapping[str, Any], *, rows: Any) -> None:
    if not isinstance(rows, bool):
        raise UsageError(f"{what}: rows={rows!r} is refused: it should be True or False")
    if rows and "group" in said:
        raise UsageError(f"{what}: rows=True does not go with group=, whose items are whole files")
    for name, why in _IN_VAIN.items():
        if said.get(name):
            raise UsageError(f"{what}: {name}= does not go with folder=: {why}")
    known = {*FOLDER_SOURCE_OPTIONS, "max_outstanding", "max_outstanding_bytes", *_IN_VAIN}
    if other := [name for name in said if name not in known]:
        raise UsageError(f"{what}: {other[0]}= does not go with folder=: it is for poll=True")
