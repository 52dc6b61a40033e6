"""Bugs planted in the retries of plain queues, and in what ends who keeps an item for too long."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

CONTRACT = "tests/queue/test_queue_contract.py::test_queue_contract"
LIMITS = "tests/queue/test_time_limits.py::"
RETRIES = "tests/queue/test_retries.py::"
RECIPIENT = "tests/unit/test_recipient.py::"

MUTANTS = [
    Mutant(
        "retries what has failed for good",
        "persistq/queues/base.py",
        'channel.failed(item_id, kind, text, "", final=True)',
        'channel.failed(item_id, kind, text, "")',
        (f"{CONTRACT}[task_failed_is_for_good]",),
    ),
    Mutant(
        "retries what cannot be read",
        "persistq/queues/base.py",
        'error.reason, "", final=True)',
        'error.reason, "")',
        (f"{RETRIES}test_an_item_that_cannot_be_read_is_parked_whatever_the_retries",),
    ),
    Mutant(
        "counts an attempt that was put off",
        "persistq/queues/base.py",
        "        if counts:\n",
        "        if True:\n",
        (f"{CONTRACT}[retry_that_does_not_count_uses_nothing_up]",),
    ),
    Mutant(
        "forgets how long a retry is to wait",
        "persistq/queues/base.py",
        'channel.failed(item_id, kind, text, "", seconds)',
        'channel.failed(item_id, kind, text, "")',
        (f"{CONTRACT}[retry_waits_for_its_time_and_others_do_not]",),
    ),
    Mutant(
        "takes an item away before it looks at the delay",
        "persistq/queues/base.py",
        """        seconds = None if delay is None else seconds_of("task_retry(delay)", delay)
        kind, text = _told(error, "TaskRetry")
        item_id, channel = self._part_with(item, "task_retry()")
""",
        """        kind, text = _told(error, "TaskRetry")
        item_id, channel = self._part_with(item, "task_retry()")
        seconds = None if delay is None else seconds_of("task_retry(delay)", delay)
""",
        (f"{CONTRACT}[delay_that_is_no_time_is_refused]",),
    ),
    Mutant(
        "lets a joining program believe what it has said",
        "persistq/queues/persistent.py",
        "        require_agreement(name, said, run)\n",
        "",
        (f"{RETRIES}test_who_joins_says_what_the_first_one_has_said[retries=2]",),
    ),
    Mutant(
        "asks the program that waits for the others to be killed",
        "persistq/broker/deadlines.py",
        "        if self._session.roster.opened_by(peer):\n",
        "        if False:\n",
        (f"{LIMITS}test_who_has_opened_the_queue_gets_nothing",),
    ),
    Mutant(
        "believes a process that calls itself by another host",
        "persistq/broker/deadlines.py",
        "        if not peer.started or peer_of(sock) != peer:\n",
        "        if False:\n",
        (f"{LIMITS}test_whom_the_broker_cannot_kill_gets_nothing",),
    ),
    Mutant(
        "does not insist on an end",
        "persistq/broker/deadlines.py",
        "                ending.recipient.signal(signal.SIGKILL)\n",
        "",
        (f"{LIMITS}test_who_is_stopped_is_killed",),
    ),
    Mutant(
        "believes whatever is noted in a slot",
        "persistq/broker/deadlines.py",
        "held = 0.0 < since <= now and self._session.scheduler.attempt(link.number, item_id)",
        "held = item_id",
        (f"{LIMITS}test_nonsense_in_a_slot_kills_nobody",),
    ),
    Mutant(
        "forgives who ends in good order when it is ended",
        "persistq/broker/consuming.py",
        "        if (overdue or (begun and not link.farewell))",
        "        if (begun and not link.farewell)",
        (f"{LIMITS}test_who_ends_in_good_order_at_sigterm_was_too_slow_all_the_same",),
    ),
    Mutant(
        "tells of one connection of a process that has two",
        "persistq/broker/deadlines.py",
        "        links = self._session.consumers_in(peer)\n",
        "        links = self._session.consumers_in(peer)[:1]\n",
        (f"{LIMITS}test_what_else_the_process_had_in_hand_is_blamed_for_nothing",),
    ),
    Mutant(
        "begins to count when an item has been read",
        "persistq/queues/base.py",
        "        channel.hold(item_id, _now())\n",
        "        channel.hold(item_id)\n",
        (f"{LIMITS}test_an_item_that_hangs_while_it_is_read_is_found",),
    ),
    Mutant(
        "signals whoever has the number now",
        "persistq/site/recipient.py",
        "        elif self._is_alive():\n",
        "        elif True:\n",
        (f"{RECIPIENT}test_a_number_that_was_given_anew_gets_no_signal[by number]",),
    ),
]
