"""Sinks: databases and files that a stage stores its items in, each once.

General layout: a `sink` becomes, in a worker's process, a `loading.Loader` over a `target`
(`engines` for SQLAlchemy, `connections` for psycopg and sqlite3) and its `receipts` (`statements`
in SQL of their own for SQLite and PostgreSQL, `generic` for other dialects). `faults` says what an
error of the target means. `files` are written beside and finished when the receipt is committed;
where no database is the target, the receipts are in a SQLite file (`late`).
"""

from persistq.sinks.faults import Fault
from persistq.sinks.files import append_output, open_output
from persistq.sinks.late import FileSink
from persistq.sinks.loading import Attempt, Ending, Loader, NotStored, Stored
from persistq.sinks.sink import Sink

__all__ = [
    "Attempt",
    "Ending",
    "Fault",
    "FileSink",
    "Loader",
    "NotStored",
    "Sink",
    "Stored",
    "append_output",
    "open_output",
]
