"""What an error of a target database means: for the row, for the attempt, or for the whole target.

It is read from what databases say by number: SQLSTATE, SQLite's result codes, and SQLAlchemy's
judgement of other drivers. Messages are never looked into: they are in the server's language.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Iterator, Mapping
from typing import Final


class Fault(enum.StrEnum):
    """What is at fault when storing items has raised."""

    AWAY = "away"
    """The target cannot be used now; no item is to blame. Wait, and store all of them again."""
    CONFLICT = "conflict"
    """Others were at the same rows. The same again, a moment later, is likely to succeed."""
    DATA = "data"
    """The database refuses what an item holds; it will do so again."""
    OTHER = "other"
    """Anything else: the handler's own error, or a statement that is wrong."""


SQLSTATES: Final[Mapping[str, tuple[Fault, str]]] = {
    "08": (Fault.AWAY, "the connection is lost, or cannot be made"),
    "25006": (Fault.AWAY, "the server is read-only, as a standby is during a failover"),
    "25P03": (Fault.AWAY, "the server has ended an idle transaction"),
    "53": (Fault.AWAY, "disk full, out of memory, too many connections"),
    "57P": (Fault.AWAY, "the server is stopped, has crashed or starts"),
    "58": (Fault.AWAY, "an I/O error of the server"),
    "XX001": (Fault.AWAY, "a damaged table"),
    "XX002": (Fault.AWAY, "a damaged index"),
    "40002": (Fault.DATA, "a constraint, found at the end of the transaction"),
    "40003": (Fault.AWAY, "the answer to a commit is lost"),
    "40": (Fault.CONFLICT, "a deadlock or a serialization failure"),
    "55P03": (Fault.CONFLICT, "a lock that was not to be had in time"),
    "22": (Fault.DATA, "a value that the type cannot hold: too long, out of range, no date"),
    "23": (Fault.DATA, "a constraint: unique, not null, check, foreign key, exclusion"),
    "44": (Fault.DATA, "a row outside its view"),
    "54": (Fault.DATA, "a row or key that is too big"),
    "P0001": (Fault.DATA, "a trigger or function that raised"),
}
"""What each SQLSTATE means, by its longest beginning in this table."""

SQLITE_CODES: Final[Mapping[int, tuple[Fault, str]]] = {
    5: (Fault.CONFLICT, "SQLITE_BUSY: somebody else writes"),
    6: (Fault.CONFLICT, "SQLITE_LOCKED: a table is in use"),
    7: (Fault.AWAY, "SQLITE_NOMEM"),
    8: (Fault.AWAY, "SQLITE_READONLY"),
    10: (Fault.AWAY, "SQLITE_IOERR"),
    11: (Fault.AWAY, "SQLITE_CORRUPT"),
    13: (Fault.AWAY, "SQLITE_FULL: the disk is full"),
    14: (Fault.AWAY, "SQLITE_CANTOPEN"),
    15: (Fault.CONFLICT, "SQLITE_PROTOCOL: locks that others hold"),
    18: (Fault.DATA, "SQLITE_TOOBIG"),
    19: (Fault.DATA, "SQLITE_CONSTRAINT"),
    20: (Fault.DATA, "SQLITE_MISMATCH: a type"),
    26: (Fault.AWAY, "SQLITE_NOTADB"),
}
"""What each primary result code of SQLite means."""

_PRIMARY: Final = 0xFF
_NOT_A_DATABASE: Final = 26


def fault_of(error: BaseException) -> Fault:
    """Return what is at fault, by an error or what it says it was raised from.

    An error that nobody knows is `Fault.OTHER`.
    """
    faults = filter(None, map(_fault, _chain(error)))
    return next(faults, Fault.OTHER)


def is_no_database(error: BaseException) -> bool:
    """Return whether SQLite has said that a file is something else than a database."""
    codes = (getattr(each, "sqlite_errorcode", None) for each in _chain(error))
    origs = (
        getattr(getattr(each, "orig", None), "sqlite_errorcode", None) for each in _chain(error)
    )
    return _NOT_A_DATABASE in {*codes, *origs}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__


def _fault(error: BaseException) -> Fault | None:
    stated = getattr(error, "fault", None)
    if isinstance(stated, Fault):
        return stated
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if isinstance(state, str):
        return _by_state(state)
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(code, int):
        return SQLITE_CODES.get(code & _PRIMARY, (None, ""))[0]
    return _by_class(error)


def _by_state(state: str) -> Fault | None:
    beginnings = (state[:length] for length in range(len(state), 1, -1))
    return next((SQLSTATES[part][0] for part in beginnings if part in SQLSTATES), None)


def _by_class(error: BaseException) -> Fault | None:
    """Judge errors that have no number of their own."""
    # Whoever has such an error has imported its module.
    if (psycopg := sys.modules.get("psycopg")) is not None and (
        isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    ):
        # The server has said nothing: there is none, or the connection to it is closed.
        return Fault.AWAY
    if (alchemy := sys.modules.get("sqlalchemy.exc")) is None:
        return None
    if isinstance(error, alchemy.DBAPIError):
        return _by_sqlalchemy(error, alchemy)
    return Fault.AWAY if isinstance(error, alchemy.TimeoutError) else None


def _by_sqlalchemy(error: BaseException, alchemy: object) -> Fault | None:
    if getattr(error, "connection_invalidated", False):
        return Fault.AWAY
    orig = getattr(error, "orig", None)
    if orig is not None and (known := _fault(orig)) is not None:
        return known
    refused = (getattr(alchemy, "IntegrityError"), getattr(alchemy, "DataError"))  # noqa: B009
    return Fault.DATA if isinstance(error, refused) else None
