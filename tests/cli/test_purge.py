"""``persistq purge``: what is given up, what is not, and what is said."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from persistq.journal.batch import Batch
from persistq.testing import check_journal

from .acting import Call, Ledger, Record
from .test_looking import hold, let_go


def settled(record: Record, name: str = "sales", loads: int = 3) -> Path:
    """Leave loads of ten items each, all done but one that is parked; return the journal."""
    path = Path()
    for _ in range(loads):
        ledger = record(name)
        path = end(ledger)
    return path


def end(ledger: Ledger) -> Path:
    """Settle a load, with one of its items parked."""
    ledger.put(*range(10))
    ledger.done(*range(2, 11))
    ledger.fail(1, "ValueError", "bad")
    ledger.row.sealed_total = ledger.row.put
    ledger._commit(Batch(settled_load=ledger.row.load_id))
    ledger.journal.close()
    return Path(ledger.journal.path)


def rows(path: Path, table: str = "put_block") -> int:
    """Return how many rows a table has."""
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def marked(path: Path) -> list[int]:
    """Return the loads that are purged."""
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT load_id FROM load WHERE purged_at IS NOT NULL ORDER BY load_id"
        return [load_id for (load_id,) in connection.execute(query)]


def test_all_but_the_latest_loads_give_up_their_items(record: Record, call: Call) -> None:
    """Parked items and failures stay; the journal agrees with itself."""
    path = settled(record)
    done = call("purge", "sales", "--keep-loads", "1")
    assert done.exit_code == 0
    assert [line.split(", settled")[0] for line in done.stdout.splitlines()] == [
        "sales, load 1",
        "sales, load 2",
    ]
    assert marked(path) == [1, 2]
    assert (rows(path, "parked"), rows(path, "failure")) == (3, 3)
    assert check_journal(path) == []


def test_a_dry_run_does_nothing(record: Record, call: Call) -> None:
    """It says what would be done."""
    path = settled(record)
    before = path.read_bytes()
    done = call("purge", "sales", "--keep-loads", "0", "--dry-run", "--json")
    found = json.loads(done.stdout)["loads"]
    assert [(it["load"], it["purged"]) for it in found] == [(1, False), (2, False), (3, False)]
    assert path.read_bytes() == before


def test_bytes_are_counted_from_the_latest_load_on(record: Record, call: Call) -> None:
    """A size has units; a load that does not fit takes the older ones with it."""
    path = settled(record)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE queue SET bytes = 2048")
        connection.commit()
    assert call("purge", "sales", "--keep-bytes", "5KB").exit_code == 0
    assert marked(path) == [1]
    wrong = call("purge", "sales", "--keep-bytes", "much")
    assert wrong.exit_code == 2
    assert "as in 500MB" in wrong.stderr


def test_loads_can_be_named(record: Record, call: Call) -> None:
    """Then no others are purged, and what has not ended is refused."""
    path = settled(record)
    assert call("purge", "sales", "--load", "2").exit_code == 0
    assert marked(path) == [2]
    record("sales").journal.close()
    refused = call("purge", "sales", "--load", "4")
    assert refused.exit_code == 2
    assert "load 4 of 'sales' is open" in refused.stderr


def test_what_an_abandoned_load_has_outstanding_is_dropped_only_if_that_is_said(
    record: Record, call: Call
) -> None:
    """These are people's data."""
    ledger = record()
    ledger.put(1, 2, 3)
    ledger.done(1)
    ledger.journal.abandon_load(ledger.row.load_id)
    ledger.journal.close()
    path = Path(ledger.journal.path)
    assert call("purge", "sales", "--keep-loads", "0").exit_code == 0
    refused = call("purge", "sales", "--load", "1")
    assert refused.exit_code == 2
    assert "2 outstanding" in refused.stderr
    assert (marked(path), rows(path)) == ([], 1)
    said = call("purge", "sales", "--keep-loads", "0", "--abandoned")
    assert "2 outstanding are dropped" in said.stdout
    assert (marked(path), rows(path)) == ([1], 0)
    assert check_journal(path) == []


def test_while_a_run_is_at_work_nothing_is_done(record: Record, call: Call) -> None:
    """One sentence says who is at work."""
    ledger = record()
    path = end(ledger)
    broker = hold(ledger)
    try:
        busy = call("purge", "sales", "--keep-loads", "0")
    finally:
        let_go(broker)
    assert busy.exit_code == 4
    assert "is working on it" in busy.stderr
    assert marked(path) == []


def test_a_purged_load_says_so(record: Record, call: Call) -> None:
    """And what it has kept can be looked at."""
    settled(record, loads=1)
    call("purge", "sales", "--keep-loads", "0")
    assert "failures and parked items are kept" in call("status", "sales").stdout
    assert json.loads(call("status", "sales", "--json").stdout)["purged"] is not None
    assert "ValueError: bad" in call("status", "sales").stdout
    assert call("outstanding", "sales", "--count").stdout.strip() == "0"
    assert call("verify", "sales").exit_code == 0


@pytest.mark.parametrize("words", [[], ["--load", "1", "sales-{day}"], ["nothing"]])
def test_wrong_words_are_refused(words: list[str], record: Record, call: Call) -> None:
    """In one sentence, and nothing changes."""
    path = settled(record)
    refused = call("purge", *words)
    assert refused.exit_code in {2, 4}
    assert len(refused.stderr.splitlines()) == 1
    assert marked(path) == []


def test_journals_of_one_template_count_together(record: Record, call: Call) -> None:
    """Those with nothing left are removed; others of such a name are somebody else's."""
    paths = {}
    for name in ("sales-mon", "sales-tue", "sales-wed", "sales-archive"):
        ledger = record(name)
        if name != "sales-archive":
            ledger.journal.note_template("sales-{day}")
        if name == "sales-tue":
            paths[name] = end(ledger)
            continue
        ledger.put(1)
        ledger.done(1)
        ledger.row.sealed_total = 1
        ledger._commit(Batch(settled_load=1))
        ledger.journal.close()
        paths[name] = Path(ledger.journal.path)
    done = call("purge", "sales-{day}", "--keep-loads", "1")
    assert done.exit_code == 0
    assert not paths["sales-mon"].exists()
    assert not [*paths["sales-mon"].parent.glob("sales-mon*")]
    assert marked(paths["sales-tue"]) == [1]
    assert marked(paths["sales-wed"]) == marked(paths["sales-archive"]) == []
