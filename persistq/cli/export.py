"""``persistq export``: every item of a load, for other programs."""

from __future__ import annotations

import csv
import enum
import io
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from persistq.cli.choosing import directory_of, reader_of
from persistq.cli.options import journal_option, load_option, name_argument, stage_option
from persistq.cli.output import note, write_jsonl, write_lines
from persistq.cli.pointing import Names, item_object, names_in, stages_chosen
from persistq.items import item_id_of, number_of
from persistq.journal.reader import ItemState
from persistq.text.masking import masked_text
from persistq.text.payloads import compact, in_brief, shown
from persistq.text.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from persistq.journal.queuerow import QueueRow
    from persistq.journal.reader import Attempt, JournaledItem, JournalReader
    from persistq.journal.view import JournalView
    from persistq.keys import ItemKeys

JOBLOG_COLUMNS: Final = (
    *("Seq", "Host", "Starttime", "JobRuntime", "Send", "Receive", "Exitval", "Signal", "Command"),
)
CSV_COLUMNS: Final = (
    *("name", "id", "key", "load", "stage", "state", "put_at", "ended_at", "attempts"),
    *("failed_at", "type", "message", "reason", "item"),
)
_COMMAND_WIDTH: Final = 200
_PAGE_ROWS: Final = 200


class Style(enum.Enum):
    """What is written."""

    JOBLOG = "joblog"
    JSONL = "jsonl"
    CSV = "csv"


class Record(NamedTuple):
    """One item with all that is exported of it.

    Attributes:
        found: The item, and where it is.
        attempts: Its failed attempts, oldest first.
        names: What items of its load are called.
        keys: What makes the keys of its stage.
        load_id: Its load.
        node: The host of the load's last run.
    """

    found: JournaledItem
    attempts: list[Attempt]
    names: Names
    keys: ItemKeys
    load_id: int
    node: str


@click.command("export", short_help="Write every item of a load, for other programs.")
@name_argument
@click.option("--jsonl", "style", flag_value=Style.JSONL, help="A JSON object on each line.")
@click.option("--csv", "style", flag_value=Style.CSV, help="CSV with a line of titles.")
@click.option("--joblog", "style", flag_value=Style.JOBLOG, help="The columns of GNU parallel.")
@stage_option
@load_option
@journal_option
def command(
    *,
    name: str | None,
    style: Style | None,
    stage: str | None,
    load: int | None,
    journal: str | None,
) -> None:
    """Write every item of a load with where it is, how often it has failed, and its last error.

    NAME is the load's name; without it, the load on which a run started last. Secrets are masked,
    pickles described. In a joblog Exitval is 0 for what is done or dropped, 1 for what is parked,
    and -1 for what is outstanding; Starttime is when it was put, and JobRuntime the seconds from
    then until it ended.

    \b
    Example:
      $ persistq export sales --csv
    """  # noqa: D301 - \b is click's mark for lines to keep
    if style is None:
        raise click.UsageError("Say in which form: --jsonl, --csv or --joblog.")
    with reader_of(directory_of(journal, name), name) as reader:
        view = reader.view(load)
        queues = stages_chosen(view, stage)
        which = "no load" if view.load is None else f"load {view.load.load_id}"
        note(f"{view.name}, {which}; journal {view.path}")
        _WRITERS[style](_records(reader, view, queues))


def _records(reader: JournalReader, view: JournalView, queues: list[QueueRow]) -> Iterator[Record]:
    names = names_in(reader, view)
    node = view.run.command.peer.node if view.run is not None else ""
    for queue in queues:
        keys = reader.keys(queue.queue_id)
        # What comes later may be put by a run that is not known here.
        last_id = item_id_of(queue.queue_id, queue.put)
        items = reader.items(item_id_of(queue.queue_id, 1), last_id)
        while page := list(islice(items, _PAGE_ROWS)):
            attempts = _attempts_at(reader, page)
            for found in page:
                failed = attempts.get(found.item_id, [])
                yield Record(found, failed, names, keys, queue.load_id, node)


