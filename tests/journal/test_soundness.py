"""Whatever is changed in a sound journal is noticed, or is named as free."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persistq.errors import JournalError
from persistq.journal.soundness import naturalkeys, records, spools
from persistq.journal.soundness.columns import FREE, MAY_HAVE_MORE, MAY_LACK
from persistq.journal.soundness.counters import COUNTERS
from persistq.testing import check_journal

from .soundfile import LATER, write_sound_journal

FULL = os.environ.get("PERSISTQ_TEST_FULL") == "1"

PURGED_TURN = 2
"""The only turn of the load that was purged."""

WRONG = {
    # The file.
    "DROP TRIGGER done_once": "trigger done_once is missing",
    "DROP INDEX failure_item": "index failure_item is missing",
    "CREATE INDEX mine ON load (state)": "index mine is not part of a journal",
    "CREATE TABLE mine (n)": "table mine is not part of a journal",
    "CREATE VIEW mine AS SELECT 1": "view mine is not part of a journal",
    "ALTER TABLE turn ADD COLUMN mine INTEGER": "table turn is not as it was made",
    "DROP TABLE streamed": "table streamed is missing",
    "CREATE TRIGGER mine BEFORE INSERT ON done_range BEGIN SELECT RAISE(IGNORE); END": (
        "trigger mine is not part of a journal"
    ),
    "UPDATE alembic_version SET version_num = '0000'": "alembic_version does not say 0001",
    # Loads and runs.
    "UPDATE load SET state = 'done'": "load.state holds 5 values that are not 'open' or",
    "UPDATE load SET ended_at = 'yesterday' WHERE load_id = 1": "that are not a time, as 2026-",
    "UPDATE load SET ended_at = NULL WHERE load_id = 2": "state that contradicts their end",
    "DELETE FROM load WHERE load_id = 3": "load has gaps: 1 rows are missing",
    "DELETE FROM run WHERE run_id = 9": "sqlite_sequence does not say how many rows run has had",
    "DELETE FROM queue WHERE load_id = 2": "1 loads are settled, and have no queues",
    "UPDATE queue SET position = 4 WHERE queue_id = 1": "positions are not 0, 1, 2",
    "UPDATE run SET result = NULL WHERE run_id = 1": "a result without an end, or",
    "UPDATE run SET argv = '[1]' WHERE run_id = 1": "not JSON: an array of strings",
    "UPDATE worker SET queue_id = 1 WHERE worker_id = 2": "not of one load",
    "UPDATE worker SET ending = NULL": "an ending without an end, or",
    "DELETE FROM writer": "there are runs, and writer has no row",
    "UPDATE param SET payload = x'80'": "2 parameters have a value that cannot be decoded",
    "UPDATE put_span SET run_id = 77 WHERE queue_id = 1": "name a row of run that does not exist",
    "UPDATE run SET node = CAST(x'ff' AS TEXT) WHERE run_id = 1": "that are not a text in UTF-8",
    "DELETE FROM journal": "journal has not one row",
    "UPDATE sqlite_sequence SET name = 'turn' WHERE name = 'load'": "has 1 rows that are not ours",
    "DELETE FROM queue WHERE queue_id = 1": "queue has gaps: 1 rows are missing",
    "DELETE FROM run WHERE run_id = 1": "run has gaps: 1 rows are missing",
    "DELETE FROM failure WHERE failure_id = 1": "failure has gaps: 1 rows are missing",
    "DELETE FROM worker WHERE worker_id = 1": "worker has gaps: 1 rows are missing",
    "UPDATE sqlite_sequence SET seq = 4": "does not say how many rows load has had",
    "UPDATE sqlite_sequence SET seq = 6": "does not say how many rows queue has had",
    "UPDATE load SET purged_at = created_at WHERE load_id = 5": "1 loads are open, and have been",
    # Counters and seals.
    "UPDATE queue SET done = done - 1 WHERE queue_id = 2": (
        "queue 2 (parse): 4 items are done, its counters say 3"
    ),
    "UPDATE queue SET sealed_total = 99 WHERE queue_id = 2": (
        "it was sealed with 99 items and has 6"
    ),
    "UPDATE queue SET sealed_total = 1 WHERE name = 'store' AND sealed_total IS NULL": (
        "it is sealed, and queue 7 before it may still feed it"
    ),
    "UPDATE route SET kind = 'puts' WHERE queue_id = 6": "1 ways between stages are not",
    "UPDATE route SET kind = 'ends' WHERE queue_id = 6": "items of a stage that feeds its own",
    "UPDATE route SET kind = 'back'": "that are not 'feeds' or 'puts' or 'ends'",
    "UPDATE queue SET sealed_total = NULL WHERE queue_id = 2": (
        "its load is settled, and it is not sealed"
    ),
    "UPDATE load SET state = 'settled' WHERE state = 'abandoned'": (
        "its load is settled, and 2 items are outstanding"
    ),
    "UPDATE queue SET dropped = 0 WHERE queue_id = 2": (
        "queue 2 (parse): 1 items are dropped, its counters say 0"
    ),
    "UPDATE queue SET parked = -1 WHERE queue_id = 4": (
        "queue 4 (jobs): its counters are negative, or more than its items"
    ),
    "UPDATE put_span SET put_before = 99 WHERE queue_id = 1": "1 rows that begin behind the last",
    "UPDATE put_span SET run_id = 3 WHERE queue_id = 6 AND put_before = 8": "out of order",
    "DELETE FROM put_span WHERE queue_id = 1": "1 queues have items of which it is not recorded",
    "DELETE FROM put_span WHERE queue_id = 2 AND put_before = 6": "not of the latest run of their",
    "UPDATE put_span SET run_id = 9 WHERE queue_id = 1": "1 rows whose run and queue are not of",
    "UPDATE cursor SET put = 9": "cursor has 2 rows of what is no stage of a pipeline, or behind",
    "UPDATE checkpoint SET item_id = 7": "1 rows of items that are not outstanding or parked",
    "UPDATE checkpoint SET data = x'37'": "1 checkpoints have a value whose checksum is wrong",
    "UPDATE timing SET run_id = 2": "timing has 2 rows whose run and stage are not of one load",
    "UPDATE timing SET counts = '[]'": "not JSON: an object of numbers by numbers",
    "UPDATE timing SET worked = -1.0": "that are not a number of seconds",
    "UPDATE slow SET item_id = 7": "slow has 1 rows of items that were not put",
    "UPDATE slow SET run_id = 2": "slow has 1 rows whose run and item are not of one load",
    "UPDATE stage_sample SET queue_id = queue_id % 2 + 1": "stage_sample has 4 rows whose run",
    "DELETE FROM sample WHERE tick = 1": "stage_sample has 2 rows of moments that its run has not",
    "DELETE FROM event WHERE event_id = 5": "event has gaps: 1 rows are missing",
    "UPDATE event SET load_id = 1 WHERE event_id = 3": "1 rows that are neither of items nor of a",
    "UPDATE event SET first_id = 7, last_id = 7 WHERE kind = 'parked'": (
        "event has 3 rows of items that were not put"
    ),
    "UPDATE event SET failure_id = 1 WHERE kind = 'parked'": "3 rows of a failure of another item",
    "UPDATE event SET last_id = last_id - 1 WHERE event_id = 1": (
        "event has 1 rows of puts that do not follow the one before"
    ),
    "UPDATE event SET kind = 'retried' WHERE kind = 'put' AND first_id >> 40 = 4": (
        "1 queues are told of up to another item than events say, or than they have"
    ),
    "UPDATE printed SET item_id = 7": "printed has 2 rows of items that were not put",
    "UPDATE printed SET run_id = 2": "printed has 2 rows whose run and item are not of one load",
    "UPDATE source SET queue_id = 3 WHERE source_id = 1": "behind items that no source has put",
    "UPDATE cursor SET data = x'37'": "3 cursors have a value whose checksum is wrong",
    "UPDATE source SET queue_id = 4 WHERE source_id = 1": "1 sources are of what is no stage of a",
    "UPDATE source SET ended = 0": "2 sources have not ended, and what they put on is sealed",
    "UPDATE source SET source_id = 9 WHERE source_id = 3": "source has gaps: 1 rows are missing",
    "UPDATE source_span SET first_id = first_id + 90": "source_span has 3 rows of items that were",
    "UPDATE source_span SET source_id = 1": "source_span has 2 rows of a source of another queue",
    "UPDATE source_span SET source_id = 3": "source_span has 2 rows in which the same one goes on",
    "UPDATE source_span SET first_id = first_id + 1": "3 rows that do not begin with a block of",
    # Blocks.
    "UPDATE put_block SET crc = crc + 1 WHERE spool_id IS NULL": "blocks whose checksum is wrong",
    "UPDATE put_block SET codec = 1 WHERE codec = 0 AND count > 1 AND origin IS NULL": (
        "blocks whose items cannot be decoded"
    ),
    "UPDATE put_block SET codec = 2 WHERE codec = 1 AND count = 1": (
        "1 blocks whose item cannot be decoded"
    ),
    "UPDATE put_block SET codec = 3 WHERE codec = 2": "1 blocks whose codec does not exist",
    "UPDATE put_block SET count = 4 WHERE count = 3 AND codec = 1": (
        "1 blocks whose items are more or fewer than it says"
    ),
    "DELETE FROM put_block WHERE codec = 1 AND count = 3": "put_block has 0 items, next_n says 3",
    "UPDATE put_block SET first_id = first_id + 1 WHERE codec = 2": "do not follow those of",
    "UPDATE put_block SET turn_id = 3": "blocks whose turn is missing, or of another load",
    "UPDATE put_block SET steps = x'0101' WHERE length(steps) = 3": "steps are of more or fewer",
    "UPDATE put_block SET origin = origin + 3 WHERE length(steps) = 3": (
        "1 blocks whose origins have not ended, and are not in streamed"
    ),
    "UPDATE put_block SET origin = first_id": "blocks whose origins are no items of a stage that",
    # Natural keys.
    "UPDATE put_block SET digests = NULL": "with natural keys in a queue that has none, or the",
    "UPDATE queue SET keyed = 1 WHERE queue_id = 3": "with natural keys in a queue that has none",
    "UPDATE put_block SET digests = substr(digests, 2)": "4 blocks whose natural keys are more or",
    "UPDATE put_block SET digests = CAST(digests || digests AS BLOB)": (
        "4 blocks whose natural keys are more or"
    ),
    "UPDATE put_block SET digests = zeroblob(48) WHERE count = 3 AND digests IS NOT NULL": (
        "2 items have the natural key of an earlier one"
    ),
    "UPDATE by_hand SET deed = 'edited', replacement = (2 << 40) + 4 WHERE deed = 'dropped'": (
        "1 items were edited and got another natural key"
    ),
    "UPDATE queue SET duplicates = 1 WHERE queue_id = 3": "left out items for natural keys that",
    "UPDATE queue SET noted = 7 WHERE queue_id = 2": "1 queues have noted more items than they",
    "UPDATE cursor SET skipped = 9 WHERE source_id = 1": "left out than its queue has left out",
    "UPDATE done_key SET first_id = first_id + 100": "2 rows of what is no block of a queue with",
    "UPDATE done_key SET digests = x'00'": "2 rows whose natural keys are none, or not whole",
    "UPDATE done_key SET first_id = first_id + 3 WHERE first_id >> 40 = 1": (
        "1 rows with more natural keys than its queue has items from there on"
    ),
    "UPDATE done_key SET crc = crc + 1": "done_key has 2 rows whose checksum is wrong",
    # Ends.
    "UPDATE done_range SET last_id = last_id + 1 WHERE outcome = 0": "overlap the row before",
    "DELETE FROM parked": "queue 1 (store): 0 items are parked, its counters say 1",
    "DELETE FROM put_block WHERE turn_id = 2": "1 parked items are in no block",
    "UPDATE failure SET forgiven = 1": "3 items are parked, and have no failure that counts",
    "DELETE FROM turn WHERE turn_id = 2": "1 blocks whose turn is missing",
    "INSERT INTO turn VALUES (900, 9, 1790000009000)": "in 1 turns nothing was put or ended",
    "UPDATE turn SET run_id = 9 WHERE turn_id = 4": "1 turns are of an earlier run than the turn",
    "UPDATE drop_reason SET reason = ''": "a text that is not empty",
    "UPDATE drop_reason SET item_id = item_id - 1": "1 rows of items that were not dropped",
    "UPDATE done_range SET outcome = 2 WHERE outcome = 1": "1 rows with an outcome that does not",
    "UPDATE done_range SET last_id = last_id + 99 WHERE first_id >> 40 = 3": (
        "1 rows with items that were not put"
    ),
    "UPDATE done_range SET turn_id = 1": "rows whose turn is missing, or of another load",
    "UPDATE done_range SET turn_id = 4 WHERE outcome = 0 AND turn_id = 8": (
        "rows of a turn before their items were put"
    ),
    "UPDATE parked SET item_id = 7 WHERE item_id >> 40 = 1": "1 rows of items that were not put",
    "UPDATE parked SET item_id = (SELECT min(first_id) FROM done_range) WHERE item_id >> 40 = 2": (
        "1 items are both in done_range and in parked"
    ),
    "UPDATE failure SET item_id = 7 WHERE failure_id = 1": "failure has 1 rows of items that were",
    "UPDATE failure SET run_id = 9 WHERE failure_id = 1": "1 rows whose run and item are not of",
    # What was done by hand.
    "UPDATE by_hand SET item_id = 7 WHERE by_hand_id = 1": "1 rows of items that were not put",
    "UPDATE by_hand SET deed = 'dropped'": "1 rows of items that were not dropped",
    "UPDATE by_hand SET deed = 'edited' WHERE by_hand_id = 1": "is no later item of the same queue",
    "DELETE FROM by_hand WHERE by_hand_id = 1": "by_hand has gaps: 1 rows are missing",
    "UPDATE turn SET run_id = NULL": "items have ended in no run, nor by hand",
    "UPDATE turn SET run_id = NULL WHERE turn_id = 2": "items were put in no run, and not by hand",
    # Spools.
    "UPDATE spool SET count = NULL": "1 rows that differ from the block that they were published",
    "DELETE FROM spool_block WHERE codec = 1": "1 rows that count other outputs than there are",
    "UPDATE spool_block SET place = place + 1 WHERE count = 3": "do not follow the one before",
    "UPDATE spool_block SET data = x'31'": "4 blocks whose checksum is wrong",
    "UPDATE spool SET item_id = 7": "spool has 2 rows of items that were not put",
    "UPDATE spool SET spool_id = 9 WHERE count IS NULL": "2 blocks whose spool does not exist",
    "UPDATE streamed SET item_id = item_id - 5": "1 rows of items that are not outstanding or",
    "UPDATE streamed SET last_id = last_id + 9": "1 rows of what is not put in a stage",
    "INSERT INTO streamed SELECT item_id, first_id + 1, last_id FROM streamed": (
        "1 rows that overlap others"
    ),
    "DELETE FROM spool": "put_block has 1 blocks whose spool does not exist",
    "DELETE FROM streamed": "1 blocks whose origins have not ended, and are not in streamed",
    "UPDATE streamed SET first_id = first_id - 1": "1 rows of what was made of other items",
}


class Cell(NamedTuple):
    """One field of one row, which is named by its key."""

    table: str
    key: dict[str, Any]
    column: str
    value: Any

    def __repr__(self) -> str:
        return f"{self.table}.{self.column} of {self.key}"


def _columns(connection: sqlite3.Connection, table: str) -> list[tuple[str, bool]]:
    """Return the columns of a table, and whether each is a part of its key."""
    rows = connection.execute(f"PRAGMA table_info({table})")
    return [(name, bool(key)) for _, name, _, _, _, key in rows]


class Sound:
    """A sound journal of which every change can be taken back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.saved = path.with_suffix(".saved")
        write_sound_journal(path)
        shutil.copy(path, self.saved)
        with closing(sqlite3.connect(path)) as connection:
            tables = connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'sqlite*'"
            )
            self.tables = {table: _columns(connection, table) for (table,) in tables.fetchall()}
            self.cells = list(self._cells(connection))

    def _cells(self, connection: sqlite3.Connection) -> Iterator[Cell]:
        for table, columns in self.tables.items():
            names = [name for name, _ in columns]
            for row in connection.execute(f"SELECT * FROM {table}"):
                values = dict(zip(names, row, strict=True))
                key = {name: values[name] for name, is_key in columns if is_key}
                for name, value in values.items():
                    yield Cell(table, key, name, value)

    def rows(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Return each row, by its table and its key, as text."""
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        for cell in self.cells:
            rows.setdefault((cell.table, repr(cell.key)), {})[cell.column] = cell.value
        return rows

    def changed(self, *statements: str, checked: bool = True, **values: Any) -> bool:
        """Change the journal; tell whether SQLite let it in."""
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute(f"PRAGMA ignore_check_constraints = {not checked}")
            try:
                for statement in statements:
                    connection.execute(statement, values)
            except (sqlite3.IntegrityError, sqlite3.DataError):
                return False
            connection.commit()
        return True

    def is_noticed(self) -> bool:
        """Tell whether the change is noticed; it is taken back."""
        try:
            return bool(check_journal(self.path))
        except JournalError:
            return True
        finally:
            shutil.copy(self.saved, self.path)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    """A journal with rows in every table."""
    return Sound(tmp_path_factory.mktemp("sound") / "sales.db")


def where(cell: Cell) -> str:
    """Return the condition for a row."""
    return " AND ".join(f"{name} IS :{name}" for name in cell.key)


def is_free(cell: Cell, value: Any) -> bool:
    """Tell whether the documentation says that a field may hold this."""
    column = FREE.get(f"{cell.table}.{cell.column}")
    stored = value.encode() if isinstance(value, str) else value
    return column is not None and column.shape.fits(stored)


def test_the_journal_of_these_tests_is_sound(sound: Sound) -> None:
    """Nothing is found in it, and it has rows in every table."""
    assert check_journal(sound.path) == []
    assert {cell.table for cell in sound.cells} == set(sound.tables)


@pytest.mark.parametrize("sql", WRONG)
def test_each_rule_is_told_in_a_sentence(sound: Sound, sql: str) -> None:
    """What contradicts something is counted, and named."""
    assert sound.changed(sql)
    problems = check_journal(sound.path)
    shutil.copy(sound.saved, sound.path)
    assert any(WRONG[sql] in problem for problem in problems), problems


NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 12)
TEXTS = st.text(max_size=20) | st.sampled_from(
    ["open", "settled", "abandoned", "reopened", "done", "failed", "suspect", "queue", LATER, "0"]
)
VALUES = st.none() | NUMBERS | st.floats(allow_nan=False) | TEXTS | st.binary(max_size=20)


@settings(
    max_examples=5000 if FULL else 250,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_every_changed_field_is_noticed_or_free(sound: Sound, data: st.DataObject) -> None:
    """Any row, any column, any value that the table lets in, also past its constraints."""
    cell = data.draw(st.sampled_from(sound.cells))
    alike = [one.value for one in sound.cells if one.column == cell.column]
    near = (
        st.integers(-3, 3).map(lambda step: max(-(2**63), cell.value + step))
        if isinstance(cell.value, int)
        else st.nothing()
    )
    value = data.draw(VALUES | st.sampled_from(alike) | near)
    change_is_noticed_or_free(sound, cell, value, checked=data.draw(st.booleans()))


def change_is_noticed_or_free(sound: Sound, cell: Cell, value: Any, *, checked: bool) -> None:
    """Change one field, and see what becomes of it."""
    text = f"UPDATE {cell.table} SET {cell.column} = :value WHERE {where(cell)} RETURNING "
    with closing(sqlite3.connect(sound.path)) as connection:
        connection.text_factory = bytes
        connection.execute(f"PRAGMA ignore_check_constraints = {not checked}")
        try:
            rows = connection.execute(text + cell.column, {**cell.key, "value": value}).fetchall()
        except (sqlite3.IntegrityError, OverflowError):
            return
        connection.commit()
    [(stored,)] = rows
    before = cell.value.encode() if isinstance(cell.value, str) else cell.value
    noticed = sound.is_noticed()
    assert noticed or stored == before or is_free(cell, stored), (cell, cell.value, value)


def test_what_a_neighbour_holds_is_noticed_or_free(sound: Sound) -> None:
    """Each field of each row takes the values of the other rows, and numbers beside its own."""
    # All of them take a minute. Another test takes any, at random.
    for cell in sound.cells if FULL else sound.cells[::7]:
        alike = {one.value for one in sound.cells if (one[0], one[2]) == (cell[0], cell[2])}
        beside = {cell.value - 1, cell.value + 1} if isinstance(cell.value, int) else {None}
        others = sorted(alike | beside - {cell.value}, key=repr)
        for value in others if FULL else others[:3]:
            change_is_noticed_or_free(sound, cell, value, checked=True)


def test_every_missing_row_is_noticed_or_free(sound: Sound) -> None:
    """A row that was deleted leaves a hole somewhere."""
    unnoticed = set()
    for cell in {repr((cell.table, cell.key)): cell for cell in sound.cells}.values():
        assert sound.changed(f"DELETE FROM {cell.table} WHERE {where(cell)}", **cell.key)
        if not sound.is_noticed():
            unnoticed.add(cell.table)
    assert unnoticed <= set(MAY_LACK)


def test_every_further_row_is_noticed_or_free(sound: Sound) -> None:
    """A row that is there twice, under another key, is one too many somewhere."""
    unnoticed = set()
    for (table, _), row in sound.rows().items():
        for name, is_key in sound.tables[table]:
            if not is_key or not isinstance(row[name], int):
                continue
            highest = max(c.value for c in sound.cells if (c.table, c.column) == (table, name))
            for number in (row[name] + 1, highest + 1, row[name] - 1):
                columns = ", ".join(row)
                fields = ", ".join(f":{name}" for name in row)
                text = f"INSERT INTO {table} ({columns}) VALUES ({fields})"
                if sound.changed(text, **{**row, name: number}) and not sound.is_noticed():
                    unnoticed.add(table)
                    assert table not in {"put_block", "turn"} or row["turn_id"] == PURGED_TURN
    assert unnoticed <= set(MAY_HAVE_MORE)


@settings(max_examples=1000 if FULL else 60, deadline=None)
@given(data=st.data())
def test_every_flipped_bit_of_an_item_is_noticed(sound: Sound, data: st.DataObject) -> None:
    """The checksum of a block tells; SQLite has none."""
    blocks = [c for c in sound.cells if c.column == "data" and c.value]
    cell = data.draw(st.sampled_from(blocks))
    flipped = bytearray(cell.value)
    bit = data.draw(st.integers(0, 8 * len(flipped) - 1))
    flipped[bit // 8] ^= 1 << bit % 8
    text = f"UPDATE {cell.table} SET data = :data WHERE {where(cell)}"
    assert sound.changed(text, **cell.key, data=bytes(flipped))
    assert sound.is_noticed()


@settings(max_examples=1000 if FULL else 60, deadline=None)
@given(data=st.data())
def test_bytes_that_are_none_of_its_codec_are_noticed(sound: Sound, data: st.DataObject) -> None:
    """Also if their checksum is right, as it would be if somebody has made them up."""
    from zlib import crc32

    blocks = [c for c in sound.cells if c.column == "data" and c.value]
    cell = data.draw(st.sampled_from(blocks))
    cut = cell.value[: data.draw(st.integers(0, len(cell.value) - 1))]
    text = f"UPDATE {cell.table} SET data = :data, crc = :crc WHERE {where(cell)}"
    assert sound.changed(text, **cell.key, data=cut, crc=crc32(cut))
    digits_of_one_item = cut.isdigit()
    assert sound.is_noticed() or digits_of_one_item


@settings(max_examples=2000 if FULL else 100, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_told_in_sentences(sound: Sound, data: st.DataObject) -> None:
    """Whatever bytes of the file are others, nothing but a sentence comes of it."""
    content = bytearray(sound.saved.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    sound.path.write_bytes(content)
    sound.is_noticed()


def test_a_snapshot_of_a_journal_at_work_is_sound(sound: Sound, tmp_path: Path) -> None:
    """What a broker is about to commit is not seen by halves."""
    path = tmp_path / "sales.db"
    shutil.copy(sound.saved, path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM parked")
        assert check_journal(path) == []
        connection.execute("COMMIT")
        assert check_journal(path) != []


def test_sentences_do_not_flood(sound: Sound) -> None:
    """However much is wrong, each kind is told once, with its number."""
    assert sound.changed("UPDATE put_block SET crc = 7, turn_id = 1, origin = 3, codec = 9")
    assert sound.changed("UPDATE queue SET done = 0, dropped = 0, parked = 0")
    problems = check_journal(sound.path)
    shutil.copy(sound.saved, sound.path)
    assert 5 < len(problems) < 40
    assert len(problems) == len(set(problems))


def test_every_rule_can_be_broken(sound: Sound) -> None:
    """A rule that nothing breaks proves nothing."""
    told = []
    for sql in WRONG:
        assert sound.changed(sql)
        told += check_journal(sound.path)
        shutil.copy(sound.saved, sound.path)
    rules = [*records.RULES, *spools.RULES, *naturalkeys.RULES, *COUNTERS]
    patterns = {rule: re.sub(r"\\\{.*?\\\}", r"\\S+", re.escape(rule)) for rule in rules}
    unbroken = [
        rule for rule, pattern in patterns.items() if not any(re.search(pattern, t) for t in told)
    ]
    assert not unbroken, "\n".join(unbroken)
