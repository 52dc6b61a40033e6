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


def inserting_many(place: Place, numbers: Sequence[int], times: int = 1) -> Any:
    """Return an attempt that inserts with `executemany`, and the sizes of its attempts."""
    attempts: list[int] = []

    def attempt(connection: Any, positions: Sequence[int]) -> list[None]:
        attempts.append(len(positions))
        rows = [(numbers[position], "x") for position in positions for _ in range(times)]
        execute_many(place, connection, rows)
        return [None] * len(positions)

    return attempt, attempts


def execute_many(place: Place, connection: Any, rows: list[tuple[int, str]]) -> None:
    """Insert rows with one call, as drivers have it."""
    mark = "%s" if "postgresql" in place.where else "?"
    sql = f"INSERT INTO rows VALUES ({mark}, {mark})"
    if hasattr(connection, "exec_driver_sql"):
        connection.exec_driver_sql(sql, rows)
    else:
        connection.cursor().executemany(sql, rows)


def test_the_database_says_which_row_it_has_refused(place: Place) -> None:
    """So it is tried alone at once, and not looked for."""
    numbers = [*range(500)]
    numbers[123] = numbers[400] = -1
    attempt, attempts = inserting_many(place, numbers)
    endings = place.open().load([key(n) for n in range(1, 501)], attempt)
    bad = {n: ending.fault for n, ending in enumerate(endings) if isinstance(ending, NotStored)}
    assert bad == {123: Fault.DATA, 400: Fault.DATA}
    assert place.rows == [n for n in range(500) if n not in bad]
    assert place.spans == [(1, 123), (125, 400), (402, 500)]
    # The row, what is before it, and four parts behind it; again in one of these.
    assert attempts == [500, 1, 123, 94, 94, 94, 1, 88, 5, 94]


def test_the_batch_behind_one_with_bad_rows_begins_in_parts(place: Place) -> None:
    """And the one behind a good one again as a whole."""
    numbers = [*range(1500)]
    numbers[7] = numbers[720] = -1
    loader = place.open()
    sizes: list[list[int]] = []
    for start in (0, 500, 1000):
        attempt, attempts = inserting_many(place, numbers[start : start + 500])
        loader.load([key(n) for n in range(start + 1, start + 501)], attempt)
        sizes.append(attempts)
    attempt, attempts = inserting_many(place, [*range(2000, 2500)])
    loader.load([key(n) for n in range(2001, 2501)], attempt)
    assert sizes[0][:3] == [500, 1, 7]
    assert sizes[1:] == [[125, 125, 1, 95, 29, 125, 125], [125] * 4]
    assert attempts == [500]
    assert place.rows == [*(n for n in range(1500) if n not in {7, 720}), *range(2000, 2500)]


def test_copy_says_in_which_line_it_was(postgresql: Place) -> None:
    """Whether the row breaks a rule of the table, or its text is no number."""
    words = [str(n) for n in range(300)]
    words[17], words[200] = "-1", "seven"
    attempts: list[int] = []

    def attempt(connection: Any, positions: Sequence[int]) -> list[None]:
        attempts.append(len(positions))
        cursor = connection.connection.driver_connection.cursor()
        with cursor.copy("COPY rows FROM STDIN") as copy:
            for position in positions:
                copy.write_row((words[position], "x"))
        return [None] * len(positions)

    endings = postgresql.open().load([key(n) for n in range(1, 301)], attempt)
    assert [n for n in range(300) if isinstance(endings[n], NotStored)] == [17, 200]
    assert postgresql.rows == [n for n in range(300) if n not in {17, 200}]
    assert attempts[:3] == [300, 1, 17]
    assert len(attempts) <= 12


def test_a_guess_that_is_wrong_blames_nobody(by_url: Place) -> None:
    """A handler that inserts two rows for each item: after one guess, it is looked for."""
    numbers = [*range(200)]
    numbers[60] = -1
    attempt, attempts = inserting_many(by_url, numbers, times=2)
    endings = by_url.open().load([key(n) for n in range(1, 201)], attempt)
    assert [n for n in range(200) if isinstance(endings[n], NotStored)] == [60]
    assert by_url.rows == sorted(n for n in range(200) if n != 60 for _ in range(2))
    # The suspect, what is before it in four parts, and then in four again.
    assert attempts == [200, 1, 120, 30, 30, 30, 8, 2, 1, 1, 2, 2, 2, 8, 8, 6, 30, 50, 29]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(kinds=st.lists(st.sampled_from(["good", "good", "bad"]), min_size=1, max_size=130))
def test_any_rows_of_one_statement_may_be_bad(sqlite: Place, kinds: list[str]) -> None:
    """Wherever they are and however many, with no more attempts than two for each and some more."""
    run = uuid.uuid4().hex
    sqlite.run("DELETE FROM rows")
    good = [n for n, kind in enumerate(kinds) if kind == "good"]
    attempt, attempts = inserting_many(
        sqlite, [-1 if kind == "bad" else n for n, kind in enumerate(kinds)]
    )
    loader = sqlite.open()
    endings = loader.load([key(n + 1, run) for n in range(len(kinds))], attempt)
    loader.close()
    assert [n for n, ending in enumerate(endings) if isinstance(ending, Stored)] == good
    assert sqlite.rows == good
    assert len(attempts) <= 3 * (len(kinds) - len(good)) + 5


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
