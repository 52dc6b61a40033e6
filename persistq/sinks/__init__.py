"""Sinks: databases and files that a stage stores its items in, each once.

General layout: a `sink` becomes, in a worker's process, a `loading.Loader` over a `target`
(`engines` for SQLAlchemy, `connections` for psycopg and sqlite3) and its `receipts` (`statements`
in SQL of their own for SQLite and PostgreSQL, `generic` for other dialects). What it loads is a
`batch`, in one transaction (`work`) or several: one that raised is taken in `parts`, by what
`guessing` knows. `faults` says what an error of the target means. `files` are written beside and
finished when the receipt is committed; where no database is the target, the receipts are in a
SQLite file (`late`). `copying` is for handlers.
"""

from persistq.sinks.copying import copy_into
from persistq.sinks.ending import Ending, NotStored, Stored
from persistq.sinks.faults import Fault
from persistq.sinks.files import append_output, open_output
from persistq.sinks.late import FileSink
from persistq.sinks.loading import Attempt, Loader
from persistq.sinks.receipts import Key
from persistq.sinks.sink import Sink
from persistq.sinks.trying import Tried

__all__ = [
    "Attempt",
    "Ending",
    "Fault",
    "FileSink",
    "Key",
    "Loader",
    "NotStored",
    "Sink",
    "Stored",
    "Tried",
    "append_output",
    "copy_into",
    "open_output",
]
