"""Each change of an item moves its place, its queue's counters and its record together."""

from __future__ import annotations

import pytest
from lanes import (
    CRASHED,
    OVERDUE,
    QUEUE,
    RAISED,
    ZERO,
    Records,
    block,
    ids,
    items,
    new_lane,
    new_transitions,
    numbers,
    ranges,
    served,
    transitions_of,
)

from persistq.blocks import Origin
from persistq.broker.cause import Cause
from persistq.broker.policy import DEFERRED_S, Verdict
from persistq.broker.span import Span
from persistq.broker.transitions import Transitions
from persistq.items import FailureKind
from persistq.journal.attempts import Attempts
from persistq.journal.batch import Batch, ByHand, Deed, Put
from persistq.peer import Peer
from persistq.wire.messages import Outputs, Patience

PUT_OFF = Cause(FailureKind.DEFERRED, "Retry", "not now")


def ask(transitions: Transitions, *consumers: int, together: int = 1) -> dict[int, list[int]]:
    """Let consumers, connected first if they are not, ask for work, and return what each got."""
    scheduler = transitions.scheduler
    for consumer in consumers:
        if consumer not in scheduler.consumers:
            scheduler.join(consumer, QUEUE, together)
        scheduler.take(consumer, Patience.WAIT)
    return served(scheduler)


def recorded(transitions: Transitions) -> Batch:
    """Return what a commit would record now."""
    return transitions.record.batch


def test_a_report_that_names_what_its_sender_does_not_hold_changes_nothing() -> None:
    """It is late, so all of it is refused: places, counters and records stay as they are."""
    lane = new_lane(2)
    transitions = new_transitions(lane)
    assert ask(transitions, 1, 2) == {1: [1], 2: [2]}
    outputs = [Outputs(QUEUE, [block(1, 2)], [Origin(ids(1)[0])])]
    twice = [*ranges(1), *ranges(1)]
    for named in (ranges(1, 2), ranges(1, 77), twice, ranges(2)):
        assert not transitions.finish(1, named, 1.0, outputs)
        assert not transitions.drop(1, named, "why not")
        assert not transitions.attempts.fail(1, named, RAISED, now=0.0)
        transitions.give_back(1, named)
    assert not recorded(transitions)
    assert (lane.row.put, lane.row.done, lane.row.dropped, lane.row.parked) == (2, 0, 0, 0)
    assert numbers(transitions.scheduler.consumers[1].hands) == [1]
    assert transitions.finish(1, ranges(1), 1.0)
    assert not transitions.finish(1, ranges(1), 1.0)
    assert (lane.row.done, lane.in_flight) == (1, 1)


def test_finished_items_and_their_outputs_are_one_record() -> None:
    """Place, counters and batch know of both."""
    lane = new_lane(1)
    transitions = new_transitions(lane)
    ask(transitions, 1)
    made, origin = block(2, 4), Origin(ids(1)[0])
    assert transitions.finish(1, ranges(1), 1.0, [Outputs(QUEUE, [made], [origin])])
    batch = recorded(transitions)
    assert (batch.done, batch.puts) == (ranges(1), [Put(ids(2)[0], made, origin)])
    assert (lane.row.done, lane.row.put, lane.in_flight) == (1, 3, 0)
    assert not lane.ready
    transitions.commit()
    assert numbers(lane.ready) == [2, 3]


def test_a_checkpoint_is_synced_and_of_who_holds_the_item() -> None:
    """What comes too late is void: another attempt may have come further."""
    transitions = new_transitions(new_lane(2))
    ask(transitions, 1, 2)
    assert not transitions.interim.checkpoint(2, ids(1)[0], block(7, 1))
    assert not recorded(transitions)
    assert transitions.interim.checkpoint(1, ids(1)[0], block(7, 1))
    batch = recorded(transitions)
    assert (batch.checkpoints, batch.synced) == ({ids(1)[0]: block(7, 1)}, True)


