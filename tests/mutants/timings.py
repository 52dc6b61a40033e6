"""Bugs planted in what is measured."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

LEAVES = '                failpoints.point("client.before_leave")\n'
TIMES = "tests/pipeline/test_times.py::"
RETENTION = "tests/journal/test_retention.py::"
SAMPLING = "tests/unit/test_sampling.py::"

MUTANTS = [
    Mutant(
        "tells times only while it is at work",
        "persistq/client/consumer.py",
        f"                self._tell_times()\n{LEAVES}",
        LEAVES,
        (f"{TIMES}test_each_item_is_in_the_histogram_of_its_stage[2-]",),
    ),
    Mutant(
        "keeps all samples",
        "persistq/broker/timing.py",
        "            self._step *= 2\n",
        "            pass\n",
        (f"{SAMPLING}test_a_long_run_has_no_more_samples_than_a_short_one",),
    ),
    Mutant(
        "takes no last sample",
        "persistq/broker/sampling.py",
        "        if is_due or batch.settled_load is not None:\n",
        "        if is_due:\n",
        (f"{TIMES}test_where_a_run_has_stood_is_sampled",),
    ),
    Mutant(
        "keeps the first slow items and not the slowest",
        "persistq/broker/timing.py",
        "        _, left_out = heappushpop(self._heap, entry)\n",
        "        left_out = item.item_id\n",
        ("tests/unit/test_timings.py::test_the_slowest_are_kept",),
    ),
    Mutant(
        "leaves samples of purged loads",
        "persistq/journal/retention.py",
        "        yield from self._drop_samples()\n",
        "",
        (f"{RETENTION}test_where_runs_have_stood_is_given_up_with_their_load",),
    ),
]
