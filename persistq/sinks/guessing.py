"""How far a database had come in a batch when it refused a row, as its driver knows it.

It is a guess, because a handler may do anything: whoever acts on it finds out whether it is right.
Numbers alone are read, for messages are in the server's language.
"""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any, Final

from persistq.sinks.faults import Fault, fault_of

_COPY_LINE: Final = re.compile(r"\ACOPY .*?, \D*(\d+)")
"""PostgreSQL's context of an error within COPY: ``COPY rows, line 17, column n``."""


def refused_row(error: BaseException, rows: int | None) -> int | None:
    """Return the index of the row that was refused, or None if there is no way to tell.

    Args:
        error: What the attempt has raised.
        rows: How many rows it had written before, if its connection counts that.
    """
    if fault_of(error) is not Fault.DATA:
        return None
    original = getattr(error, "orig", None) or error
    if (line := _line_of_copy(original)) is not None:
        return line - 1
    counted = _rows_of_many(original.__traceback__)
    return rows if counted is None else counted


def _line_of_copy(error: Any) -> int | None:
    context = getattr(getattr(error, "diag", None), "context", None) or ""
    found = _COPY_LINE.match(context)
    return int(found[1]) if found else None


def _rows_of_many(traceback: TracebackType | None) -> int | None:
    """Return how many rows the `executemany` of psycopg has had answers for, if it has raised.

    Its cursor counts them, and is known to nobody but those who called it.
    """
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_code.co_name == "executemany":
            count = getattr(frame.f_locals.get("self"), "rowcount", None)
            if isinstance(count, int) and count >= 0:
                return count
        traceback = traceback.tb_next
    return None