def test_dropped_item_is_settled() -> None:
    """It counts apart from done items, and its reason is kept."""
    lane = new_lane(2)
    transitions = new_transitions(lane)
    ask(transitions, 1, 2)
    assert transitions.drop(1, ranges(1), "seen before")
    assert transitions.drop(2, ranges(2), "")
    assert (lane.row.dropped, lane.row.outstanding, lane.in_flight) == (2, 0, 0)
    assert recorded(transitions).reasons == {ids(1)[0]: "seen before"}


def test_blamed_item_is_tried_alone_and_then_parked() -> None:
    """The second death is the proof."""
    lane = new_lane(6)
    lane.pace.learn(100, 0.1)
    transitions = new_transitions(lane)
    assert ask(transitions, 1) == {1: [1, 2, 3]}
    assert transitions.deaths.blame(1, ids(2)[0], CRASHED) == [Verdict.RETRY]
    transitions.leave(1)
    assert transitions.failures.of(ranges(1, 2)) == {ids(2)[0]: 1}
    assert ask(transitions, 2) == {2: [2]}
    assert transitions.deaths.blame(2, ids(2)[0], OVERDUE) == [Verdict.PARK]
    transitions.leave(2)
    assert lane.row.parked == 1
    assert transitions.failures.of(ranges(2)) == {}
    kinds = [failure.kind for failure in recorded(transitions).failures]
    assert kinds == [FailureKind.CRASH, FailureKind.TIMEOUT]
    assert ask(transitions, 3)[3][0] == 1


def test_crashes_are_counted_apart_from_exceptions() -> None:
    """An item that raised and then killed its worker has one of each."""
    transitions = new_transitions(new_lane(1), retries=1, max_crashes=2)
    ask(transitions, 1)
    verdicts = transitions.attempts.fail(1, ranges(1), RAISED, now=0.0, retry_after=0.0)
    assert verdicts == [Verdict.RETRY]
    assert ask(transitions, 1) == {1: [1]}
    assert transitions.deaths.blame(1, ids(1)[0], CRASHED) == [Verdict.RETRY]
    assert transitions.failures.of(ranges(1)) == {ids(1)[0]: 2}


def test_attempts_of_earlier_runs_count() -> None:
    """What the journal says about an item is continued."""
    transitions = new_transitions(new_lane(1), retries=3)
    transitions.verdicts.remember(Attempts(ids(1)[0], FailureKind.EXCEPTION, 3))
    ask(transitions, 1)
    assert transitions.attempts.fail(1, ranges(1), RAISED, now=0.0) == [Verdict.PARK]


@pytest.mark.parametrize("seed", range(5))
def test_backoff_doubles_within_its_bounds(seed: int) -> None:
    """The n-th retry waits between half of and the whole doubled delay, and never over the cap."""
    policy = {"retries": 200, "backoff": 2.0, "backoff_max": 100.0}
    transitions = new_transitions(new_lane(1), seed=seed, **policy)
    scheduler, now = transitions.scheduler, 0.0
    scheduler.join(1, QUEUE)
    for attempt in range(150):
        scheduler.take(1, Patience.WAIT)
        assert served(scheduler, now) == {1: [1]}
        assert transitions.attempts.fail(1, ranges(1), RAISED, now=now) == [Verdict.RETRY]
        ceiling = min(100.0, 2.0 * 2.0 ** min(attempt, 20))
        due = scheduler.due()
        assert due is not None
        assert ceiling / 2 <= due - now <= ceiling
        assert served(scheduler, due - 0.001) == {}
        now = due


def test_handler_can_choose_the_delay() -> None:
    """A delay that was asked for counts instead of the back-off."""
    transitions = new_transitions(new_lane(1), retries=1, backoff=50.0)
    ask(transitions, 1)
    transitions.attempts.fail(1, ranges(1), RAISED, now=100.0, retry_after=7.0)
    assert transitions.scheduler.due() == 107.0


