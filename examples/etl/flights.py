"""Load a year of flights into a warehouse: days are read, cleaned, joined and stored.

Run it with ``python flights.py``, kill it however you like, and carry on with ``persistq resume``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import cached_property
from pathlib import Path

import dataset
from dataset import Day, Reference
from sqlalchemy import Connection
from transform import Flight, clean_flight, join_flight
from warehouse import Warehouse, store_flights, warehouse_url

from persistq import Pipeline

pipeline = Pipeline("flights", workers=2)


class Workshop:
    """What a worker process needs for its stage, loaded at the first use."""

    @cached_property
    def reference(self) -> Reference:
        """The tables that flights are joined with."""
        return dataset.load_reference(dataset.package_data())


@pipeline.context
def workshop() -> Workshop:
    """Equip one worker process."""
    return Workshop()


@pipeline.source
def days(directory: str = "data") -> Iterator[Day]:
    """List the days of the year.

    Args:
        directory: Where the table of flights is extracted to.
    """
    with closing(Warehouse(warehouse_url())) as warehouse:
        warehouse.prepare()
    yield from dataset.days(dataset.extract_flights(Path(directory)))


@pipeline.stage
def clean(day: Day, ctx: Workshop) -> Iterator[Flight]:
    """Read one day, and yield its flights."""
    for row in dataset.read_day(day):
        yield join_flight(clean_flight(row), ctx.reference)


@pipeline.stage(batch=500, sink=warehouse_url())
def store(flights: list[Flight], conn: Connection) -> None:
    """Store flights, each once: in a transaction that persistq commits with its receipts."""
    store_flights(conn, flights)


if __name__ == "__main__":
    pipeline.run()
