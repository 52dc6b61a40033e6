"""A bad item does not take its neighbours with it, and is not tried more often than it must be."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persistq.errors import UsageError
from persistq.flow import Failed
from persistq.sinks import Fault, NotStored, Stored

from .targets import Place, key


def test_the_bad_rows_of_a_batch_are_left_with_the_databases_message(place: Place) -> None:
    """All others are stored; what refused a row is the error of that row."""
    numbers = [*range(200)]
    bad = [0, 77, 78, 199]
    for position in bad:
        numbers[position] = -1
    endings = place.open().load([key(n) for n in range(1, 201)], place.handler(numbers))
    assert [n for n in range(200) if isinstance(endings[n], NotStored)] == bad
    assert place.rows == [n for n in range(200) if n not in bad]
    assert place.receipts == [n + 1 for n in range(200) if n not in bad]
    for position in bad:
        ending = endings[position]
        assert isinstance(ending, NotStored)
        assert ending.fault is Fault.DATA
        assert "rows_n_check" in str(ending.error) or "CHECK constraint" in str(ending.error)


def test_one_bad_row_costs_few_attempts(by_url: Place) -> None:
    """About as many as it takes to find it, and two transactions."""
    attempts: list[int] = []

    def attempt(connection: Any, positions: Sequence[int]) -> list[None]:
        attempts.append(len(positions))
        if 300 in positions:
            raise ValueError("bad")
        return [None] * len(positions)

    endings = by_url.open().load([key(n) for n in range(1, 501)], attempt)
    assert [type(ending) for ending in endings].count(NotStored) == 1
    assert len(attempts) <= 1 + 4 * 5


def test_a_batch_of_bad_rows_ends(by_url: Place) -> None:
    """Each of them gets its own error."""

    def attempt(connection: Any, positions: Sequence[int]) -> list[None]:
        raise ValueError(str(positions[0]))

    endings = by_url.open().load([key(n) for n in range(1, 31)], attempt)
    assert [str(ending.error) for ending in endings] == [str(n) for n in range(30)]  # type: ignore[union-attr]


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_rows_may_be_bad_and_any_stored_before(sqlite: Place, data: st.DataObject) -> None:
    """Each good item is stored exactly once, whatever surrounds it."""
    count = data.draw(st.integers(1, 30))
    kinds = data.draw(
        st.lists(st.sampled_from(["good", "bad", "stored"]), min_size=count, max_size=count)
    )
    run = uuid.uuid4().hex
    sqlite.run("DELETE FROM rows")
    numbers = [-1 if kind == "bad" else n for n, kind in enumerate(kinds)]
    keys = [key(n + 1, run) for n in range(count)]
    loader = sqlite.open()
    for n, kind in enumerate(kinds):
        if kind == "stored":
            loader.load([keys[n]], sqlite.handler([n]))
    endings = loader.load(keys, sqlite.handler(numbers))
    loader.close()
    assert sqlite.rows == [n for n, kind in enumerate(kinds) if kind != "bad"]
    for ending, kind in zip(endings, kinds, strict=True):
        assert isinstance(ending, NotStored) == (kind == "bad")
        assert isinstance(ending, NotStored) or ending.before == (kind == "stored")


def test_a_constraint_that_shows_at_the_commit_finds_its_row(by_url: Place) -> None:
    """Deferred constraints are checked when all is done; then the parts are stored one by one."""
    by_url.run(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
        "INSERT INTO parent VALUES (1)",
        "CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
    )
    parents = [1] * 20
    parents[7] = 2

    def attempt(connection: Any, positions: Sequence[int]) -> list[None]:
        if by_url.kind.startswith("sqlite"):
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        for position in positions:
            connection.exec_driver_sql(f"INSERT INTO child VALUES ({parents[position]})")
        return [None] * len(positions)

    loader = by_url.open() if by_url.kind.startswith("postgresql") else _with_foreign_keys(by_url)
    endings = loader.load([key(n) for n in range(1, 21)], attempt)
    assert [type(ending) for ending in endings].count(Stored) == 19
    assert isinstance(endings[7], NotStored)
    assert endings[7].fault is Fault.DATA
    assert by_url.query("SELECT count(*) FROM child") == [(19,)]
    assert len(by_url.receipts) == 19


def _with_foreign_keys(place: Place) -> Any:
    from sqlalchemy import create_engine, event

    from persistq.sinks import Sink

    def engine() -> Any:
        made = create_engine(f"sqlite:///{place.where}")
        event.listen(made, "connect", lambda raw, _: raw.execute("PRAGMA foreign_keys = ON"))
        return made

    place.opened.append(Sink(engine).open())
    return place.opened[-1]


@pytest.mark.parametrize("how", ["by URL", "sqlite3"])
def test_a_constraint_that_rolls_back_takes_nothing_with_it(
    request: pytest.FixtureRequest, tmp_path: Any, how: str
) -> None:
    """SQLite ends the whole transaction at some errors; the good rows are stored all the same."""
    from .targets import made

    place = made("sqlite by URL" if how == "by URL" else "sqlite3", tmp_path, None)
    place.run("CREATE TABLE strict_one (n INTEGER UNIQUE ON CONFLICT ROLLBACK)")
    numbers = [1, 2, 3, 3, 4, 5, 6, 7, 8]

    def attempt(connection: Any, positions: Sequence[int]) -> list[None]:
        run = getattr(connection, "exec_driver_sql", connection.execute)
        for position in positions:
            run(f"INSERT INTO strict_one VALUES ({numbers[position]})")
        return [None] * len(positions)

    endings = place.open().load([key(n) for n in range(1, 10)], attempt)
    assert [type(ending) for ending in endings].count(NotStored) == 1
    assert place.query("SELECT n FROM strict_one ORDER BY n") == [(n,) for n in range(1, 9)]
    assert len(place.receipts) == 8
    place.opened[-1].close()


def test_a_handler_may_say_which_items_failed(place: Place) -> None:
    """These fail with their own errors; the others are stored without being halved."""
    attempts: list[int] = []

    def attempt(connection: Any, positions: Sequence[int]) -> list[None]:
        attempts.append(len(positions))
        if bad := [index for index, position in enumerate(positions) if position in {2, 5}]:
            raise Failed({index: ValueError(f"bad {positions[index]}") for index in bad})
        return place.handler([*range(10)])(connection, positions)

    place.open().load([key(1)], place.handler([0]))
    endings = place.open().load([key(n) for n in range(1, 11)], attempt)
    assert attempts == [9, 7]
    errors = {n: str(end.error) for n, end in enumerate(endings) if isinstance(end, NotStored)}
    assert errors == {2: "bad 2", 5: "bad 5"}
    assert place.rows == [0, 1, 3, 4, 6, 7, 8, 9]


def test_blame_that_means_nothing_is_told(sqlite: Place) -> None:
    """An index that is none, no index at all, or something that is no error."""
    for errors in ({}, {-1: ValueError()}, {"0": ValueError()}, {0: "bad"}):
        with pytest.raises(UsageError, match="for each index"):
            Failed(errors)  # type: ignore[arg-type]

    def attempt(connection: Any, positions: Sequence[int]) -> list[None]:
        raise Failed({1: ValueError("nobody")})

    (ending,) = sqlite.open().load([key(1)], attempt)
    assert isinstance(ending, NotStored)
    assert "index 1 of a batch of 1" in str(ending.error)


def test_savepoints_of_the_handlers_own_are_no_matter(by_url: Place) -> None:
    """Also those that it has left open when it raised."""

    def attempt(connection: Any, positions: Sequence[int]) -> list[None]:
        for position in positions:
            nested = connection.begin_nested()
            by_url.insert(connection, position)
            if position == 3:
                raise ValueError("bad")
            nested.commit()
        return [None] * len(positions)

    endings = by_url.open().load([key(n) for n in range(1, 9)], attempt)
    assert [type(ending) for ending in endings].count(NotStored) == 1
    assert by_url.rows == [0, 1, 2, 4, 5, 6, 7]
