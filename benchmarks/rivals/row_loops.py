"""What people write by hand: read the CSV, insert in batches, commit each."""

from __future__ import annotations

import time
from itertools import islice

from contest import Outcome
from sqlalchemy import create_engine, insert

from rivals import table

DURABLE = "each committed batch of rows; after a crash nobody knows where to carry on"


def load(kind: str, count: int) -> Outcome:
    """Load rows in one process, 500 in a transaction."""
    table.write_csv(count)
    with table.table(kind) as url:
        engine = create_engine(url)
        began = time.perf_counter()
        lines = table.read_csv()
        while batch := [*islice(lines, table.BATCH)]:
            with engine.begin() as connection:
                connection.execute(insert(table.rows), [*map(table.typed, batch)])
        took = time.perf_counter() - began
        engine.dispose()
        return Outcome(count / took, table.delivery(url, count))
