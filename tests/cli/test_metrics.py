"""``persistq metrics``: what Prometheus reads, of journals at work and at rest."""

from __future__ import annotations

import re
import stat
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from persistq import FolderQueue
from persistq.folder.counting import STATES, Counts
from persistq.journal.batch import Batch
from persistq.journal.load import Load, LoadState
from persistq.journal.queuerow import QueueRow
from persistq.journal.sqlite_reader import SqliteReader
from persistq.journal.view import JournalView
from persistq.metrics import families as families_module
from persistq.metrics.folders import folder_families
from persistq.metrics.reading import RUNNING, Reading, Totals, reading_of
from persistq.site.finding import site_of
from persistq.testing.journals.feed import COMMAND
from persistq.timings import Sample, StageSample, StageTimes

from .acting import Call, Record, Shell
from .test_failed import night
from .test_folder_verbs import die_in

PAGE = Path(__file__).parents[2] / "docs" / "machines.md"
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)

Values = dict[tuple[str, ...], float]


def values(text: str) -> Values:
    """Return what a text says, by name and labels in the order of their names."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_is_counted_is_what_is_there(call: Call, record: Record) -> None:
    """Items by what became of them, failures, the state of the load."""
    night(record)
    found = values(call("metrics", "sales").stdout)
    assert found["persistq_journal_readable", "sales"] == 1
    assert found["persistq_journal_bytes", "sales"] > 10_000
    assert found["persistq_items_total", "sales", "store", "put"] == 5
    assert found["persistq_items_total", "sales", "store", "done"] == 2
    assert found["persistq_parked_items", "sales", "store"] == 3
    assert found["persistq_outstanding_items", "sales", "store"] == 0
    assert found["persistq_failures_total", "sales", "exception", "store"] == 3
    states = {labels[2] for labels, value in found.items() if labels[0].endswith("state") and value}
    assert states == {"settled"}
    assert found["persistq_last_settled_timestamp_seconds", "sales"] > NOON.timestamp()


def test_all_journals_are_told_of(call: Call, record: Record) -> None:
    """Of one that cannot be read only that; what is named and not there is refused."""
    night(record)
    night(record, "other")
    Path(".persistq/broken.db").write_text("no journal")
    found = values(call("metrics").stdout)
    readable = {labels[1]: value for labels, value in found.items() if "readable" in labels[0]}
    assert readable == {"sales": 1, "other": 1, "broken": 0}
    assert {labels[1] for labels in found} == {*readable}
    assert call("metrics", "salse").exit_code == 4


def test_a_counter_goes_on_in_the_next_load(call: Call, record: Record) -> None:
    """Gauges are of the current one."""
    ledger = night(record)
    load = ledger.journal.begin_load("pipeline")
    ledger.load_id = load.load_id
    ledger.run_id = ledger.journal.begin_run(load.load_id, COMMAND)
    ledger.row = ledger.journal.add_queue(load.load_id, 0, "store")
    ledger.put(6)
    found = values(call("metrics").stdout)
    assert found["persistq_items_total", "sales", "store", "put"] == 6
    assert found["persistq_outstanding_items", "sales", "store"] == 1
    assert found["persistq_parked_items", "sales", "store"] == 0
    assert found["persistq_load_number", "sales"] == load.load_id


def test_a_stage_may_be_called_anything(call: Call, record: Record) -> None:
    """What it is called ends no line, and adds no metric."""
    ledger = record("sales")
    ledger.journal.rename_queues({ledger.row.queue_id: 'st"ore\\\nfake_metric 1\n\x1b'})
    ledger.put(1)
    text = call("metrics").stdout
    assert "\x1b" not in text
    assert not re.search(r"^fake_metric", text, re.MULTILINE)
    assert values(text)


def test_a_file_is_replaced_at_one_stroke(call: Call, shell: Shell, record: Record) -> None:
    """Who dies while it writes leaves the old one; others may read it."""
    night(record)
    Path("out.prom").write_text("old")
    died = shell("metrics", "-o", "out.prom", PERSISTQ_FAILPOINT="metrics.before_replace")
    assert died.returncode == -9
    assert Path("out.prom").read_text() == "old"
    assert not [*Path().glob(".*.prom")]
    result = call("metrics", "-o", "out.prom")
    assert result.exit_code == 0, result.stderr
    assert values(Path("out.prom").read_text()) == values(call("metrics").stdout)
    assert stat.S_IMODE(Path("out.prom").stat().st_mode) & 0o444 == 0o444
    assert not Path(".out.prom.part").exists()
    assert call("metrics", "-o", "nowhere/out.prom").exit_code == 1


def test_nothing_is_written_through_a_link(call: Call, record: Record) -> None:
    """Somebody else may have put it where the file is written first."""
    night(record)
    Path("precious").write_text("precious")
    Path(".out.prom.part").symlink_to("precious")
    assert call("metrics", "-o", "out.prom").exit_code == 0
    assert Path("precious").read_text() == "precious"


def test_who_lacks_the_library_is_told_what_to_install(
    call: Call, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one sentence."""
    night(record)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    result = call("metrics")
    assert result.exit_code == 2
    assert "pip install 'persistq[metrics]'" in result.stderr