def test_an_item_that_is_put_off_has_not_failed() -> None:
    """Nothing is counted and nobody told, and it waits as long as was said, but never no time."""
    transitions = new_transitions(lane := new_lane(2), retries=0, backoff=8.0)
    transitions.verdicts.on_failure = lambda *told: pytest.fail(f"told {told}")
    for now, asked, waits in ((0.0, 30.0, 30.0), (50.0, 0.0, DEFERRED_S)):
        ask(transitions, 1)
        assert not transitions.attempts.defer(1, ranges(2), PUT_OFF, now=now, seconds=asked)
        assert transitions.attempts.defer(1, ranges(1), PUT_OFF, now=now, seconds=asked)
        assert lane.retries.due == now + waits
        assert recorded(transitions).failures[-1].retry_at == ZERO + now + waits
        served(transitions.scheduler, now + waits)
        transitions.leave(1)
    assert transitions.failures.of(ranges(1)) == {}
    assert (lane.row.parked, recorded(transitions).synced) == (0, True)


def test_an_item_that_is_put_off_without_a_time_waits_for_the_first_back_off() -> None:
    """However often; the next run does not count it either, and waits for the rest of it."""
    transitions = new_transitions(lane := new_lane(1), retries=0, backoff=8.0)
    transitions.verdicts.remember(Attempts(ids(1)[0], FailureKind.DEFERRED, 1))
    now = 0.0
    for _ in range(5):
        transitions.scheduler.join(1, QUEUE)
        transitions.scheduler.take(1, Patience.WAIT)
        assert served(transitions.scheduler, now) == {1: [1]}
        assert transitions.failures.of(ranges(1)) == {}
        assert transitions.attempts.defer(1, ranges(1), PUT_OFF, now=now, seconds=None)
        assert lane.retries.due is not None
        assert 4.0 <= lane.retries.due - now <= 8.0
        now = lane.retries.due
        transitions.leave(1)


def test_when_an_item_is_retried_is_recorded_by_the_wall_clock() -> None:
    """So that the next run waits as long; what is tried at once has no such time."""
    transitions = new_transitions(new_lane(2), retries=1)
    ask(transitions, 1, 2)
    transitions.attempts.fail(1, ranges(1), RAISED, now=100.0, retry_after=7.0)
    transitions.deaths.blame(2, ids(2)[0], CRASHED)
    later, at_once = recorded(transitions).failures
    assert (later.retry_at, at_once.retry_at) == (ZERO + 107.0, None)


def test_the_next_run_waits_for_what_was_to_be_tried_later() -> None:
    """It is found among all that is still to be read, and left on disk until it is due."""
    lane = new_lane()
    lane.row.next_n = 4
    lane.backlog.append(Span(ids(0)[0], ids(3)[0]))
    transitions = new_transitions(lane)
    transitions.verdicts.remember(Attempts(ids(2)[0], FailureKind.EXCEPTION, 1, ZERO + 50.0))
    lane.refill(items(1, 4))
    assert ask(transitions, 1, 2, 3) == {1: [1], 2: [3]}
    assert transitions.scheduler.due() == 50.0
    assert served(transitions.scheduler, 50.0) == {3: [2]}


def test_blocks_of_one_put_have_consecutive_ids() -> None:
    """No gap, no id twice, over any number of puts in one batch."""
    lane = new_lane()
    transitions = new_transitions(lane)
    transitions.intake.put(QUEUE, [block(1, 4), block(4, 5)], synced=True)
    transitions.intake.put(QUEUE, [block(5, 9)], synced=False)
    puts = recorded(transitions).puts
    assert [put.first_id for put in puts] == ids(1, 4, 5)
    transitions.commit()
    assert numbers(lane.ready) == [*range(1, 9)]
    assert lane.row.put == 8


def test_a_parked_item_among_finished_ones_is_in_none_of_their_ranges() -> None:
    """The record of the others goes round it, and a report across it is refused."""
    lane = new_lane(10)
    lane.pace.learn(100, 0.1)
    transitions = new_transitions(lane)
    assert ask(transitions, 1) == {1: [1, 2, 3, 4, 5]}
    assert transitions.attempts.fail(1, ranges(3), RAISED, now=0.0) == [Verdict.PARK]
    assert not transitions.finish(1, ranges(1, 2, 3, 4, 5), 0.1)
    assert transitions.finish(1, ranges(1, 2, 4, 5), 0.1)
    batch = recorded(transitions)
    assert (batch.done, batch.parked) == ([*ranges(1, 2), *ranges(4, 5)], ids(3))
    assert (lane.row.done, lane.row.parked, lane.row.outstanding) == (4, 1, 5)


