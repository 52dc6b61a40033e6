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

from persistq.items import FailureKind
from persistq.journal.base import Deed, LoadState, RunResult

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
FLAG: Final = _number("0 or 1", 0, 1)
CODEC: Final = _number("0, 1 or 2", 0, 2)
BYTES: Final = Shape("bytes", lambda value: isinstance(value, bytes))
JSON_TEXT: Final = Shape("JSON: a string", lambda value: isinstance(_parsed(value), str))
JSON_TEXTS: Final = Shape(
    "JSON: an array of strings",
    lambda value: isinstance(found := _parsed(value), list) and _are_texts(found),
)
JSON_PAIRS: Final = Shape(
    "JSON: an object of strings",
    lambda value: isinstance(found := _parsed(value), dict) and _are_texts(found.values()),
)

_FOR_PEOPLE: Final = "for people"
_CLOCK: Final = "clocks may be set back, so times are not compared"
_PROCESS: Final = "names a process that may be gone"
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
        _or_null(_number("a number", 0, 1 << 63)),
        "the number of its items, or NULL: of the last stage that is sealed, in an unsettled load",
    ),
    Column("queue.held", TEXT, _FOR_PEOPLE),
    Column(
        "queue.bytes", _number("a number", 0, 1 << 63), "of a purged load; not less than is left"
    ),
    Column(
        "turn.run_id",
        _or_null(NUMBER),
        "of a turn in which nothing was put: a run of the load; NULL if all of it was by hand",
    ),
    Column("turn.at", NUMBER, _CLOCK),
    Column("cursor.queue_id", NUMBER, "another first stage, with as many items"),
    Column("cursor.put", COUNT, "another number, of items that it has"),
    Column("put_block.turn_id", NUMBER, "a turn of the run that put it, in order"),
    Column("put_block.origin", NUMBER, "an item that has ended, of another stage of the load"),
    Column("put_block.steps", BYTES, "as long as all origins are such items"),
    Column("spool.item_id", NUMBER, "of what was not published, any item that is put"),
    Column("done_range.turn_id", NUMBER, "a turn of the load, not before its items were put"),
    Column("drop_reason.item_id", NUMBER, "a dropped item"),
    Column("drop_reason.reason", WORDS, _FOR_PEOPLE),
    Column("parked.item_id", NUMBER, "another item that has failed and not ended"),
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
    Column("worker.run_id", NUMBER, "a run of the stage's load"),
    Column("worker.queue_id", NUMBER, "a stage of the run's load"),
    Column("worker.host", TEXT, _PROCESS),
    Column("worker.pid", NUMBER, _PROCESS),
    Column("worker.started", NUMBER, _PROCESS),
    Column("worker.started_at", TIME, _CLOCK),
    Column("worker.ended_at", _or_null(TIME), _CLOCK),
    Column("worker.ending", _or_null(TEXT), _FOR_PEOPLE),
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
    "cursor": "a source need not say how far it has come",
    "drop_reason": "a handler need not say why",
    "spool": "one that was not published, and has no blocks",
    "spool_block": "the last ones of a spool that was not published",
    "failure": "the last one, if no parked item needs it",
    "by_hand": "the last one, if what it tells of was not the work of a turn without a run",
    "worker": "the last one",
}
"""Tables of which a row may be missing, and which row."""

MAY_HAVE_MORE: Final = {
    "load": "the last one may have no stages and no run yet",
    "param": "a load may have any parameters",
    "cursor": "of another first stage",
    "drop_reason": "of dropped items",
    "spool": "one that was not published may have no blocks yet",
    "spool_block": "at the end of a spool that was not published",
    "failure": "at the end",
    "by_hand": "at the end",
    "worker": "at the end",
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
