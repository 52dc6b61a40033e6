"""What commands ask a reader about single items, errors and processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from persistq.items import Failure, FailureKind, Item, item_id_of
from persistq.journal.base import Batch, Command, QueueRow, WorkerRecord
from persistq.journal.reader import ItemState, JournalReader
from persistq.journal.sqlite import SqliteJournal, open_journal
from persistq.journal.sqlite_reader import SqliteReader
from persistq.site.processes import this_process

FIVE = [item_id_of(1, n) for n in range(1, 6)]


@pytest.fixture
def journal(tmp_path: Path) -> SqliteJournal:
    """A load of two stages. In the first, item 1 is done, 2 and 3 are dropped, 4 is parked."""
    place = tmp_path / "journals"
    place.mkdir(mode=0o700)
    opened = open_journal(place / "sales.db")
    load = opened.begin_load("pipeline")
    opened.begin_run(load.load_id, Command("python", ("etl.py",), "/", this_process()))
    row = opened.add_queue(load.load_id, 0, "clean")
    opened.add_queue(load.load_id, 1, "store")
    row.next_n, row.done, row.dropped, row.parked = 6, 1, 2, 1
    first, second, third, fourth, fifth = FIVE
    opened.commit(
        Batch(
            puts=[Item(item_id, 0, b"%d" % item_id) for item_id in FIVE],
            done=[first],
            dropped=[second, third],
            reasons={second: "empty"},
            parked=[fourth],
            failures=[failure(fourth, "one"), failure(fifth, "two"), failure(fourth, "three")],
            workers=[WorkerRecord(1, 1, this_process()), WorkerRecord(2, 2, this_process())],
            departures={2: "left"},
            queues={1: row},
        )
    )
    return opened


@pytest.fixture
def reader(journal: SqliteJournal) -> JournalReader:
    """Look at it while it is open for writing."""
    return SqliteReader(Path(journal.path))


def failure(item_id: int, message: str) -> Failure:
    """Return a failed attempt."""
    return Failure(item_id, FailureKind.EXCEPTION, "ValueError", message, "Traceback ...")


def test_each_item_is_in_one_place(reader: JournalReader) -> None:
    """With the reason, where one was given."""
    found = [*reader.items(FIVE[0], FIVE[-1])]
    assert [it.item.item_id for it in found] == FIVE
    assert [it.item.payload for it in found] == [b"%d" % item_id for item_id in FIVE]
    assert [(it.state, it.reason) for it in found] == [
        (ItemState.DONE, ""),
        (ItemState.DROPPED, "empty"),
        (ItemState.DROPPED, ""),
        (ItemState.PARKED, ""),
        (ItemState.OUTSTANDING, ""),
    ]


def test_only_items_that_were_asked_for(reader: JournalReader) -> None:
    """Both bounds belong to them, and what is not there is passed over."""
    assert [it.item.item_id for it in reader.items(FIVE[1], FIVE[2])] == FIVE[1:3]
    assert [*reader.items(FIVE[-1] + 1, FIVE[-1] + 100)] == []
    assert len([*reader.items(0, item_id_of(2, 10))]) == 5


def test_attempts_of_one_item_and_of_several(reader: JournalReader) -> None:
    """Those of an item come together, oldest first, with the run that made them."""
    messages = [it.failure.message for it in reader.attempts(FIVE[3])]
    assert messages == ["one", "three"]
    several = [(it.failure.item_id, it.failure.message) for it in reader.attempts(*FIVE[::4])]
    assert several == [(FIVE[3], "one"), (FIVE[3], "three"), (FIVE[4], "two")]
    assert {it.run_id for it in reader.attempts(*FIVE[::4])} == {1}
    assert reader.attempts(FIVE[0]) == []


def test_a_retry_by_hand_forgives(journal: SqliteJournal, reader: JournalReader) -> None:
    """The failures stay readable."""
    row = QueueRow(1, 1, 0, "clean", 6, 1, 2, 0)
    journal.commit(Batch(unparked=[FIVE[3]], queues={1: row}))
    assert [it.forgiven for it in reader.attempts(FIVE[3])] == [True, True]
    assert [it.forgiven for it in reader.attempts(FIVE[4])] == [False]
    assert [*reader.parked_errors(1)] == []


def test_parked_items_with_their_last_error(reader: JournalReader) -> None:
    """Of one queue, and without what is long."""
    (parked,) = reader.parked_errors(1)
    assert (parked.item_id, parked.kind, parked.type) == (FIVE[3], "exception", "ValueError")
    assert parked.message == "three"
    assert parked.at is not None
    assert [*reader.parked_errors(2)] == []


def test_an_item_may_be_parked_without_a_record_of_why(
    journal: SqliteJournal, reader: JournalReader
) -> None:
    """It is shown all the same."""
    row = QueueRow(1, 1, 0, "clean", 6, 1, 2, 2)
    item_id = item_id_of(1, 6)
    row.next_n = 7
    journal.commit(Batch(puts=[Item(item_id, 0, b"6")], parked=[item_id], queues={1: row}))
    last = [*reader.parked_errors(1)][-1]
    assert last == (item_id, None, "", "", "")


def test_processes_of_a_run(reader: JournalReader) -> None:
    """With how they ended, where that is known."""
    first, second = reader.workers(1)
    assert (first.queue_id, first.ending, first.ended_at) == (1, None, None)
    assert first.peer == this_process()
    assert (second.queue_id, second.ending) == (2, "left")
    assert second.ended_at is not None
    assert reader.workers(2) == []


def test_queues_of_all_loads(journal: SqliteJournal, reader: JournalReader) -> None:
    """Those of the oldest load first."""
    journal.abandon_load(1)
    load = journal.begin_load("queue")
    journal.add_queue(load.load_id, 0, "store")
    names = [(queue.load_id, queue.name) for queue in reader.queues()]
    assert names == [(1, "clean"), (1, "store"), (2, "store")]