def test_an_empty_report_of_outputs_lifts_no_seal() -> None:
    """Only a new item does."""
    lane = new_lane(1)
    transitions = new_transitions(lane)
    ask(transitions, 1)
    transitions.seals.seal(QUEUE)
    assert transitions.finish(1, ranges(1), 1.0, [Outputs(QUEUE, [], [])])
    assert lane.row.sealed_total == 1
    transitions.commit()
    assert lane.row.settled


def test_rule_to_stop_fails_the_load() -> None:
    """With on_error=stop the first parked item ends it, and everybody is told."""
    transitions = new_transitions(new_lane(5), on_error="stop")
    scheduler = transitions.scheduler
    ask(transitions, 1, 2)
    assert transitions.attempts.fail(1, ranges(1), RAISED, now=0.0) == [Verdict.STOP]
    assert scheduler.failed is not None
    assert "load" in scheduler.failed
    assert ask(transitions, 1) == {}
    assert [*scheduler.answers()] == [1]


@pytest.mark.parametrize("ending", ["halted", "failed"])
def test_halted_run_wakes_for_no_retry(ending: str) -> None:
    """What is due is not handed out, so the loop has no reason to wake."""
    transitions = new_transitions(new_lane(1), retries=1)
    scheduler = transitions.scheduler
    ask(transitions, 1)
    transitions.attempts.fail(1, ranges(1), RAISED, now=0.0, retry_after=5.0)
    assert scheduler.due() == 5.0
    setattr(scheduler, ending, "for a reason")
    assert scheduler.due() is None
    assert not scheduler.famished


def test_more_readers_than_are_read_at_a_time_are_served() -> None:
    """Whoever waits while retries are still to be read has the loop go on at once."""
    transitions = new_transitions(new_lane(2), retries=1)
    scheduler = transitions.scheduler
    ask(transitions, 1, 2)
    for consumer in (1, 2):
        transitions.attempts.fail(consumer, ranges(consumer), RAISED, now=0.0, retry_after=0.0)
    for consumer in (1, 2):
        scheduler.take(consumer, Patience.WAIT)
    assert [*scheduler.assign(1.0)] == []
    assert scheduler.famished
    assert served(scheduler, 1.0) == {1: [1], 2: [2]}
    assert not scheduler.famished


# --- attempts of several items ---


def test_items_that_are_begun_together_are_one_attempt() -> None:
    """A consumer that asks for three gets three, though nothing is known of their pace."""
    transitions = new_transitions(new_lane(7))
    transitions.scheduler.join(1, QUEUE, 3)
    transitions.scheduler.take(1, Patience.WAIT)
    [(_, window)] = transitions.hand_out(0.0)
    assert (list(window.sizes), window.first) == ([3], 1)
    assert transitions.scheduler.attempt(1, 1) == ids(1, 2, 3)
    transitions.scheduler.take(1, Patience.WAIT)
    [(_, window)] = transitions.hand_out(0.0)
    assert window.first == 2
    assert transitions.scheduler.attempt(1, 2) == ids(4, 5, 6)


def test_a_window_is_several_whole_attempts() -> None:
    """Quick items go in bulk, and only the last attempt of all may be smaller."""
    lane = new_lane(40)
    lane.pace.learn(100, 5.0)
    transitions = new_transitions(lane)
    transitions.scheduler.join(1, QUEUE, 3)
    transitions.scheduler.take(1, Patience.WAIT)
    [(_, window)] = transitions.hand_out(0.0)
    assert list(window.sizes) == [3] * 6


def test_some_items_of_an_attempt_may_be_reported_before_the_others() -> None:
    """What is left of it is what a death is blamed on."""
    transitions = new_transitions(new_lane(4), retries=1)
    ask(transitions, 1, together=4)
    assert transitions.finish(1, ranges(2), 0.1)
    assert transitions.attempts.fail(1, ranges(3), RAISED, now=0.0) == [Verdict.RETRY]
    assert transitions.scheduler.attempt(1, 1) == ids(1, 4)
    assert transitions.finish(1, ranges(1, 4), 0.1)
    assert transitions.deaths.blame(1, 1, CRASHED) == []


