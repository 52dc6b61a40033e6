"""The database that flights are loaded into: SQLite by default, PostgreSQL by its URL."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    func,
    insert,
    select,
)
from sqlalchemy.schema import CreateTable

DEFAULT_URL = "sqlite:///warehouse.db"

BUSY_TIMEOUT_S = 60

flights = Table(
    "flights",
    MetaData(),
    # No column is a key, so that nothing but the sink keeps a flight from being there twice.
    Column("time_hour", String(20), nullable=False),
    Column("carrier", String(2), nullable=False),
    Column("flight", Integer, nullable=False),
    Column("day", String(10), nullable=False),
    Column("carrier_name", String, nullable=False),
    Column("origin", String(3), nullable=False),
    Column("dest", String(3), nullable=False),
    Column("tailnum", String(6)),
    Column("plane_year", Integer),
    Column("dep_delay", Integer),
    Column("arr_delay", Integer),
    Column("air_time", Integer),
    Column("distance", Integer, nullable=False),
    Column("cancelled", Boolean, nullable=False),
    Column("temp", Float),
    Column("wind_speed", Float),
    Column("precip", Float),
    Column("visib", Float),
)

KEY = (flights.c.time_hour, flights.c.carrier, flights.c.flight)
"""One carrier starts a flight number once an hour."""


class Totals(NamedTuple):
    """What the warehouse holds.

    Attributes:
        flights: Number of rows.
        keys: Number of different keys among them.
        miles: Sum of the distances.
        by_carrier: Number of flights by carrier code.
    """

    flights: int
    keys: int
    miles: int
    by_carrier: dict[str, int]


class Warehouse:
    """One process's way into the warehouse.

    Args:
        url: A SQLAlchemy URL of SQLite or PostgreSQL.
    """

    def __init__(self, url: str) -> None:
        # Several workers write to one SQLite file: each waits for its turn instead of failing.
        arguments = {"timeout": BUSY_TIMEOUT_S} if url.startswith("sqlite") else {}
        self._engine: Engine = create_engine(url, connect_args=arguments)

    def prepare(self) -> None:
        """Create the table if there is none; called before the first worker writes.

        Crash: the table is there or not; calling again is harmless.
        """
        with self._engine.begin() as connection:
            if self._engine.dialect.name == "sqlite":
                # Readers and the writer do not wait for each other then; the file remembers it.
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            connection.execute(CreateTable(flights, if_not_exists=True))

    def connect(self) -> AbstractContextManager[Connection]:
        """Begin a transaction; commit it at the end, and roll it back if anything raises."""
        return self._engine.begin()

    def totals(self) -> Totals:
        """Count what is there."""
        keys = select(*KEY).distinct().subquery()
        carriers = select(flights.c.carrier, func.count()).group_by(flights.c.carrier)
        with self._engine.connect() as connection:
            return Totals(
                connection.scalar(select(func.count()).select_from(flights)) or 0,
                connection.scalar(select(func.count()).select_from(keys)) or 0,
                connection.scalar(select(func.sum(flights.c.distance))) or 0,
                dict(connection.execute(carriers).all()),
            )

    def flights_by_day(self) -> dict[str, int]:
        """Return the number of stored flights by date."""
        query = select(flights.c.day, func.count()).group_by(flights.c.day)
        with self._engine.connect() as connection:
            return dict(connection.execute(query).all())

    def receipts(self) -> int:
        """Return how many receipts of the sink are there."""
        with self._engine.connect() as connection:
            return connection.exec_driver_sql("SELECT count(*) FROM persistq_receipt").scalar_one()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def store_flights(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Store flights; called twice, they are there twice."""
    connection.execute(insert(flights), rows)


def warehouse_url() -> str:
    """Return where the warehouse is: ``WAREHOUSE_URL``, or a file in the current directory."""
    return os.environ.get("WAREHOUSE_URL", DEFAULT_URL)
