"""``persistq list``: every journal and folder, or every load of a journal; what to type next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from persistq.cli.choosing import (
    directory_of,
    elsewhere,
    every_view,
    last_activity,
    other_directories,
    reader_of,
    require_any,
)
from persistq.cli.folderlist import (
    COLUMNS as _FOLDERS,
)
from persistq.cli.folderlist import (
    FolderLine,
    fields_of,
    folder_lines,
    object_of,
    row_of,
)
from persistq.cli.options import form_option, journal_option, name_argument
from persistq.cli.output import (
    Column,
    Failing,
    Form,
    note,
    on_terminal,
    write_document,
    write_fields,
    write_jsonl,
    write_lines,
    write_rows,
    write_table,
)
from persistq.cli.standing import (
    Standing,
    ago,
    bytes_of,
    moment,
    next_command,
    sized,
    standing_of,
)
from persistq.errors import JournalError
from persistq.text.masking import masked_words
from persistq.text.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from persistq.journal.reader import JournalReader
    from persistq.journal.run import Run

_JOURNALS = (
    Column("name"),
    Column("load", right=True),
    Column("state"),
    Column("outstanding", right=True),
    Column("parked", right=True),
    Column("size", right=True),
    Column("last run", right=True),
)
_LOADS = (
    Column("load", right=True),
    Column("state"),
    Column("began"),
    Column("runs", right=True),
    Column("outstanding", right=True),
    Column("done", right=True),
    Column("parked", right=True),
)


class Line(NamedTuple):
    """A journal, or a load, in a list.

    Attributes:
        standing: The load.
        size: Bytes of the journal.
        runs: The runs of the load, where they are shown.
        next: What to type next, or None.
    """

    standing: Standing
    size: int
    runs: Sequence[Run]
    next: str | None


@click.command("list", short_help="List every journal and folder, or every load of one.")
@name_argument
@click.option("--everywhere", is_flag=True, help="Also the journals of your other directories.")
@form_option
@journal_option
def command(*, name: str | None, everywhere: bool, form: Form, journal: str | None) -> None:
    """List every journal of the directory with its latest load, or all loads of one.

    NAME is that one. Behind the journals come your folders that are queues. Elsewhere than on a
    terminal: one line for each journal, with tabs between name, load, state, outstanding, done,
    parked, bytes, start of the last run, and what to type next; and for each folder, with its path,
    which begins with a slash, open, paused or unreadable, how many files wait, are in hand and
    parked, how many producers are working, done, failed and dead, and what to type next. Or for
    each load, with load, state, its beginning, runs, outstanding, done, parked, and what to type
    next.

    \b
    Example:
      $ persistq list
      $ persistq list sales
    """  # noqa: D301 - \b is click's mark for lines to keep
    if name is not None:
        _list_loads(name, journal, form)
        return
    directory = directory_of(journal)
    if journal is not None and not directory.is_dir():
        require_any(directory)
    _list_journals(
        [directory, *(other_directories(directory) if everywhere else ())], journal, form
    )


# --- journals -------------------------------------------------------------------------------------


def _list_journals(directories: Sequence[Path], journal: str | None, form: Form) -> None:
    lines = [
        line
        for number, directory in enumerate(directories)
        for line in _lines(directory, journal if number == 0 else str(directory))
    ]
    note(f"{_count(lines)} in {', '.join(map(str, directories))}")
    if not lines and (others := elsewhere(directories[0])):
        note(others)
    _write_all(directories, lines, [*_folders(directories)], form)


def _folders(directories: Sequence[Path]) -> Iterator[FolderLine]:
    for line in folder_lines(*directories):
        if line.trouble:
            note(f"passed over: {line.trouble}")
        yield line


def _write_all(
    directories: Sequence[Path], lines: list[Line], folders: list[FolderLine], form: Form
) -> None:
    if form is Form.JSONL:
        write_jsonl([*map(_journal_object, lines), *map(object_of, folders)])
    elif form is Form.JSON:
        found = [*map(object_of, folders)]
        head = {"directories": [*map(str, directories)], "folders": found}
        write_document(head, "journals", map(_journal_object, lines))
    elif not on_terminal():
        write_fields([*map(_journal_fields, lines), *map(fields_of, folders)])
    else:
        _draw(lines, folders)


def _draw(lines: list[Line], folders: list[FolderLine]) -> None:
    if lines:
        write_table(_JOURNALS, [*map(_journal_row, lines)])
    if folders:
        write_lines([""] if lines else [])
        write_table(_FOLDERS, [*map(row_of, folders)])
    _write_next([*lines, *folders])


def _lines(directory: Path, journal: str | None) -> list[Line]:
    lines = []
    for view in every_view(directory):
        if isinstance(view, JournalError):
            note(f"passed over: {view}")
            continue
        standing = standing_of(view)
        lines.append(Line(standing, bytes_of(view.path), (), next_command(standing, journal)))
    return lines


def _count(lines: list[Line]) -> str:
    return {0: "no journals", 1: "1 journal"}.get(len(lines), f"{len(lines)} journals")


def _write_next(lines: Iterable[Line | FolderLine]) -> None:
    following = [line.next for line in lines if line.next is not None]
    if following:
        write_lines(["", *(printable(f"next: {words}") for words in following)])


def _journal_row(line: Line) -> list[str]:
    view = line.standing.view
    return [
        view.name,
        _load(line),
        _state(line),
        f"{view.outstanding:,}",
        _parked(view.parked),
        sized(line.size),
        ago(last_activity(view)),
    ]


def _journal_fields(line: Line) -> list[str]:
    view = line.standing.view
    counts = view.outstanding, line.standing.done, view.parked, line.size
    last = moment(last_activity(view))
    state = line.standing.state
    return [view.name, _load(line), state, *map(str, counts), last, line.next or "-"]


def _load(line: Line) -> str:
    load = line.standing.view.load
    return str(load.load_id) if load is not None else "-"


def _state(line: Line) -> str:
    state = line.standing.state
    return Failing(state) if line.next is not None and state != "settled" else state


def _parked(count: int) -> str:
    return Failing(f"{count:,}") if count else "0"


def _journal_object(line: Line) -> dict[str, Any]:
    view, run = line.standing.view, line.standing.view.run
    return {
        "name": view.name,
        "journal": view.path,
        "bytes": line.size,
        "load": view.load.load_id if view.load is not None else None,
        "state": line.standing.state,
        "outstanding": view.outstanding,
        "done": line.standing.done,
        "dropped": line.standing.dropped,
        "parked": view.parked,
        "last_run": run.started_at.isoformat() if run is not None else None,
        "executable": run.command.executable if run is not None else None,
        "argv": masked_words(run.command.argv) if run is not None else None,
        "cwd": run.command.cwd if run is not None else None,
        "next": line.next,
    }


# --- loads ----------------------------------------------------------------------------------------


def _list_loads(name: str, journal: str | None, form: Form) -> None:
    with reader_of(directory_of(journal, name), name) as reader:
        note(f"{name}; journal {reader.path}, {sized(bytes_of(reader.path))}")
        lines = _loads_of(reader, journal)
    if form is not Form.PEOPLE:
        head = {"name": name, "journal": reader.path, "bytes": bytes_of(reader.path)}
        write_rows(form, head, "loads", map(_load_object, lines))
    elif not on_terminal():
        write_fields(map(_load_fields, lines))
    elif lines:
        write_table(_LOADS, [*map(_load_row, lines)])
        _write_next(lines)


def _loads_of(reader: JournalReader, journal: str | None) -> list[Line]:
    current = reader.view().load
    lines = []
    for load in reader.loads():
        standing = standing_of(reader.view(load.load_id))
        named = current is not None and load.load_id != current.load_id
        following = next_command(standing, journal, named=named)
        lines.append(Line(standing, 0, reader.runs(load.load_id), following))
    return lines


def _load_row(line: Line) -> list[str]:
    standing, view = line.standing, line.standing.view
    counts = str(len(line.runs)), f"{view.outstanding:,}", f"{standing.done:,}"
    return [_load(line), _state(line), moment(_began(line)), *counts, _parked(view.parked)]


def _load_fields(line: Line) -> list[str]:
    standing, view = line.standing, line.standing.view
    counts = len(line.runs), view.outstanding, standing.done, view.parked
    texts = _load(line), standing.state, moment(_began(line)), *map(str, counts)
    return [*texts, line.next or "-"]


def _began(line: Line) -> datetime | None:
    load = line.standing.view.load
    return load.created_at if load is not None else None


def _load_object(line: Line) -> dict[str, Any]:
    standing, view = line.standing, line.standing.view
    assert view.load is not None, "it was listed"
    ended = view.load.ended_at
    return {
        "load": view.load.load_id,
        "kind": view.load.kind,
        "state": standing.state,
        "began": view.load.created_at.isoformat(),
        "ended": ended.isoformat() if ended is not None else None,
        "parameters": {param.name: param.shown for param in view.params},
        "outstanding": view.outstanding,
        "done": standing.done,
        "dropped": standing.dropped,
        "parked": view.parked,
        "runs": [_run_object(run) for run in line.runs],
        "next": line.next,
    }


def _run_object(run: Run) -> dict[str, Any]:
    return {
        "run": run.run_id,
        "started": run.started_at.isoformat(),
        "ended": run.ended_at.isoformat() if run.ended_at is not None else None,
        "result": run.result.value if run.result is not None else None,
        "reason": run.reason,
    }
