"""How long things take: measured, and no part of the work."""

from __future__ import annotations

from collections import Counter

from persistq.journal.batch import Batch
from persistq.testing.contract import same
from persistq.testing.journals.place import JournalPlace, journal_rules
from persistq.timings import Sample, SlowItem, StageSample, StageTimes

RULES = journal_rules()


@RULES.check
def slow_items_are_kept_until_they_are_no_longer(place: JournalPlace) -> None:
    """Of each the last time is known, by its queue; others than those named stay."""
    feed = place.feed()
    feed.put(3)
    feed.commit(Batch(slow={feed.id(1): 2.5, feed.id(2): 9.0}))
    feed.commit(Batch(slow={feed.id(3): 4.0, feed.id(1): 3.5}, no_longer_slow=[feed.id(2)]))
    for one in place.now_and_later_fed(feed):
        known = sorted(one.journal.slow_items(one.row.queue_id))
        same(known, [SlowItem(one.id(1), 3.5), SlowItem(one.id(3), 4.0)])
        same(one.journal.slow_items(one.row.queue_id + 1), [])


@RULES.check
def times_and_samples_change_nothing(place: JournalPlace) -> None:
    """No counter and no item knows of them, however often they are told."""
    feed = place.feed()
    feed.put(2)
    queue_id = feed.row.queue_id
    for tick in range(4):
        times = StageTimes(queue_id, tick + 0.5, 0.25, Counter({0: tick + 1, 31: 1}))
        stage = StageSample(queue_id, 2, 0, 0, 0, tick + 0.5, 0.25, 1 << 20)
        sample = Sample(tick, 1_700_000_000.0 + tick, 1 << 24, (stage,))
        feed.commit(Batch(times={queue_id: times}, sample=sample, samples_every=tick % 2 * 2))
    for one in place.now_and_later_fed(feed):
        same(one.outstanding(), [1, 2])


@RULES.check
def time_of_work_is_a_counter(place: JournalPlace) -> None:
    """It is recorded with what was done in it."""
    feed = place.feed()
    feed.put(2)
    feed.row.worked += 1.5
    feed.done(1)
    for one in place.now_and_later_fed(feed):
        [row] = one.journal.queues(one.load.load_id)
        same((row.done, row.worked), (1, 1.5))
