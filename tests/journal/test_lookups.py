"""What commands ask a reader about single items, errors and processes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from persistq.blocks import Block, Origin, block_of
from persistq.items import DAMAGED, Failure, FailureKind, IdRange, item_id_of
from persistq.journal.batch import Batch, Published, Put, Spooled, Streamed
from persistq.journal.queuerow import QueueRow
from persistq.journal.reader import ItemState, JournalReader
from persistq.journal.route import Route, RouteKind
from persistq.journal.run import Command, WorkerRecord
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
    store = opened.add_queue(load.load_id, 1, "store")
    opened.set_routes(load.load_id, [Route(row.queue_id, store.queue_id, RouteKind.FEEDS)])
    row.next_n, row.done, row.dropped, row.parked = 6, 1, 2, 1
    first, second, third, fourth, fifth = FIVE
    opened.commit(
        Batch(
            puts=[Put(first, block_of(0, [b"%d" % item_id for item_id in FIVE]))],
            done=[IdRange(first, first)],
            dropped=[IdRange(second, third)],
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
    assert [it.item_id for it in found] == FIVE
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
    assert [it.item_id for it in reader.items(FIVE[1], FIVE[2])] == FIVE[1:3]
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


def test_what_lies_behind_an_item(reader: JournalReader) -> None:
    """Who shows page after page goes on behind the last item of the one before."""
    assert [it.item_id for it in reader.outstanding(1)] == [FIVE[4]]
    assert [it.item_id for it in reader.outstanding(1, after_id=FIVE[3])] == [FIVE[4]]
    assert [*reader.outstanding(1, after_id=FIVE[4])] == []
    assert [it.item_id for it in reader.parked_errors(1, after_id=FIVE[2])] == [FIVE[3]]
    assert [*reader.parked_errors(1, after_id=FIVE[3])] == []
    assert [*reader.parked_errors(2, after_id=FIVE[0])] == []


def test_an_item_may_be_parked_without_a_record_of_why(
    journal: SqliteJournal, reader: JournalReader
) -> None:
    """It is shown all the same."""
    row = QueueRow(1, 1, 0, "clean", 6, 1, 2, 2)
    item_id = item_id_of(1, 6)
    row.next_n = 7
    journal.commit(
        Batch(puts=[Put(item_id, block_of(0, [b"6"]))], parked=[item_id], queues={1: row})
    )
    last = [*reader.parked_errors(1)][-1]
    assert last == (item_id, None, "", "", "")


def test_failed_attempts_are_grouped_by_what_went_wrong(
    journal: SqliteJournal, reader: JournalReader
) -> None:
    """The most frequent ones first, each with how many items it struck and its latest one."""
    fourth, fifth = FIVE[3:]
    died = Failure(fifth, FailureKind.CRASH, "WorkerDied", "it died")
    elsewhere = failure(item_id_of(2, 1), "of another queue")
    journal.commit(Batch(failures=[died, elsewhere]))
    first, second = reader.failure_groups(1, most=5)
    assert (first.kind, first.type) == (FailureKind.EXCEPTION, "ValueError")
    assert (first.attempts, first.items) == (3, 2)
    assert first.newest.failure == failure(fourth, "three")
    assert first.newest.item is not None
    assert first.newest.item.payload == b"%d" % fourth
    assert (second.kind, second.attempts, second.newest.failure) == (died.kind, 1, died)
    assert [group.kind for group in reader.failure_groups(1, most=1)] == [FailureKind.EXCEPTION]
    assert [reader.failed_attempts(queue_id) for queue_id in (1, 2, 3)] == [4, 1, 0]


def test_a_snapshot_is_of_one_moment(journal: SqliteJournal, reader: JournalReader) -> None:
    """Whatever is asked in it; what comes meanwhile is seen behind it."""
    with reader.snapshot():
        assert reader.failed_attempts(1) == 3
        journal.commit(Batch(failures=[failure(FIVE[4], "four")]))
        assert reader.failed_attempts(1) == 3
        assert len(reader.view().queues) == 2
        assert sum(group.attempts for group in reader.failure_groups(1, most=5)) == 3
    assert reader.failed_attempts(1) == 4


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


def test_when_and_in_which_run(journal: SqliteJournal, reader: JournalReader) -> None:
    """Each item was put, and ended, at a moment and in a run."""
    row = QueueRow(1, 1, 0, "clean", 6, 2, 2, 1)
    before = datetime.now(UTC)
    run_id = journal.begin_run(1, Command("python", ("etl.py",), "/", this_process()))
    journal.commit(Batch(done=[IdRange(FIVE[4], FIVE[4])], queues={1: row}))
    first, *_, last = reader.items(FIVE[0], FIVE[-1])
    assert first.put == last.put
    assert first.put is not None
    assert first.put.run_id == 1
    assert first.put.at <= before
    assert last.ended is not None
    assert last.ended.run_id == run_id
    assert before - timedelta(milliseconds=1) <= last.ended.at <= datetime.now(UTC)


def test_an_item_whose_bytes_are_damaged_is_told_of(
    journal: SqliteJournal, reader: JournalReader
) -> None:
    """With all that is known of it; and its neighbours in other blocks are read."""
    row = QueueRow(1, 1, 0, "clean", 9, 1, 2, 1)
    puts = [
        Put(item_id_of(1, 6), Block(2, 0, b"[6,7]", 0)),
        Put(item_id_of(1, 8), block_of(0, [b"8"])),
    ]
    journal.commit(Batch(puts=puts, queues={1: row}))
    found = [it.item for it in reader.items(item_id_of(1, 6), item_id_of(1, 8))]
    assert [(it.codec, it.payload) for it in found] == [(DAMAGED, b""), (DAMAGED, b""), (0, b"8")]


# --- what an item led to --------------------------------------------------------------------------


class Making:
    """Ends items of the first stage and puts what was made of them into the second, as a run does.

    Args:
        journal: The journal.
    """

    def __init__(self, journal: SqliteJournal) -> None:
        self.journal = journal
        self.clean = QueueRow(1, 1, 0, "clean", 6, 1, 2, 1)
        self.store = QueueRow(2, 1, 1, "store")

    def put(self, count: int) -> list[int]:
        """Put more items into the first stage."""
        ids = [item_id_of(1, self.clean.next_n + n) for n in range(count)]
        self.clean.next_n += count
        self._commit(Batch(puts=[Put(ids[0], block_of(0, [b"0"] * count))]))
        return ids

    def done(self, item_ids: IdRange, *made: tuple[int, Origin]) -> list[int]:
        """End items, with blocks made of them; return the id of the first item of each block."""
        puts = []
        for count, origin in made:
            puts.append(Put(self._next(count), block_of(0, [b"0"] * count), origin))
        self.clean.done += item_ids.count
        self._commit(Batch(done=[item_ids], puts=puts))
        return [put.first_id for put in puts]

    def publish(self, item_id: int, count: int) -> int:
        """End an item with what was spooled of it."""
        block = block_of(0, [b"0"] * count)
        self._commit(Batch(spooled=[Spooled(1, 0, block, item_id)]))
        first_id = self._next(count)
        self.clean.done += 1
        published = [Published(first_id, count, 1, item_id)]
        self._commit(Batch(done=[IdRange(item_id, item_id)], published=published))
        return first_id

    def stream(self, item_id: int) -> int:
        """Put an item that was made of one that is not done."""
        first_id = self._next(1)
        put = Put(first_id, block_of(0, [b"0"]), Origin(item_id))
        streamed = [Streamed(item_id, IdRange(first_id, first_id))]
        self._commit(Batch(puts=[put], streamed=streamed))
        return first_id

    def _next(self, count: int) -> int:
        first_id = item_id_of(2, self.store.next_n)
        self.store.next_n += count
        return first_id

    def _commit(self, batch: Batch) -> None:
        self.journal._turns.end()  # each commit is later than the one before
        batch.queues = {1: self.clean, 2: self.store}
        self.journal.commit(batch)


@pytest.fixture
def making(journal: SqliteJournal) -> Making:
    """The load goes on."""
    return Making(journal)


def test_what_an_item_led_to_is_found(making: Making, reader: JournalReader) -> None:
    """Among much else that was put before and after, whatever the blocks are like."""
    ids = making.put(20)
    for item_id in ids[:5]:
        making.done(IdRange(item_id, item_id), (3, Origin(item_id)))
    shared, several = making.done(
        IdRange(ids[5], ids[9]),
        (5, Origin(ids[5], b"\1")),
        (4, Origin(ids[5], b"\0\2\0")),
    )
    for item_id in ids[10:]:
        making.done(IdRange(item_id, item_id))
    assert reader.made_of(ids[0]) == [IdRange(item_id_of(2, 1), item_id_of(2, 3))]
    assert reader.made_of(ids[6]) == [IdRange(shared + 1, shared + 1)]
    assert reader.made_of(ids[7]) == [
        IdRange(shared + 2, shared + 2),
        IdRange(several + 2, several + 3),
    ]
    assert reader.made_of(ids[10]) == []
    (found,) = reader.items(several + 3, several + 3)
    assert found.origin == ids[7]


def test_what_was_spooled_and_what_goes_on_before_its_end(
    making: Making, reader: JournalReader
) -> None:
    """Both are found as well."""
    first, second = making.put(2)
    made = making.publish(first, 4)
    streamed = making.stream(second)
    assert reader.made_of(first) == [IdRange(made, made + 3)]
    assert reader.made_of(second) == [IdRange(streamed, streamed)]