def reading() -> Reading:
    """Return what a run at work has: all there is."""
    row = QueueRow(1, 1, 0, "store", next_n=11, done=4, parked=1)
    times = StageTimes(1, 2.5, 0.5, Counter({0: 2, 20: 1, 69: 1, 70: 1}))
    totals = Totals(10, 4, 0, 3, 2.0, times, Counter({"crash": 2}))
    load = Load(1, "pipeline", LoadState.OPEN, NOON, None)
    view = JournalView("sales.db", "sales", load, None, (row,))
    sample = Sample(0, NOON.timestamp(), 1 << 24, (StageSample(1, 10, 4, 0, 1, 2.5, 0.5, 1 << 25),))
    return Reading(view, RUNNING, {"store": totals}, 4096, NOON, sample)


def exposed(
    found: dict[str, Reading | None], counted: Mapping[Path, Counts | None] | None = None
) -> str:
    """Return the text of readings."""

    class Found:
        def collect(self) -> Iterator[object]:
            yield from families_module.families(found)
            yield from folder_families(counted or {})

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Found())  # type: ignore[arg-type]
    return generate_latest(registry).decode()


def test_durations_are_a_histogram() -> None:
    """Cumulative, with a bound four times the one before; the longest are in the last."""
    found = values(exposed({"sales": reading()}))
    name = "persistq_item_duration_seconds"
    buckets = [value for labels, value in found.items() if labels[0] == f"{name}_bucket"]
    assert buckets == sorted(buckets)
    assert (buckets[0], buckets[-1]) == (2, 5)
    assert found[f"{name}_bucket", "sales", "+Inf", "store"] == 5
    assert found[f"{name}_count", "sales", "store"] == 5
    assert found[f"{name}_sum", "sales", "store"] == 2.0
    assert found["persistq_idle_seconds_total", "sales", "store"] == 0.5
    assert found["persistq_items_total", "sales", "store", "duplicate"] == 3
    assert found["persistq_workers_memory_bytes", "sales", "store"] == 1 << 25


def folders(call: Call) -> Values:
    """Return what is told of folders."""
    found = values(call("metrics").stdout)
    return {key: value for key, value in found.items() if key[0].startswith("persistq_folder")}


def test_folders_are_told_of_beside_journals(call: Call, record: Record, tmp_path: Path) -> None:
    """What waits, since when, in whose hands, put aside; of a stranger's that it is one."""
    folder, other = tmp_path / "in", tmp_path / "other\n"
    queue: FolderQueue[Path] = FolderQueue(folder, producer="north")
    for number in range(4):
        (folder / f"{number}.csv").write_text("x")
    queue.task_failed(queue.get(), "bad")
    queue.get()
    die_in(lambda: FolderQueue(folder, producer="south"))
    FolderQueue(other).release()
    other.chmod(0o777)
    found, where = folders(call), str(folder)
    assert 0 <= found.pop(("persistq_folder_oldest_waiting_seconds", where)) < 60
    assert found == {
        ("persistq_folder_readable", where): 1,
        ("persistq_folder_readable", f"{tmp_path}/other\\n"): 0,
        ("persistq_folder_paused", where): 0,
        ("persistq_folder_waiting_files", where): 2,
        ("persistq_folder_in_hand_files", where): 1,
        ("persistq_folder_lost_files", where): 0,
        ("persistq_folder_parked_files", where): 1,
        ("persistq_folder_producers", where, "working"): 1,
        ("persistq_folder_producers", where, "dead"): 1,
        ("persistq_folder_producers", where, "done"): 0,
        ("persistq_folder_producers", where, "failed"): 0,
    }
    queue.release()
    night(record)
    assert folders(call)
    assert values(call("metrics", "sales").stdout).keys() == {
        key for key in values(call("metrics").stdout) if not key[0].startswith("persistq_folder")
    }


def test_each_metric_is_on_the_page() -> None:
    """And no other."""
    read = reading()
    page = PAGE.read_text(encoding="utf-8")
    shown = {*re.findall(r"^\| `(persistq_\w+)` \|", page, re.MULTILINE)}
    counts = Counts(False, 1, 1.0, 1, 0, 0, dict.fromkeys(STATES, 1))
    text = exposed({"sales": read}, {Path("/in"): counts})
    named = {*re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE)}
    assert named - shown <= {"persistq_run_started_timestamp_seconds"}
    assert shown <= named | {"persistq_run_started_timestamp_seconds"}


def test_a_purged_load_is_counted_still(record: Record) -> None:
    """Counters, failures and times stay when items go."""
    ledger = night(record)
    queue_id = ledger.row.queue_id
    times = {queue_id: StageTimes(queue_id, 2.0, 0.0, Counter({36: 1}))}
    ledger.journal.commit(Batch(times=times))
    site = site_of(ledger.journal.path)
    before = reading_of(site).totals
    ledger.journal._retention.served = 0
    assert ledger.journal.purge_load(ledger.load_id)
    while ledger.journal.tidy(1):
        pass
    assert reading_of(site).totals == before
    with SqliteReader(Path(ledger.journal.path)) as reader:
        assert reader.all_times() == [*times.values()]
