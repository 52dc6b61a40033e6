"""What each column of the smaller tables can hold, and which may hold any of that.

The documentation lists the free columns from here, and the test that changes every field of a
journal believes them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from persistq.event import EventKind
from persistq.items import FailureKind
from persistq.journal.batch import Deed
from persistq.journal.load import LoadState
from persistq.journal.route import RouteKind
from persistq.journal.run import RunResult

if TYPE_CHECKING:
    import sqlite3

    from persistq.journal.soundness.findings import Findings

_TIME: Final = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")
_UUID: Final = re.compile(rb"[0-9a-f]{32}")


class Shape(NamedTuple):
    """What a value looks like.

    Attributes:
        says: What it is, in words.
        fits: Whether a value is of this shape; texts come as their bytes.
    """

    says: str
    fits: Callable[[Any], bool]


class Column(NamedTuple):
    """One column.

    Attributes:
        name: Its table and itself, ``load.state``.
        shape: What it holds.
        free: Why another value of that shape contradicts nothing; empty if it does.
    """

    name: str
    shape: Shape
    free: str = ""


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_time(value: bytes) -> bool:
    try:
        return bool(_TIME.fullmatch(value)) and bool(datetime.fromisoformat(value.decode()))
    except ValueError:
        return False


def _parsed(value: bytes) -> Any:
    try:
        # Texts of the system that are no UTF-8 are in it as lone surrogates, escaped.
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _are_texts(found: Any) -> bool:
    return all(isinstance(one, str) for one in found)


def _are_counts(found: dict[str, Any]) -> bool:
    return all(key.isdecimal() and isinstance(count, int) for key, count in found.items())


def _one_of(*words: str) -> Shape:
    known = {word.encode() for word in words}
    return Shape(" or ".join(f"'{word}'" for word in words), lambda value: value in known)


def _number(says: str, least: int, most: int) -> Shape:
    return Shape(says, lambda value: least <= value <= most)


def _or_null(shape: Shape) -> Shape:
    return Shape(f"{shape.says}, or NULL", lambda value: value is None or shape.fits(value))


TEXT: Final = Shape("a text in UTF-8", _is_text)
WORDS: Final = Shape("a text that is not empty", lambda value: value != b"" and _is_text(value))
TIME: Final = Shape("a time, as 2026-01-31T12:00:00.000000+00:00", _is_time)
UUID: Final = Shape("32 hex digits", lambda value: bool(_UUID.fullmatch(value)))
NUMBER: Final = Shape("a number", lambda value: isinstance(value, int))
COUNT: Final = _number("a number from 1 on", 1, 1 << 63)
AMOUNT: Final = _number("a number", 0, 1 << 63)
SECONDS: Final = Shape(
    "a number of seconds", lambda value: isinstance(value, int | float) and value >= 0
)
FLAG: Final = _number("0 or 1", 0, 1)
CODEC: Final = _number("0, 1 or 2", 0, 2)
BYTES: Final = Shape("bytes", lambda value: isinstance(value, bytes))
JSON_TEXT: Final = Shape("JSON: a string", lambda value: isinstance(_parsed(value), str))
JSON_TEXTS: Final = Shape(
    "JSON: an array of strings",
    lambda value: isinstance(found := _parsed(value), list) and _are_texts(found),
)
JSON_COUNTS: Final = Shape(
    "JSON: an object of numbers by numbers",
    lambda value: isinstance(found := _parsed(value), dict) and _are_counts(found),
)
JSON_PAIRS: Final = Shape(
    "JSON: an object of strings",
    lambda value: isinstance(found := _parsed(value), dict) and _are_texts(found.values()),
)

_FOR_PEOPLE: Final = "for people"
_CLOCK: Final = "clocks may be set back, so times are not compared"
_PROCESS: Final = "names a process that may be gone"
_MEASURED: Final = "measured, and nothing goes by it"
_ENDING: Final = "what the system has said"

# SQLite forgets CHECK constraints where it only reads, so what they say is said here again.
_ONE: Final = _number("1", 1, 1)

COLUMNS: Final = (
    Column("journal.journal_id", _ONE),
    Column("journal.uuid", UUID, "names the journal, and nothing in it repeats that"),
    Column("journal.created_at", TIME, _CLOCK),
    Column("journal.template", _or_null(TEXT), "the program knows what it is called"),
    Column("load.kind", _one_of("queue", "pipeline"), "a pipeline may have one stage"),
    Column(
        "load.state",
        _one_of(*LoadState),
        "open and reopened differ in who carries it on; what is all done may have been abandoned",
    ),
    Column("load.created_at", TIME, _CLOCK),
    Column("load.ended_at", _or_null(TIME), _CLOCK),
    Column("load.purged_at", _or_null(TIME), "rows of a purged load go bit by bit"),
    Column("param.load_id", NUMBER, "another load"),
    Column("param.name", TEXT, "the program knows which there are"),
    Column("param.codec", CODEC),
    Column("param.payload", BYTES, "any value that its codec reads"),
    Column("param.shown", TEXT, _FOR_PEOPLE),
    Column("param.given", FLAG, "both are as good"),
    Column("run.load_id", NUMBER, "a load; of a run that has left no other trace"),
    Column("run.executable", JSON_TEXT, _FOR_PEOPLE),
    Column("run.argv", JSON_TEXTS, _FOR_PEOPLE),
    Column("run.cwd", JSON_TEXT, _FOR_PEOPLE),
    Column("run.environment", JSON_PAIRS, _FOR_PEOPLE),
    Column("run.host", TEXT, _PROCESS),
    Column("run.pid", NUMBER, _PROCESS),
    Column("run.started", NUMBER, _PROCESS),
    Column("run.node", TEXT, _FOR_PEOPLE),
    Column("run.started_at", TIME, _CLOCK),
    Column("run.seen_at", TIME, _CLOCK),
    Column("run.ended_at", _or_null(TIME), _CLOCK),
    Column("run.result", _or_null(_one_of(*RunResult)), "what the program has said"),
    Column("run.reason", TEXT, _FOR_PEOPLE),
    Column("run.uuid", UUID, "names the run, and nothing else repeats that"),
    Column("queue.name", TEXT, "the program knows its stages"),
    Column(
        "queue.sealed_total",
        _or_null(AMOUNT),
        "the number of its items, or NULL: of the last stage that is sealed, in an unsettled load",
    ),
    Column("queue.held", TEXT, _FOR_PEOPLE),
    Column("queue.rated_until", AMOUNT, _CLOCK),
    Column("queue.keyed", FLAG, "of a queue without blocks, as long as nothing was left out"),
    Column("queue.once", FLAG, "of a queue with natural keys, both are as good"),
    Column("queue.duplicates", AMOUNT, "what was left out has left no trace"),
    Column("queue.skipped", AMOUNT, "what was left out has left no trace"),
    Column("queue.worked", SECONDS, _MEASURED),
    Column("queue.told", AMOUNT),
    Column("queue.noted", AMOUNT, "another number, of items that it has"),
    Column("done_key.first_id", NUMBER, "another item of a queue with natural keys"),
    Column("done_key.digests", BYTES),
    Column("done_key.crc", NUMBER),
    Column("queue.bytes", AMOUNT, "of a purged load; not less than is left"),
    Column("route.queue_id", NUMBER, "another stage of the load that nothing contradicts"),
    Column("route.target_id", NUMBER, "another stage of the load that nothing contradicts"),
    Column("route.kind", _one_of(*RouteKind), "feeds and ends, where nothing has gone that way"),
    Column(
        "turn.run_id",
        _or_null(NUMBER),
        "of a turn in which nothing was put: a run of the load; NULL if all of it was by hand",
    ),
    Column("turn.at", NUMBER, _CLOCK),
    Column("source.queue_id", NUMBER, "another stage of a pipeline, if nothing else names it"),
    Column("source.name", TEXT, "the program knows its sources"),
    Column("source.ended", FLAG, "either, while its stage is not sealed"),
    Column("source_span.source_id", _or_null(NUMBER), "another source, where a source has put"),
    Column("cursor.source_id", NUMBER, "another source, whose stage has as many items"),
    Column("cursor.put", AMOUNT, "another number, of items that it has"),
    Column("cursor.duplicates", AMOUNT, "another number, of what its queue has left out"),
    Column("cursor.skipped", AMOUNT, "another number, of what its queue has left out"),
    Column("put_block.turn_id", NUMBER, "a turn of the run that put it, in order"),
    Column("put_block.origin", NUMBER, "an item that has ended, of another stage of the load"),
    Column("put_block.steps", BYTES, "as long as all origins are such items"),
    Column("put_block.digests", _or_null(BYTES), "of as many items, and of each another one"),
    Column("put_block.rank", _or_null(NUMBER), "any place: a function of the program's tells it"),
    Column("put_block.due_at", _or_null(NUMBER), _CLOCK),
    Column("spool.item_id", NUMBER, "of what was not published, any item that is put"),
    Column("done_range.turn_id", NUMBER, "a turn of the load, not before its items were put"),
    Column("drop_reason.item_id", NUMBER, "a dropped item"),
    Column("drop_reason.reason", WORDS, _FOR_PEOPLE),
    Column("parked.item_id", NUMBER, "another item that has failed and not ended"),
    Column("checkpoint.item_id", NUMBER, "another item that is outstanding or parked"),
    Column("printed.printed_id", NUMBER, "another number: lines are dropped, and leave gaps"),
    Column("printed.item_id", NUMBER, "another item of the run's load"),
    Column("printed.run_id", NUMBER, "another run of the item's load"),
    Column("printed.stream", _number("1 or 2", 1, 2), _FOR_PEOPLE),
    Column("printed.text", TEXT, _FOR_PEOPLE),
    Column("printed.at", TIME, _CLOCK),
    Column("failure.run_id", _or_null(NUMBER), "a run of the item's load"),
    Column("failure.item_id", NUMBER, "an item of the run's load, unless it was parked for this"),
    Column("failure.kind", _one_of(*FailureKind), "each may happen to each item"),
    Column("failure.type", TEXT, _FOR_PEOPLE),
    Column("failure.message", TEXT, _FOR_PEOPLE),
    Column("failure.traceback", TEXT, _FOR_PEOPLE),
    Column("failure.pid", NUMBER, _PROCESS),
    Column("failure.signal", _or_null(NUMBER), _ENDING),
    Column("failure.exit_code", _or_null(NUMBER), _ENDING),
    Column("failure.peak_rss", _or_null(NUMBER), _ENDING),
    Column("failure.out_of_memory", _or_null(FLAG), _ENDING),
    Column("failure.at", TIME, _CLOCK),
    Column("failure.retry_at", _or_null(TIME), _CLOCK),
    Column("failure.forgiven", FLAG, "of an item that is not parked"),
    Column("by_hand.item_id", NUMBER, "another item that is put, or for which nothing was put"),
    Column("by_hand.deed", _one_of(*Deed), "of a dropped item, retried and dropped are as good"),
    Column("by_hand.at", TIME, _CLOCK),
    Column("by_hand.replacement", _or_null(NUMBER), "of an edited item, a later one"),
    Column("event.kind", _one_of(*EventKind), "what becomes of parked items; how a load has ended"),
    Column("event.at", NUMBER, _CLOCK),
    Column("event.first_id", _or_null(NUMBER), "another item, of an event that is not of a put"),
    Column("event.last_id", _or_null(NUMBER), "another item, of an event that is not of a put"),
    Column("event.failure_id", _or_null(NUMBER), "another failure of the same item"),
    Column("event.load_id", _or_null(NUMBER), "another load"),
    Column("worker.run_id", NUMBER, "a run of the stage's load"),
    Column("worker.queue_id", NUMBER, "a stage of the run's load"),
    Column("worker.host", TEXT, _PROCESS),
    Column("worker.pid", NUMBER, _PROCESS),
    Column("worker.started", NUMBER, _PROCESS),
    Column("worker.started_at", TIME, _CLOCK),
    Column("worker.ended_at", _or_null(TIME), _CLOCK),
    Column("worker.ending", _or_null(TEXT), _FOR_PEOPLE),
    Column("timing.run_id", NUMBER, "another run of the stage's load"),
    Column("timing.queue_id", NUMBER, "another stage of the run's load"),
    Column("timing.worked", SECONDS, _MEASURED),
    Column("timing.waited", SECONDS, _MEASURED),
    Column("timing.counts", JSON_COUNTS, _MEASURED),
    Column("slow.item_id", NUMBER, "another item of the run's load"),
    Column("slow.run_id", NUMBER, "another run of the item's load"),
    Column("slow.seconds", SECONDS, _MEASURED),
    Column("sample.run_id", NUMBER, "another run, where no stage was sampled"),
    Column("sample.tick", AMOUNT, "another moment, where no stage was sampled"),
    Column("sample.at", NUMBER, _CLOCK),
    Column("sample.broker_rss", AMOUNT, _MEASURED),
    Column("stage_sample.run_id", NUMBER, "another run of the stage's load, if it has that moment"),
    Column("stage_sample.tick", AMOUNT, "another moment of its run"),
    Column("stage_sample.queue_id", NUMBER, "another stage of the run's load"),
    Column("stage_sample.put", AMOUNT, _MEASURED),
    Column("stage_sample.done", AMOUNT, _MEASURED),
    Column("stage_sample.dropped", AMOUNT, _MEASURED),
    Column("stage_sample.parked", AMOUNT, _MEASURED),
    Column("stage_sample.worked", SECONDS, _MEASURED),
    Column("stage_sample.waited", SECONDS, _MEASURED),
    Column("stage_sample.rss", AMOUNT, _MEASURED),
    Column("writer.writer_id", _ONE),
    Column("writer.epoch", COUNT, "rises with each opening, of which there is no list"),
    Column("writer.host", TEXT, _PROCESS),
    Column("writer.pid", NUMBER, _PROCESS),
    Column("writer.started", NUMBER, _PROCESS),
    Column("writer.node", TEXT, _FOR_PEOPLE),
)

FREE: Final = {column.name: column for column in COLUMNS if column.free}

MAY_LACK: Final = {
    "param": "a load may have any parameters",
    "source": "the last one, if nothing else names it",
    "source_span": "another one may have put before as well",
    "cursor": "a source need not say how far it has come",
    "route": "the program knows its stages; not one by which an item has come",
    "done_key": "any: its items are taken again",
    "drop_reason": "a handler need not say why",
    "checkpoint": "a handler need not say how far it has come",
    "printed": "a handler need not print anything",
    "spool": "one that was not published, and has no blocks",
    "spool_block": "the last ones of a spool that was not published",
    "failure": "the last one, if no parked item needs it",
    "by_hand": "the last one, if what it tells of was not the work of a turn without a run",
    "event": "the first one: of purged loads they go, and of others the oldest",
    "worker": "the last one",
    "timing": "a run may have told nothing",
    "slow": "others may be slower",
    "sample": "one in which no stage was sampled",
    "stage_sample": "any: of each run some are dropped",
}
"""Tables of which a row may be missing, and which row."""

MAY_HAVE_MORE: Final = {
    "load": "the last one may have no stages and no run yet",
    "param": "a load may have any parameters",
    "source": "of a pipeline, at the end",
    "source_span": "at another block of a source",
    "cursor": "of another source",
    "route": "between stages of a load, forwards, where no seal contradicts it",
    "done_key": "of other items of a queue with natural keys",
    "drop_reason": "of dropped items",
    "checkpoint": "of another item that is outstanding or parked",
    "printed": "of any item of the run's load",
    "spool": "one that was not published may have no blocks yet",
    "spool_block": "at the end of a spool that was not published",
    "failure": "at the end",
    "by_hand": "at the end",
    "event": "at the end, if it is of no put",
    "worker": "at the end",
    "timing": "of another stage of the run's load",
    "slow": "of any item of the run's load",
    "sample": "of any run",
    "stage_sample": "of a stage of the run's load, in a moment of the run",
    "put_block": "of a purged load, the rows of which go bit by bit",
    "turn": "of a purged load, the rows of which go bit by bit",
}
"""Tables that may have a row more, and where."""

# Of these the other checks see every row.
_LARGE: Final = {"put_block", "done_range", "turn", "spool"}


def check_columns(connection: sqlite3.Connection, findings: Findings) -> None:
    """Look at every value of the smaller tables."""
    small = [column for column in COLUMNS if _table(column) not in _LARGE]
    for table, columns in groupby(small, key=_table):
        _check_table(connection, table, [*columns], findings)


def _check_table(
    connection: sqlite3.Connection, table: str, columns: list[Column], findings: Findings
) -> None:
    names = ", ".join(column.name for column in columns)
    for row in connection.execute(f"SELECT {names} FROM {table}"):
        for column, value in zip(columns, row, strict=True):
            if not column.shape.fits(value):
                what = f"{column.name} holds {{}} values that are not {column.shape.says}"
                findings.add(what, _shown(value))


def _table(column: Column) -> str:
    return column.name.partition(".")[0]


def _shown(value: object) -> str:
    text = value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
    return repr(text[:40])
