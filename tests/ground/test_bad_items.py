"""Items that are strange, huge, many, poisonous, or whose class is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import pytest

from persistq import DONE, ItemNotReadable, ItemNotStorable, PersistentQueue
from persistq.codec import ItemCodec
from persistq.items import item_id_of
from persistq.journal.batch import Batch, Put
from persistq.journal.run import Command
from persistq.journal.sqlite import open_journal
from persistq.site.processes import this_process
from persistq.site.runlock import holder_of, lock_path
from persistq.testing import check_journal

from .loadsite import Site

MIB = 1 << 20
HUGE = 100_000_000
MANY = 10_000_000 if os.environ.get("PERSISTQ_TEST_LARGE") == "1" else 1_000_000
BROKER_BYTES_MAX = 350 * MIB
"""64 MiB of ready items as Python objects, the interpreter, and what SQLite keeps."""
READER_BYTES_MAX = 150 * MIB

STRANGE = [
    "\ud800 lone", "nul \0 in it", "é", "e\u0301", 2**63, 2**64, -(2**63) - 1, 10**400,
    float("inf"), b"\0\xff", "", {}, {"\udfff": None}, {1: (2, 3)}, [[], [[]]],
]  # fmt: skip

GONE = """\
from persistq import PersistentQueue


class Order:
    def __init__(self, number):
        self.number = number


queue = PersistentQueue("load")
queue.put_many(map(Order, range(2)))
queue.put(3)
queue.close()
queue.release()
"""

ORDERS = """\
import os
from persistq import Pipeline

pipeline = Pipeline("load", workers=0)


class Order:
    pass


@pipeline.source
def orders():
    for _ in range(3):
        yield Order()


@pipeline.stage
def store(order):
    if "STOP" in os.environ:
        os.kill(os.getpid(), 9)


if __name__ == "__main__":
    pipeline.run()
"""

POISON = """\
import os
from persistq import PersistentQueue


class Poison:
    def __reduce__(self):
        return open, ({canary!r}, "w")


queue = PersistentQueue("load")
queue.put(Poison())
queue.release()
"""

Opener = Callable[..., PersistentQueue[Any]]


@pytest.fixture
def opened(site: Site) -> Iterator[Opener]:
    """Open the load's queue; it is released at the end."""
    queues: list[PersistentQueue[Any]] = []

    def open_one(**options: Any) -> PersistentQueue[Any]:
        queues.append(PersistentQueue("load", journal=site.journals, **options))
        return queues[-1]

    yield open_one
    for queue in queues:
        queue.release()


def memory(queue: PersistentQueue[Any], what: str) -> int:
    """Return how much memory a queue's broker uses (VmRSS) or used at most (VmHWM), in bytes."""
    holder = holder_of(lock_path(queue.journal))
    assert holder is not None
    lines = Path(f"/proc/{holder.peer.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(what))


def run(site: Site, text: str) -> None:
    """Run a program text."""
    script = site.home / "script.py"
    script.write_text(text)
    environment = os.environ | {"PERSISTQ_JOURNAL": str(site.journals)}
    subprocess.run([sys.executable, script], env=environment, check=True, capture_output=True)


def test_strange_values_come_back_as_they_were(opened: Opener, site: Site) -> None:
    """Through the put-log, and again by the next program that opens the load."""
    queue = opened()
    queue.put_many(STRANGE)
    queue.release()
    again = opened()
    assert [again.get() for _ in STRANGE] == STRANGE
    for _ in STRANGE:
        again.task_done()
    again.close()
    assert again.get() is DONE
    assert check_journal(site.file) == []


def test_an_item_that_cannot_be_stored_is_refused_at_put(opened: Opener) -> None:
    """The queue is as it was before."""
    queue = opened()
    queue.put(1)
    for value in (lambda: None, (n for n in range(3)), sys):
        with pytest.raises(ItemNotStorable, match="cannot be pickled"):
            queue.put(value)
        with pytest.raises(ItemNotStorable):
            queue.put_many([2, value])
    assert [*queue.outstanding()] == [1]


def test_an_item_whose_class_is_gone_is_parked_and_the_queue_goes_on(
    opened: Opener, site: Site
) -> None:
    """The reason is kept with it, and what comes after it is handed out."""
    run(site, GONE)
    queue = opened()
    for _ in range(2):
        with pytest.raises(ItemNotReadable, match="Order"):
            queue.get()
    assert queue.get() == 3
    queue.task_done()
    assert queue.get() is DONE
    queue.release()
    assert check_journal(site.file) == []
    shown = site.command("status", "load").stdout
    assert "2 parked as failed" in shown
    assert "ItemNotReadable" in shown
    assert "Order" in shown


def test_a_class_that_is_gone_does_not_end_the_workers_of_a_pipeline(site: Site) -> None:
    """The item is parked with the reason, others go on, and the load is settled."""
    script = site.home / "orders.py"
    script.write_text(ORDERS)
    environment = os.environ | {"PERSISTQ_JOURNAL": str(site.journals), "STOP": "1"}
    first = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, check=False
    )
    assert first.returncode < 0
    script.write_text(ORDERS.replace("Order", "Purchase"))
    ended = site.command("run", str(script))
    assert ended.returncode == 6, ended.stderr
    assert "has nothing outstanding, and 1 item parked as failed" in ended.stderr
    assert "starting another" not in ended.stderr
    assert "Order" in site.command("status", "load").stdout
    assert check_journal(site.file) == []


