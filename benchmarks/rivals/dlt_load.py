"""dlt: extracts, normalizes and loads, each a step of its own over files."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contest import Outcome
from sqlalchemy import Column, Integer, MetaData, Table

from rivals import table

PACKAGE = "dlt"
DURABLE = "each finished step of a load, in files; a load that failed is finished by the next run"

_DATASET = "bench"


def load(kind: str, count: int) -> Outcome:
    """Load rows as its documentation says; from the call of `run` until it returns."""
    os.environ |= {
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "DLT_DATA_DIR": str(Path("dlt").absolute()),
    }
    import dlt

    table.write_csv(count)
    with table.database(kind) as url:
        pipeline = dlt.pipeline(
            pipeline_name="bench",
            destination=_destination(kind, url),
            dataset_name=_DATASET,
            pipelines_dir=str(Path("pipelines").absolute()),
        )
        began = time.perf_counter()
        pipeline.run(_read(), table_name="rows")
        took = time.perf_counter() - began
        return Outcome(count / took, table.delivery(_where(kind, url), count, _loaded(kind)))


def _destination(kind: str, url: str) -> Any:
    import dlt

    if kind == "sqlite":
        return dlt.destinations.sqlalchemy(credentials=url)
    # It insists on a host and a password; the directory of the socket goes before.
    given = url.replace("+psycopg", "").replace("postgres:@/", "postgres:none@localhost/")
    return dlt.destinations.postgres(credentials=given)


def _read() -> Iterator[dict[str, Any]]:
    with table.CSV.open(newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            if row[0] != "n":
                yield table.typed(row)


def _where(kind: str, url: str) -> str:
    """Return where it has put the table: in SQLite, a dataset is a file of its own."""
    return url.replace("target.db", f"target__{_DATASET}.db") if kind == "sqlite" else url


def _loaded(kind: str) -> Table:
    schema = None if kind == "sqlite" else _DATASET
    return Table("rows", MetaData(schema=schema), Column("n", Integer))