def _attempts_at(reader: JournalReader, page: list[JournaledItem]) -> dict[int, list[Attempt]]:
    attempts: dict[int, list[Attempt]] = {}
    for attempt in reader.attempts(page[0].item_id, page[-1].item_id):
        attempts.setdefault(attempt.failure.item_id, []).append(attempt)
    return attempts


# --- GNU parallel ---------------------------------------------------------------------------------


def _write_joblog(records: Iterator[Record]) -> None:
    rows = (_joblog_row(record) for record in records)
    write_lines("\t".join(map(printable, row)) for row in _with_titles(JOBLOG_COLUMNS, rows))


def _with_titles(
    titles: tuple[str, ...], rows: Iterator[tuple[str, ...]]
) -> Iterator[tuple[str, ...]]:
    yield titles
    yield from rows


def _joblog_row(record: Record) -> tuple[str, ...]:
    item, last = record.found.item, _last(record)
    start, runtime = times_of(record)
    exit_value = {ItemState.PARKED: "1", ItemState.OUTSTANDING: "-1"}.get(record.found.state, "0")
    signal = last.failure.signal if last is not None and exit_value == "1" else None
    text = in_brief(item.codec, item.payload, _COMMAND_WIDTH)
    command = f"{record.names.of(item.item_id)} {text}"
    numbers = str(number_of(item.item_id)), record.node or ":", f"{start:.3f}", f"{runtime:10.3f}"
    return *numbers, "0", "0", exit_value, str(signal or 0), command


def times_of(record: Record) -> tuple[float, float]:
    """Return when an item was put, since 1970, and how long it took until it ended, in seconds.

    What it waited belongs to it: when attempts begin is not recorded. It is 0 for what has not
    ended.
    """
    put, end = record.found.put, _ended_at(record)
    start = put.at.timestamp() if put is not None else 0.0
    return start, max(end.timestamp() - start, 0.0) if start and end is not None else 0.0


def _ended_at(record: Record) -> datetime | None:
    """Return when an item was done, dropped or parked."""
    found, last = record.found, _last(record)
    if found.ended is not None:
        return found.ended.at
    return last.at if found.state is ItemState.PARKED and last is not None else None


# --- CSV and JSON ---------------------------------------------------------------------------------


def _write_csv(records: Iterator[Record]) -> None:
    write_lines(map(_csv_line, _with_titles(CSV_COLUMNS, map(_csv_row, records))))


def _csv_line(row: tuple[str, ...]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(row)
    return text.getvalue()


def _csv_row(record: Record) -> tuple[str, ...]:
    found, last = record.found, _last(record)
    item = found.item
    seen = shown(item.codec, item.payload)
    return (
        record.names.full(item.item_id),
        str(item.item_id),
        record.keys.of(item.item_id),
        str(record.load_id),
        record.names.stage(item.item_id),
        found.state.value,
        _iso(found.put.at if found.put is not None else None) or "",
        _iso(_ended_at(record)) or "",
        str(len(record.attempts)),
        last.at.isoformat() if last is not None else "",
        last.failure.type if last is not None else "",
        masked_text(last.failure.message) if last is not None else "",
        masked_text(found.reason),
        in_brief(item.codec, item.payload) if seen.pickle or seen.damaged else compact(seen.value),
    )


def _write_jsonl(records: Iterator[Record]) -> None:
    write_jsonl(map(_as_object, records))


def _as_object(record: Record) -> dict[str, Any]:
    found, last = record.found, _last(record)
    return item_object(found.item, record.names, record.keys) | {
        "load": record.load_id,
        "state": found.state.value,
        "put_at": _iso(found.put.at if found.put is not None else None),
        "ended_at": _iso(_ended_at(record)),
        "reason": masked_text(found.reason) or None,
        "attempts": len(record.attempts),
        "failed_at": last.at.isoformat() if last is not None else None,
        "type": last.failure.type if last is not None else None,
        "message": masked_text(last.failure.message) if last is not None else None,
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None


def _last(record: Record) -> Attempt | None:
    return record.attempts[-1] if record.attempts else None


_WRITERS: Final = {Style.JOBLOG: _write_joblog, Style.CSV: _write_csv, Style.JSONL: _write_jsonl}
