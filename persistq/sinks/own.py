"""Storing an item once with a connection of the handler's own."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from persistq import failpoints
from persistq.errors import UsageError
from persistq.sinks.receipts import Key
from persistq.sinks.sink import make_table, receipts_for, target_of
from persistq.sinks.trying import NoReceipts, TriedTarget

if TYPE_CHECKING:
    from persistq.sinks.receipts import Receipts
    from persistq.sinks.target import Target


@contextmanager
def transaction(
    connection: Any, key: str, schema: str | None = None, *, tried: bool = False
) -> Iterator[bool]:
    """Begin a transaction in which an item is stored with its receipt; see `ItemInfo.transaction`.

    Crash: before the commit nothing is stored; after it, whoever gets the item finds its receipt.

    Args:
        connection: A `psycopg.Connection` or `sqlite3.Connection`, in no transaction.
        key: The item's key.
        schema: Where the table of receipts is; None leaves that to the connection.
        tried: Whether the item is of a sample: then it is fresh, and all is rolled back.

    Raises:
        UsageError: It is none, is in a transaction, or the table cannot be made.
        TransactionEnded: The block has committed or rolled back by itself.
        TransactionFailed: An error within it was caught, and nothing can be committed.
    """
    target, receipts = _opened(connection, schema, tried)
    name = Key.of(key)
    with target.transaction() as session:
        fresh = not receipts.find(session, [name])
        yield fresh
        if fresh:
            receipts.add(session, [name], [None])
        failpoints.point("sink.before_commit")
    failpoints.point("sink.after_commit")


# A process has one connection as a rule, and uses it for all its items.
@lru_cache(maxsize=1)
def _opened(connection: Any, schema: str | None, tried: bool) -> tuple[Target, Receipts]:
    # Whoever has one of psycopg has imported it.
    kinds = sqlite3.Connection, getattr(sys.modules.get("psycopg"), "Connection", ())
    if not isinstance(connection, kinds):
        raise UsageError(
            "item.transaction() takes a psycopg.Connection or a sqlite3.Connection, and no "
            f"{type(connection).__name__}; for others, give the stage sink="
        )
    target = target_of(lambda: connection, connection)
    if tried:
        return TriedTarget(target), NoReceipts()
    receipts = receipts_for(target.dialect, schema)
    make_table(target, receipts, schema, "item.transaction()")
    return target, receipts
