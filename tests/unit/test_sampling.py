"""How many samples of a run are kept, and when the next one is due."""

from __future__ import annotations

from persistq.broker.record import Record
from persistq.broker.timing import SAMPLES_MAX, Timing
from persistq.journal.queuerow import QueueRow


def test_a_long_run_has_no_more_samples_than_a_short_one() -> None:
    """They are a second apart at first, then twice that, and evenly over the whole run."""
    record = Record()
    timing = Timing({1: QueueRow(1, 1, 0, "stage")}, record, lambda: 1_000_000.0)
    kept: set[int] = set()
    now = 50.0
    while now < 50.0 + 86_400:
        assert now >= timing.sample_at
        timing.sample(now, 1, {})
        batch = record.take()
        assert batch.sample is not None
        if batch.samples_every:
            kept = {tick for tick in kept if tick % batch.samples_every == 0}
        kept.add(batch.sample.tick)
        assert len(kept) <= SAMPLES_MAX
        now = timing.sample_at
    gaps = {later - tick for tick, later in zip(sorted(kept), sorted(kept)[1:], strict=False)}
    assert len(gaps) == 1
    assert len(kept) > SAMPLES_MAX // 4


def test_a_sample_that_comes_early_takes_the_place_of_the_one_before() -> None:
    """The end of a load is sampled whenever it comes."""
    record = Record()
    timing = Timing({}, record, lambda: 0.0)
    ticks = []
    for now in (10.0, 11.2, 11.9, 14.5):
        timing.sample(now, 1, {})
        sample = record.take().sample
        assert sample is not None
        ticks.append(sample.tick)
    assert ticks == [0, 1, 1, 4]
    assert timing.sample_at == 15.0