def test_a_blamed_attempt_is_halved_down_to_the_item_that_kills() -> None:
    """Only that one is counted and parked; all others are done, and few of them run twice."""
    lane, killer = new_lane(8), 6
    transitions = new_transitions(lane, max_crashes=2)
    for consumer in range(1, 20):
        got = ask(transitions, consumer, together=8).get(consumer)
        if got is None:
            break
        if killer not in got:
            assert transitions.finish(consumer, ranges(*got), 0.1)
            continue
        [number] = transitions.scheduler.consumers[consumer].attempts or ids(killer)
        transitions.deaths.blame(consumer, number, CRASHED)
        transitions.leave(consumer)
    assert (lane.row.done, lane.row.parked, lane.row.outstanding) == (7, 1, 0)
    assert recorded(transitions).parked == ids(killer)
    counted = [f for f in recorded(transitions).failures if f.kind is FailureKind.CRASH]
    assert [failure.item_id for failure in counted] == ids(killer, killer)
    assert lane.blamed == 5


def test_a_suspect_attempt_may_go_to_a_consumer_that_begins_fewer_together() -> None:
    """It is cut to what fits, and the rest stays suspect."""
    transitions = new_transitions(new_lane(4))
    ask(transitions, 1, together=4)
    transitions.deaths.blame(1, 1, CRASHED)
    transitions.leave(1)
    assert ask(transitions, 2) == {2: [1]}
    assert ask(transitions, 3, together=4) == {3: [2]}
    assert ask(transitions, 4, together=4) == {4: [3, 4]}


def test_what_has_died_in_company_in_an_earlier_run_goes_alone() -> None:
    """So that a program whose every run dies of a batch finds the item all the same."""
    transitions = new_transitions(new_lane(5))
    transitions.verdicts.remember(Attempts(ids(2)[0], FailureKind.SUSPECT, 1))
    transitions.scheduler.join(1, QUEUE, 5)
    transitions.scheduler.take(1, Patience.WAIT)
    [(_, window)] = transitions.hand_out(0.0)
    assert list(window.sizes) == [1, 1, 3]
    assert transitions.failures.of(ranges(2)) == {}
    assert transitions.scheduler.attempt(1, ids(2)[0]) == ids(2)


def test_what_is_given_back_belongs_to_no_attempt_any_more() -> None:
    """Handed out again, it is not blamed for what its first attempt does."""
    transitions = new_transitions(new_lane(4))
    ask(transitions, 1, together=2)
    ask(transitions, 1)
    transitions.give_back(1, ranges(2, 3, 4))
    assert transitions.scheduler.attempt(1, 1) == ids(1)
    assert ask(transitions, 1) == {1: [2, 3]}
    assert transitions.scheduler.attempt(1, 1) == ids(1)


# --- retried by hand ---


def test_unparked_items_wait_again_and_their_failures_are_forgiven() -> None:
    """Place, counters and record change together, also for what this turn has parked."""
    lane, records = new_lane(3), Records()
    transitions = transitions_of(records, lane)
    ask(transitions, 1, 2, 3)
    for consumer in (1, 2, 3):
        transitions.attempts.fail(consumer, ranges(consumer), RAISED, now=0.0)
    transitions.seals.seal(QUEUE)
    assert lane.row.parked == 3
    assert transitions.parked.unpark(QUEUE, ids(2, 77)) == 1
    assert (lane.row.parked, lane.row.outstanding) == (2, 1)
    transitions.commit()
    assert records.batches[-1].unparked == ids(2)
    assert ask(transitions, 1) == {1: [2]}
    assert transitions.parked.unpark(QUEUE) == 2
    assert transitions.parked.unpark(QUEUE) == 0
    assert ask(transitions, 2, 3) == {2: [1], 3: [3]}


