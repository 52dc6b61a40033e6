"""``persistq verify``: the equations of a journal, with their numbers."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from .acting import Call, Ledger, Record
from .test_looking import hold, let_go

WRONG = {
    "DELETE FROM put_block": "put_block has 0 items, next_n says 6",
    "UPDATE put_block SET data = x'5b305d'": "blocks whose checksum is wrong (the first: 109",
    "UPDATE queue SET done = done - 1": "2 items are done, its counters say 1",
    "DELETE FROM parked": "0 items are parked, its counters say 1",
    "UPDATE parked SET item_id = item_id - 1": "both in done_range and in parked",
    "INSERT INTO done_range VALUES (77, 77, 0, 1)": "done_range has 1 rows with items that",
    "UPDATE queue SET sealed_total = 99": "it was sealed with 99 items and has 6",
    "UPDATE load SET state = 'settled', ended_at = created_at": "2 items are outstanding",
    "UPDATE load SET state = 'lost'": "load.state holds 1 values that are not 'open' or 'settled'",
    "UPDATE load SET created_at = 'noon'": "load.created_at holds 1 values that are not a time",
    "UPDATE queue SET name = CAST(x'ff' AS TEXT)": "queue.name holds 1 values that are not a text",
    "DROP TRIGGER done_once": "trigger done_once is missing",
    "CREATE TRIGGER mine BEFORE INSERT ON run BEGIN SELECT RAISE(IGNORE); END": (
        "trigger mine is not part of a journal"
    ),
}
"""What is changed by hand, and what is said of it."""


@pytest.fixture
def ledger(record: Record) -> Ledger:
    """A load with items in every place."""
    ledger = record()
    ledger.put(*range(6))
    ledger.done(1, 2)
    ledger.fail(3, "ValueError", "bad")
    ledger.row.dropped = 1
    ledger._commit(_dropped(ledger, 4))
    return ledger


def _dropped(ledger: Ledger, number: int) -> object:
    from persistq.items import ranges_of
    from persistq.journal.batch import Batch

    return Batch(dropped=ranges_of([ledger.id(number)]))


def edit(ledger: Ledger, sql: str) -> None:
    """Change a journal behind the back of its broker."""
    with closing(sqlite3.connect(ledger.journal.path)) as connection:
        connection.execute(sql)
        connection.commit()


def test_verify_prints_the_equation_of_a_sound_journal(call: Call, ledger: Ledger) -> None:
    """Each stage's numbers are shown, and the exit code is 0, also while a run is at work."""
    lock = hold(ledger)
    result = call("verify", "sales")
    let_go(lock)
    assert result.stdout == (
        "load 1 (open), store: put 6 = done 2 + dropped 1 + parked 1 + outstanding 2; not sealed\n"
    )
    assert "agrees with itself" in result.stderr
    assert result.exit_code == 0


def test_verify_takes_the_load_that_ran_last(call: Call, ledger: Ledger) -> None:
    """Without a name the latest load is meant, as for the other commands."""
    result = call("verify")
    assert "sales (the one that ran last)" in result.stderr
    assert result.exit_code == 0


def test_verify_writes_json(call: Call, ledger: Ledger) -> None:
    """A program gets the same numbers."""
    found = json.loads(call("verify", "sales", "--json").stdout)
    assert found["sound"] is True
    assert found["problems"] == []
    (stage,) = found["stages"]
    assert stage == {
        "load": 1,
        "state": "open",
        "stage": "store",
        "put": 6,
        "done": 2,
        "dropped": 1,
        "parked": 1,
        "outstanding": 2,
        "sealed": None,
    }


def test_verify_shows_the_stages_of_earlier_loads_when_asked(call: Call, record: Record) -> None:
    """All loads are checked; those before the last are shown only on demand."""
    ledger = record()
    ledger.put(1)
    ledger.journal.abandon_load(ledger.load_id)
    load = ledger.journal.begin_load("pipeline")
    ledger.journal.add_queue(load.load_id, 0, "store")
    assert call("verify", "sales").stdout.count("\n") == 1
    assert call("verify", "sales", "--all-loads").stdout.count("\n") == 2
    edit(ledger, "UPDATE queue SET next_n = 3 WHERE load_id = 1")
    assert call("verify", "sales").exit_code == 5


@pytest.mark.parametrize("sql", WRONG)
def test_verify_names_each_contradiction(call: Call, ledger: Ledger, sql: str) -> None:
    """Whatever does not agree is told in a sentence, and the exit code is 5."""
    edit(ledger, sql)
    result = call("verify", "sales")
    assert WRONG[sql] in result.stdout
    assert "WRONG: " in result.stdout
    assert result.exit_code == 5
    assert json.loads(call("verify", "sales", "--json").stdout)["sound"] is False


def test_a_state_that_does_not_exist_is_told_in_a_sentence(call: Call, ledger: Ledger) -> None:
    """Also where the journal is to be found by when its run has started."""
    edit(ledger, "UPDATE load SET state = 'lost'")
    result = call("verify")
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 4
    assert result.stderr.count("\n") == 1


def test_verify_writes_nothing(call: Call, ledger: Ledger) -> None:
    """The bytes of the file and of its log are as they were."""
    files = [Path(ledger.journal.path + end) for end in ("", "-wal")]
    before = [path.read_bytes() for path in files]
    assert call("verify", "sales").exit_code == 0
    assert [path.read_bytes() for path in files] == before


def test_verify_of_no_journal_ends_with_4(call: Call, tmp_path: Path) -> None:
    """A file that is missing, foreign or cut short is told in one sentence."""
    directory = tmp_path / ".persistq"
    directory.mkdir()
    (directory / "text.db").write_text("just a text, a little longer than nothing")
    for name, words in (("absent", "no journal here"), ("text", "not a database")):
        result = call("verify", name)
        assert words in result.stderr
        assert result.stderr.count("\n") == 1
        assert result.exit_code == 4


def test_verify_of_a_truncated_file_ends_with_4(call: Call, ledger: Ledger) -> None:
    """What cannot be read at all is not counted, but refused."""
    ledger.journal.close()
    file = Path(ledger.journal.path)
    file.write_bytes(file.read_bytes()[:8192])
    result = call("verify", "sales")
    assert "damaged" in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.exit_code == 4