def test_a_poisonous_pickle_is_never_loaded_by_looking(site: Site) -> None:
    """No command that looks at a journal runs what is in it."""
    canary = site.home / "canary"
    run(site, POISON.format(canary=str(canary)))
    for looking in (
        ["outstanding", "load"],
        ["outstanding", "load", "--json"],
        ["status", "load"],
        ["list"],
        ["verify", "load"],
    ):
        assert site.command(*looking).returncode == 0
    assert not canary.exists()
    queue: PersistentQueue[Any] = PersistentQueue("load", journal=site.journals, allow_pickle=False)
    with pytest.raises(ItemNotReadable, match="does not allow pickle"):
        queue.get()
    queue.release()
    assert not canary.exists()


def test_the_broker_lets_go_of_huge_items(opened: Opener, site: Site) -> None:
    """An item of 100 MB is put, finished, and leaves no memory behind in the broker."""
    queue = opened()
    queue.put(b"x" * HUGE)
    item = queue.get()
    assert isinstance(item, bytes)
    assert len(item) == HUGE
    queue.task_done()
    queue.put(1)
    assert queue.get() == 1
    queue.task_done()
    queue.flush()
    assert memory(queue, "VmRSS") < 200 * MIB
    queue.close()
    queue.release()
    assert check_journal(site.file) == []


def test_an_item_over_the_limit_is_refused_with_the_limit(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence names the size and the setting."""
    monkeypatch.setenv("PERSISTQ_ITEM_BYTES_MAX", "1000000")
    queue = opened()
    with pytest.raises(ItemNotStorable, match="item_bytes_max"):
        queue.put("x" * 1_000_001)
    assert queue.empty()


def fill(site: Site, number: int) -> None:
    """Write a journal with so many outstanding items, as a broker would have."""
    journal = open_journal(site.file)
    load = journal.begin_load("queue")
    journal.begin_run(
        load.load_id, Command(sys.executable, ("x.py",), str(site.home), this_process())
    )
    row = journal.add_queue(load.load_id, 0, "load")
    for first in range(1, number + 1, 50_000):
        last = min(first + 50_000, number + 1)
        row.next_n = last
        blocks = ItemCodec().encode_many(range(first, last))
        starts = accumulate([block.count for block in blocks], initial=first)
        puts = [Put(item_id_of(row.queue_id, n), block) for n, block in zip(starts, blocks)]  # noqa: B905
        journal.commit(Batch(puts=puts, queues={row.queue_id: row}))
    journal.close()


@pytest.mark.timeout(600 if MANY > 1_000_000 else 60)
def test_a_great_many_outstanding_items_need_little_memory(opened: Opener, site: Site) -> None:
    """Opened, counted, listed and begun with, in memory that does not grow with their number."""
    fill(site, MANY)
    queue = opened()
    assert queue.get() == 1
    assert queue.qsize() == MANY - 1
    assert list(islice(queue.outstanding(), 3)) == [1, 2, 3]
    assert memory(queue, "VmHWM") < BROKER_BYTES_MAX
    queue.release()
    count = site.command("outstanding", "load", "--count")
    assert count.stdout == f"{MANY}\n"
    assert listing_memory(site) < READER_BYTES_MAX


LISTING = """\
import atexit, sys
from persistq.cli import main

def tell():
    lines = open("/proc/self/status").read().splitlines()
    print(next(line.split()[1] for line in lines if line.startswith("VmHWM")), file=sys.stderr)

atexit.register(tell)
sys.argv[0] = "persistq"
main()
"""


def listing_memory(site: Site) -> int:
    """List all outstanding items, and return the most memory that took, in bytes."""
    with (site.home / "listing").open("wb") as listing:
        ended = subprocess.run(
            [sys.executable, "-c", LISTING, "outstanding", "load", "--journal", site.journals],
            stdout=listing,
            stderr=subprocess.PIPE,
            cwd=site.home,
            check=True,
        )
    with (site.home / "listing").open("rb") as listing:
        assert sum(1 for _ in listing) == MANY
    return int(ended.stderr.split()[-1]) << 10