def test_what_is_unparked_in_a_range_that_is_still_to_be_read_is_not_read_twice() -> None:
    """The range will find it."""
    lane, records = new_lane(), Records()
    transitions = transitions_of(records, lane)
    lane.row.next_n, lane.row.parked = 4, 1
    records.commit(Batch(parked=ids(2)))
    lane.backlog.append(Span(ids(0)[0], ids(3)[0]))
    transitions.parked.unpark(QUEUE)
    assert not lane.retries.recalled
    assert lane.queued == 3


# --- dropped and edited by hand ---


def with_parked(count: int) -> tuple[Transitions, Records]:
    """Return a sealed queue of items that are all parked, and what was recorded of it."""
    lane, records = new_lane(count), Records()
    transitions = transitions_of(records, lane)
    transitions.scheduler.join(1, QUEUE)
    for n in range(1, count + 1):
        assert ask(transitions, 1) == {1: [n]}
        transitions.attempts.fail(1, ranges(n), RAISED, now=0.0)
    transitions.seals.seal(QUEUE)
    return transitions, records


def test_dropped_by_hand_is_not_forgiven() -> None:
    """Its failures tell why it was dropped; and nobody gets it any more."""
    transitions, records = with_parked(3)
    found = transitions.parked.of(ranges(1, 2, 77))
    assert found == {QUEUE: ids(1, 2)}
    transitions.parked.discard(QUEUE, found[QUEUE], "why not")
    transitions.commit()
    batch, row = records.batches[-1], transitions.rows[QUEUE]
    assert (batch.discarded, batch.unparked) == (ids(1, 2), [])
    assert (batch.dropped, batch.reasons) == (ranges(1, 2), dict.fromkeys(ids(1, 2), "why not"))
    assert (row.parked, row.dropped, row.outstanding) == (1, 2, 0)
    assert batch.reopened_load is None
    assert ask(transitions, 1) == {}
    assert transitions.parked.of(ranges(1, 2)) == {QUEUE: []}


def test_what_is_done_by_hand_leaves_its_trace() -> None:
    """With what was put for an edited item, in the same batch; the stage stays sealed."""
    transitions, records = with_parked(3)
    transitions.parked.of(ranges(1, 2, 3))
    transitions.parked.put_back(QUEUE, ids(1))
    transitions.parked.discard(QUEUE, ids(2), "")
    made = transitions.parked.replace(ids(3)[0], block(4, 5), "a typo")
    transitions.commit()
    batch, row = records.batches[-1], transitions.rows[QUEUE]
    assert sorted(batch.by_hand) == [
        ByHand(ids(1)[0], Deed.RETRIED),
        ByHand(ids(2)[0], Deed.DROPPED),
        ByHand(ids(3)[0], Deed.EDITED, made),
    ]
    assert (batch.puts, batch.reasons) == ([Put(made, block(4, 5))], {ids(3)[0]: "a typo"})
    assert (row.sealed_total, row.outstanding, row.parked) == (4, 2, 0)
    assert (batch.reopened_load, batch.synced) == (1, True)
    assert [*transitions.scheduler.lanes[QUEUE].retries.recalled] == ids(1)
    assert ask(transitions, 1) == {1: [4]}


# --- processes ---


def test_processes_are_recorded_with_the_batch() -> None:
    """Their numbers are given by the broker, without asking the journal."""
    transitions = new_transitions(new_lane())
    assert [transitions.processes.begin(QUEUE, Peer("host", pid)) for pid in (7, 8)] == [1, 2]
    transitions.processes.end(1, "left")
    batch = recorded(transitions)
    assert [(worker.worker_id, worker.peer.pid) for worker in batch.workers] == [(1, 7), (2, 8)]
    assert batch.departures == {1: "left"}
    assert batch


def test_items_arrive_once_they_are_committed() -> None:
    """A commit that fails hands nothing out."""
    lane = new_lane()
    transitions = new_transitions(lane)
    transitions.intake.put(QUEUE, [block(1, 2)], synced=True)
    assert ask(transitions, 1) == {}
    transitions.commit()
    assert served(transitions.scheduler) == {1: [1]}
