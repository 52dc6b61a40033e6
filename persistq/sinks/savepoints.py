"""Savepoints in plain SQL, as SQLite and PostgreSQL both have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_NAME: Final = "persistq_part"


class SavepointLost(Exception):
    """A transaction cannot go back to its savepoint: it has been ended, or its connection has."""


@contextmanager
def savepoint(run: Callable[[str], object]) -> Iterator[None]:
    """Undo what is done within if it raises, and raise the same.

    Args:
        run: Executes a statement.

    Raises:
        SavepointLost: It could not be undone; raised from the error.
    """
    run(f"SAVEPOINT {_NAME}")
    try:
        yield
        run(f"RELEASE SAVEPOINT {_NAME}")
    except BaseException as error:
        try:
            run(f"ROLLBACK TO SAVEPOINT {_NAME}")
            run(f"RELEASE SAVEPOINT {_NAME}")
        except Exception:  # noqa: BLE001 - whatever a driver raises when it cannot go back
            raise SavepointLost from error
        raise
