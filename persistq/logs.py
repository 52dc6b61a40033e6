"""Records of `logging`: which fields they have, and how they become lines.

What persistq says itself is logged by the logger ``persistq``. These records, and those of handlers
in worker processes, have the same fields, by which they can be found and counted.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any, Final

from persistq.text.terminal import printable

LOGGER: Final = "persistq"

FIELDS: Final = ("journal", "load", "stage", "item", "attempt", "worker")
"""Attributes that records have: the journal's name, the load's number, the stage's name, what
people call the item (``clean:6``), which attempt at it this is, and the number of the worker's
process. One that does not apply is not there, or is empty."""

_PLAIN: Final = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}

logging.getLogger(LOGGER).addHandler(logging.NullHandler())


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields of a record that apply, in the order of `FIELDS`."""
    found = ((name, getattr(record, name, None)) for name in FIELDS)
    return {name: value for name, value in found if value not in (None, "", 0)}


def extras_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return what else a program has given a record as ``extra``."""
    known = _PLAIN | {*FIELDS}
    return {name: value for name, value in vars(record).items() if name not in known}


class JsonFormatter(logging.Formatter):
    """Makes one JSON object of each record, on one line.

    Its members are ``time`` (ISO 8601 in UTC), ``level``, ``logger``, ``message``, the `FIELDS`
    that apply, whatever else was given as ``extra``, and ``error``, a traceback, if there is one.

    Example:
        >>> handler = logging.StreamHandler()
        >>> handler.setFormatter(JsonFormatter())
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        members = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **fields_of(record),
            **extras_of(record),
        }
        if error := self._error_of(record):
            members["error"] = error
        return json.dumps(members, default=repr)

    def _error_of(self, record: logging.LogRecord) -> str:
        if record.exc_info and not record.exc_text:
            return self.formatException(record.exc_info)
        return record.exc_text or ""


class TextFormatter(logging.Formatter):
    """Makes a line for people of each record, with the `FIELDS` that apply behind it.

    Example:
        >>> handler = logging.StreamHandler()
        >>> handler.setFormatter(TextFormatter("%(asctime)s %(levelname)s %(message)s"))
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the line of a record, before a traceback."""
        fields = " ".join(f"{name}={printable(str(it))}" for name, it in fields_of(record).items())
        return super().formatMessage(record) + (f" [{fields}]" if fields else "")


def log(level: int, text: str, **fields: Any) -> None:
    """Log what persistq says.

    Args:
        level: Its level.
        text: What it says.
        **fields: Some of `FIELDS`.
    """
    logging.getLogger(LOGGER).log(level, "%s", text, extra=fields)
