"""How long things take is told by workers, and is in the journal when a run is over."""

from __future__ import annotations

from contextlib import closing

import pytest

from persistq.journal.sqlite_reader import SqliteReader
from persistq.testing import check_journal
from persistq.timings import quantile

from .conftest import MakeProgram
from .program import Program

SLEEPS = """
    pipeline = Pipeline("demo", workers={workers})
    pipeline.source(lambda: range(40))

    @pipeline.stage({options})
    {handler}

    pipeline.stage(abs)
    pipeline.run()
"""
ONE = "def nap(number): time.sleep(0.3 if number in (7, 9) else 0.002); return number"
BATCH = "def nap(numbers): time.sleep(0.01 * len(numbers)); return numbers"


def reader_of(script: Program) -> SqliteReader:
    """Open the journal of a script."""
    return SqliteReader(script.home / "journal" / "demo.db")


@pytest.mark.parametrize("options", ["", "threads=2"])
@pytest.mark.parametrize("workers", [0, 2])
def test_each_item_is_in_the_histogram_of_its_stage(
    program: MakeProgram, options: str, workers: int
) -> None:
    """And slow ones are kept by themselves, the slowest first."""
    script = program(SLEEPS.format(workers=workers, options=options, handler=ONE))
    assert script.run(PERSISTQ_SLOW_AFTER="0.25").code == 0
    with closing(reader_of(script)) as reader:
        [run] = reader.runs(1)
        naps, rest = reader.times(run.run_id)
        assert naps.counts.total() == rest.counts.total() == 40
        assert naps.worked >= 2 * 0.3 + 38 * 0.002
        assert 0.002 / 2**0.5 <= quantile(naps.counts, 0.5) < 0.3
        assert quantile(naps.counts, 1) >= 0.3 / 2**0.5
        assert quantile(rest.counts, 0.5) < 0.002
        slow = reader.slow_items(1)
        assert sorted(one.item_id & 0xFFFF for one in slow) == [8, 10]
        assert slow == sorted(slow, key=lambda one: -one.seconds)
        [queue, _] = reader.queues()
        assert queue.worked == pytest.approx(naps.worked, rel=0.01)
    assert check_journal(script.home / "journal" / "demo.db") == []


def test_no_more_slow_items_are_kept_than_wanted(program: MakeProgram) -> None:
    """The slowest of all runs."""
    script = program(SLEEPS.format(workers=1, options="", handler=ONE))
    assert script.run(PERSISTQ_SLOW_AFTER="0", PERSISTQ_SLOW_KEPT="1").code == 0
    with closing(reader_of(script)) as reader:
        [slow] = reader.slow_items(1)
        assert slow.item_id & 0xFFFF in {8, 10}


def test_where_a_run_has_stood_is_sampled(program: MakeProgram) -> None:
    """From its first second to its end, with the memory of its processes."""
    script = program(SLEEPS.format(workers=1, options="", handler=ONE))
    assert script.run().code == 0
    with closing(reader_of(script)) as reader:
        [run] = reader.runs(1)
        samples = reader.samples(run.run_id)
    assert samples[0].tick == 0
    assert samples[-1].broker_rss > 1 << 20
    naps, rest = samples[-1].stages
    assert (naps.put, naps.done, rest.put, rest.done) == (40, 40, 40, 40)
    assert any(stage.rss > 1 << 20 for sample in samples for stage in sample.stages)


def test_a_batch_counts_by_its_items(program: MakeProgram) -> None:
    """Each took its share of the call."""
    options = "batch=10, linger=0.05"
    script = program(SLEEPS.format(workers=1, options=options, handler=BATCH))
    assert script.run().code == 0, script.said(script.started[-1])
    with closing(reader_of(script)) as reader:
        [run] = reader.runs(1)
        naps, _ = reader.times(run.run_id)
    assert naps.counts.total() == 40
    assert naps.worked >= 0.4
