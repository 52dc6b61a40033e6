"""Planted bugs of when and in which order items are handed out."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

DEFERRALS: Final = "tests/pipeline/test_deferrals.py::"
TRANSITIONS: Final = "tests/unit/test_transitions.py::"
PUT_OFF: Final = (
    f"{DEFERRALS}test_an_item_that_is_put_off_again_and_again_costs_no_attempt_and_one_row"
)
KEPT_OFF: Final = f"{DEFERRALS}test_what_is_put_off_waits_for_its_time_when_everything_was_killed"
HAS_NOT_FAILED: Final = f"{TRANSITIONS}test_an_item_that_is_put_off_has_not_failed"
ONE_FAILURE: Final = "tests/journal/test_journal_contract.py::test_journal_contract"

RATES: Final = "tests/pipeline/test_rates.py::"
RATE: Final = "tests/unit/test_rate.py::"
NO_SPAN: Final = f"{RATE}test_no_span_of_time_has_more_calls_than_the_rate_allows"

RANKING: Final = "tests/unit/test_ranking.py::"
ORDER: Final = "tests/pipeline/test_order.py::"
ORDER_KEPT: Final = f"{ORDER}test_an_order_is_kept_when_everything_is_killed"
WAITS_ON: Final = f"{ORDER}test_what_was_put_to_wait_waits_when_everything_is_killed"

MUTANTS: Final = [
    Mutant(
        "keeps what it has read ahead though something comes before it",
        "persistq/broker/lane.py",
        "        if ranking.add(slices) and self.ready:\n",
        "        if ranking.add(slices) and False:\n",
        (f"{RANKING}test_what_comes_while_others_were_read_ahead_goes_before_them",),
    ),
    Mutant(
        "hands out by rank before all of an earlier run is known",
        "persistq/broker/lane.py",
        "        return wanted and not self.backlog and not self.stands\n",
        "        return wanted and not self.stands\n",
        (f"{RANKING}test_nothing_is_handed_out_before_all_of_an_earlier_run_is_known",),
    ),
    Mutant(
        "tries a retry that is due before all others, whatever its rank",
        "persistq/broker/lane.py",
        "        if self.ranking is None:\n            self.retries.have_read(",
        "        if True:\n            self.retries.have_read(",
        (f"{RANKING}test_a_retry_that_is_due_waits_for_its_turn",),
    ),
    Mutant(
        "says DONE while items wait for their turn",
        "persistq/broker/lane.py",
        "self.retries or self.gathering or self.ranking\n",
        "self.retries or self.gathering\n",
        (f"{RANKING}test_a_lane_is_not_over_while_items_wait_for_their_turn",),
    ),
    Mutant(
        "forgets ranges when it packs the next ones",
        "persistq/broker/ranking.py",
        "            heapq.heapreplace(self._packed, (run.pop(), run))\n",
        "            heapq.heappop(self._packed)\n",
        (f"{RANKING}test_ranges_come_out_in_order_however_many_there_are",),
    ),
    Mutant(
        "orders by rank within a run only",
        "persistq/journal/pages.py",
        "Block(count, codec, data, crc, None, rank)",
        "Block(count, codec, data, crc)",
        (ORDER_KEPT,),
    ),
    Mutant(
        "lets a large number of a lower class go first",
        "persistq/ordering.py",
        "_sortable(order) >> (64 - _CLASS_BITS))",
        "_sortable(order) >> (62 - _CLASS_BITS))",
        ("tests/unit/test_ordering.py::test_a_higher_class_comes_first_whatever_the_order",),
    ),
    Mutant(
        "forgets in the next run what was put to wait",
        "persistq/broker/opening.py",
        "        transitions.intake.expect_later(delay)\n",
        "        continue\n",
        (WAITS_ON,),
    ),
    Mutant(
        "hands out at once what is put to wait",
        "persistq/broker/lane.py",
        "self.retries.sift(slices) if self.retries.noted else slices)",
        "slices)",
        (WAITS_ON,),
    ),
    Mutant(
        "waits again for what was put to wait and has ended",
        "persistq/journal/sqlite.py",
        "            for ids in self._outstanding_of(delay.ids)\n",
        "            for ids in [delay.ids]\n",
        (f"{ONE_FAILURE}[what_was_put_to_wait_and_has_ended_is_not_found]",),
    ),
    Mutant(
        "counts what a handler says does not count",
        "persistq/pool/worker.py",
        "        if isinstance(error, Retry) and not error.counts:\n",
        "        if isinstance(error, Retry) and error.counts:\n",
        (PUT_OFF,),
    ),
    Mutant(
        "keeps a broker busy with an item that is put off for no time",
        "persistq/broker/policy.py",
        "        return max(DEFERRED_S, self.delay(1, asked))\n",
        "        return self.delay(1, asked)\n",
        (HAS_NOT_FAILED,),
    ),
    Mutant(
        "counts in the next run what was put off",
        "persistq/broker/verdicts.py",
        "        elif attempts.kind.counts:\n",
        "        else:\n",
        (f"{TRANSITIONS}test_an_item_that_is_put_off_without_a_time_waits_for_the_first_back_off",),
    ),
    Mutant(
        "waits for the first of several times at which an item was put off",
        "persistq/journal/changes.py",
        "        retry_at = excluded.retry_at, forgiven = 0",
        "        forgiven = 0",
        (ONE_FAILURE,),
    ),
    Mutant(
        "waits for a time that an item was put off to before it failed",
        "persistq/journal/recording.py",
        "                self._writer.many(changes.UNDEFER, [(row[1],) for row in rows])\n",
        "",
        (ONE_FAILURE,),
    ),
    Mutant(
        "forgets until when an item is put off if it has failed before",
        "persistq/journal/queries.py",
        "        ORDER BY kind = 'deferred' AND retry_at IS NOT NULL DESC, failure_id DESC LIMIT 1",
        "        ORDER BY failure_id DESC LIMIT 1",
        (ONE_FAILURE, KEPT_OFF),
    ),
    Mutant(
        "forgets the calls of the run before",
        "persistq/broker/opening.py",
        "    return Meter(rate, until - _zero(), time.monotonic())\n",
        "    return Meter(rate, -_zero(), time.monotonic())\n",
        ("tests/pipeline/test_rates.py::test_the_next_load_goes_on_with_the_rate",),
    ),
    Mutant(
        "lets calls begin that are not recorded",
        "persistq/broker/metering.py",
        "        return max(0, min(self._by_rate, floor(recorded / self._interval + _EXACT)))\n",
        "        return max(0, self._by_rate)\n",
        (f"{RATE}test_nothing_may_begin_that_is_not_recorded",),
    ),
    Mutant(
        "believes that calls are recorded before they are committed",
        "persistq/broker/metering.py",
        "        self._recording = max(self._recorded, begun + RESERVE_S)\n",
        "        self._recorded = self._recording = max(self._recorded, begun + RESERVE_S)\n",
        (f"{RATE}test_nothing_may_begin_that_is_not_recorded",),
    ),
    Mutant(
        "saves up the calls that were not made",
        "persistq/broker/metering.py",
        "        self._spent = max(self._spent, self._now) + calls * self._interval\n",
        "        self._spent += calls * self._interval\n",
        (NO_SPAN,),
    ),
    Mutant(
        "waits for a clock that was set back",
        "persistq/broker/metering.py",
        "self._recording = min(spent, latest)\n",
        "self._recording = spent\n",
        (f"{RATE}test_a_clock_that_was_set_keeps_nobody_waiting_for_ever",),
    ),
    Mutant(
        "hands out by the rate what waits in somebody's hands",
        "persistq/broker/serving.py",
        "lane.meter.allowed * together, room or most) if begun else 0\n",
        "lane.meter.allowed * together, room or most)\n",
        (f"{RATE}test_who_has_something_in_hand_gets_no_more",),
    ),
    Mutant(
        "keeps a broker busy while a stage waits for its rate",
        "persistq/broker/lane.py",
        "        if self.meter is not None and self.ready:\n",
        "        if False:\n",
        (f"{RATE}test_who_has_something_in_hand_gets_no_more",),
    ),
    Mutant(
        "sleeps when the next call is due",
        "persistq/broker/lane.py",
        "            times.append(self.meter.due)\n",
        "            pass\n",
        (f"{RATE}test_items_are_handed_out_when_they_are_due",),
    ),
    Mutant(
        "makes calls beside those that are metered",
        "persistq/pool/batches.py",
        "        if self._metered:\n",
        "        if False:\n",
        (f"{RATES}test_a_rate_holds_for_calls_of_batches_and_for_what_is_tried_again",),
    ),
    Mutant(
        "tries together again what has failed together",
        "persistq/broker/suspects.py",
        "            first, attempt = divided(attempt, 1)\n",
        "            first, attempt = divided(attempt, 2)\n",
        (f"{RATE}test_a_batch_is_one_call_and_its_items_are_tried_again_as_one_call_each",),
    ),
]
