"""Many rows in one call, and the examples of the page."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from persistq.errors import UsageError
from persistq.sinks import Fault, NotStored, copy_into

from .targets import Place, key

PAGE = Path(__file__).parents[2] / "docs" / "sinks.md"
SECTION = PAGE.read_text(encoding="utf-8").partition("\n## Many rows in one call\n")[2]
EXAMPLES = re.findall(r"```python\n(.*?)```", SECTION.partition("\n## ")[0], re.DOTALL)

FLIGHTS = [{"n": n, "word": f"it's {n}"} for n in range(300)]


def load(place: Place, store: Callable[[Any, list[Any]], None], rows: Sequence[Any]) -> list[Any]:
    """Store rows in one batch."""

    def attempt(connection: Any, positions: Sequence[int]) -> list[None]:
        store(connection, [rows[position] for position in positions])
        return [None] * len(positions)

    return place.open().load([key(n) for n in range(1, len(rows) + 1)], attempt)


@pytest.mark.parametrize("form", ["mappings", "tuples", "columns turned round"])
def test_rows_are_copied_in_one_call(place: Place, form: str) -> None:
    """Mappings, or values in the order of the table, or of the columns that are named."""
    rows: list[Any] = FLIGHTS
    columns = None
    if form == "tuples":
        rows = [(row["n"], row["word"]) for row in FLIGHTS]
    elif form != "mappings":
        rows, columns = [(row["word"], row["n"]) for row in FLIGHTS], ["word", "n"]
    load(place, lambda conn, some: copy_into(conn, "rows", some, columns), rows)
    assert place.query("SELECT n, word FROM rows ORDER BY n") == [
        *map(tuple, map(dict.values, FLIGHTS))
    ]


def test_a_row_that_is_refused_is_found_at_once(place: Place) -> None:
    """By its line in COPY, and by how far `executemany` had come."""
    rows = [dict(row) for row in FLIGHTS]
    rows[123]["n"] = -1
    sizes: list[int] = []

    def store(conn: Any, some: list[Any]) -> None:
        sizes.append(len(some))
        copy_into(conn, "rows", some)

    endings = load(place, store, rows)
    bad = {n: ending.fault for n, ending in enumerate(endings) if isinstance(ending, NotStored)}
    assert bad == {123: Fault.DATA}
    assert sizes[:3] == [300, 1, 123]
    assert place.rows == [n for n in range(300) if n != 123]


def test_names_are_names(sqlite: Place) -> None:
    """They stand in SQL; no rows are nothing to do."""
    assert copy_into(None, "rows", []) is None
    for table, columns in (('rows"; DROP', None), ("a.b.c", None), ("rows", ["n n"]), ("rows", [])):
        with pytest.raises(UsageError, match="give"):
            copy_into(None, table, [(1, "x")], columns)


@pytest.mark.parametrize("example", EXAMPLES)
@pytest.mark.parametrize("url", ["sqlite", "postgresql"])
def test_the_examples_of_the_page_store_rows(
    request: pytest.FixtureRequest, url: str, example: str
) -> None:
    """Each of them, in both databases where it is for both."""
    if ("COPY" in example and url == "sqlite") or ("sqlite" in example and url != "sqlite"):
        return
    place: Place = request.getfixturevalue(url)
    place.run("CREATE TABLE flights (n INTEGER, word VARCHAR(100))")
    handlers: list[Callable[..., None]] = []
    pipeline = SimpleNamespace(stage=lambda **_: handlers.append)
    exec(compile(example, str(PAGE), "exec"), {"pipeline": pipeline})
    load(place, lambda conn, some: handlers[0](some, conn), FLIGHTS)
    assert place.query("SELECT count(*), max(word) FROM flights") == [(300, "it's 99")]


def test_the_page_has_examples() -> None:
    """An empty list would prove nothing."""
    assert len(EXAMPLES) == 3
