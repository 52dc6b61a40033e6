"""Planted bugs: one small change each, and the tests that have to notice it."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """One planted bug.

    Attributes:
        name: What is wrong with it.
        file: The source file.
        old: A piece of it that occurs once.
        new: What takes its place.
        caught_by: Tests of which at least one must fail.
    """

    name: str
    file: str
    old: str
    new: str
    caught_by: tuple[str, ...]


QUEUE = "tests/queue/"
PIPELINE = "tests/pipeline/"
UNIT = "tests/unit/"
JOURNAL = "tests/journal/"
GROUND = "tests/ground/"
NOTICED_LATE = "test_a_death_that_is_noticed_when_all_is_over_is_kept_too"
KILLED = "test_a_broker_killed_at_any_system_call_loses_nothing"

MUTANTS = [
    Mutant(
        "reports an item before its handler has run",
        "persistq/pool/worker.py",
        "            outputs = self._outputs(delivery)\n",
        "            self._consumer.done(delivery.item_id, started, started, [])\n"
        "            self._consumer.report()\n"
        "            outputs = self._outputs(delivery)\n",
        (f"{PIPELINE}test_deaths.py::test_a_killed_worker_is_replaced_and_its_item_redone[fork]",),
    ),
    Mutant(
        "says DONE without a seal",
        "persistq/broker/lane.py",
        "if self.row.sealed_total is None or self.unsettled_elsewhere:",
        "if self.unsettled_elsewhere:",
        (f"{UNIT}test_lane.py::test_open_queue_is_never_over",),
    ),
    Mutant(
        "says DONE while an item is in other hands",
        "persistq/broker/lane.py",
        "return all(self.waiting.get(holder) == Patience.WAIT for holder in self.holders)",
        "return True",
        (f"{QUEUE}test_sentinels_and_closing.py::test_done_waits_for_an_item_in_other_hands",),
    ),
    Mutant(
        "does not hand on what a dead consumer held",
        "persistq/broker/scheduler.py",
        "        lane.put_back(held)\n",
        "",
        (f"{UNIT}test_scheduler.py::test_items_of_a_lost_consumer_go_to_the_front",),
    ),
    Mutant(
        "does not wait for the workers of a dead broker",
        "persistq/fence.py",
        "        while not self._try_exclusive():\n",
        "        while False:\n",
        (f"{UNIT}test_fence.py::test_living_consumer_keeps_the_fence_closed",),
    ),
    Mutant(
        "commits outputs after the record that their item is done",
        "persistq/broker/consuming.py",
        "self._session.ledger.put(row, outputs.codecs, outputs.payloads, synced=False)",
        "put = partial(self._session.ledger.put, row, outputs.codecs, outputs.payloads)\n"
        "            self._session.after_commit(partial(put, synced=False))",
        (f"{PIPELINE}test_resuming.py::test_outputs_and_their_done_record_are_one_transaction",),
    ),
    Mutant(
        "accepts a report of an item that was taken away",
        "persistq/broker/scheduler.py",
        "        finished = list(map(_item_id_of, self._release(consumer_id, item_ids)))\n",
        "        self._release(consumer_id, item_ids)\n        finished = list(item_ids)\n",
        (f"{UNIT}test_scheduler.py::test_answer_for_an_item_not_held_is_stale",),
    ),
    Mutant(
        "blames nothing for the death of a worker",
        "persistq/broker/consuming.py",
        "if in_hand in held and not link.farewell and not self._dismissed(link):",
        "if False:",
        (f"{QUEUE}test_deaths.py::test_item_that_kills_twice_is_parked",),
    ),
    Mutant(
        "forgets between runs how often an item has killed",
        "persistq/broker/opening.py",
        "        scheduler.remember_attempts(attempts.item_id, attempts.kind, attempts.count)\n",
        "        pass\n",
        (f"{QUEUE}test_deaths.py::test_poison_is_remembered_by_the_next_run",),
    ),
    Mutant(
        "absorbs nothing",
        "persistq/broker/producing.py",
        "        if absorber and link.absorbs:\n",
        "        if False:\n",
        (f"{QUEUE}test_resuming.py::test_crash_while_putting_continues_where_it_was",),
    ),
    Mutant(
        "absorbs as a set, not as a multiset",
        "persistq/journal/statements.py",
        "SET n=(item_key.n - 1)",
        "SET n=(item_key.n)",
        (f"{JOURNAL}test_committing_batches.py::test_digests_are_a_multiset",),
    ),
    Mutant(
        "commits what was to be synced without syncing",
        "persistq/journal/writer.py",
        "        full = synced or self._always_full\n",
        "        full = self._always_full\n",
        (f"{JOURNAL}test_durability.py::test_commits_are_synced_when_asked",),
    ),
    Mutant(
        "goes on after an error without rolling back",
        "persistq/journal/writer.py",
        '            self._connection.execute("ROLLBACK")\n',
        '            self._connection.execute("COMMIT")\n',
        (f"{JOURNAL}test_committing_batches.py::test_item_done_twice_rolls_the_whole_batch_back",),
    ),
    Mutant(
        "numbers items without moving the counter on",
        "persistq/journal/statements.py",
        "SET next_n=?, done=?",
        "SET next_n=next_n + ? * 0, done=?",
        (f"{JOURNAL}test_committing_batches.py::test_commit_records_everything_of_a_batch",),
    ),
    Mutant(
        "reports an item whose results were lost on another queue",
        "persistq/client/consumer.py",
        "                settle_puts()\n",
        "",
        (f"{QUEUE}test_deaths.py::test_source_of_a_lost_result_is_not_done",),
    ),
    Mutant(
        "lets the children of a killed program go on",
        "persistq/broker/server.py",
        "                other.refuse(RunEnded(session.opening.name, link.pid))\n",
        "                pass\n",
        (f"{QUEUE}test_deaths.py::test_children_of_a_killed_parent_end[fork-get]",),
    ),
    Mutant(
        "drops what a dead client had sent",
        "persistq/broker/link.py",
        "            self._unsent.clear()\n",
        "            self._unsent.clear()\n            self.gone = True\n",
        (f"{UNIT}test_link.py::test_last_words_of_a_dead_client_are_heard",),
    ),
    Mutant(
        "seals over what has arrived and was not read",
        "persistq/broker/link.py",
        "        while left > 0 and (data := self._read()):\n",
        "        if left > 0 and (data := self._read()):\n",
        (f"{UNIT}test_link.py::test_everything_that_has_arrived_means_by_now",),
    ),
    Mutant(
        "forgets how a worker ended if it hears of it before its last words",
        "persistq/broker/consuming.py",
        "        if any(link.pid == obituary.pid for link in links):\n",
        "        if not links:\n",
        (f"{UNIT}test_broker_turns.py::test_news_of_a_death_may_overtake_the_end_of_the_stream",),
    ),
    Mutant(
        "takes exit code 0 for a leave when all is over",
        "persistq/pool/supervisor.py",
        "        if death.code or not post.left:\n",
        "        if death.code or not post.over:\n",
        (f"{PIPELINE}test_obituaries.py::{NOTICED_LATE}",),
    ),
    Mutant(
        "takes puts after the seal",
        "persistq/broker/producing.py",
        "        if put.queue_id in self.closed:\n",
        "        if False:\n",
        (f"{QUEUE}test_sentinels_and_closing.py::test_put_that_crosses_with_the_seal_is_told",),
    ),
    Mutant(
        "lets a second run of a pipeline in",
        "persistq/runlock.py",
        "fcntl.LOCK_EX | fcntl.LOCK_NB",
        "fcntl.LOCK_SH | fcntl.LOCK_NB",
        (f"{UNIT}test_run_lock.py::test_second_broker_is_refused",),
    ),
    Mutant(
        "takes every end of a connection for a farewell",
        "persistq/broker/link.py",
        "        self.farewell = False\n",
        "        self.farewell = True\n",
        (f"{QUEUE}test_deaths.py::test_item_that_kills_twice_is_parked",),
    ),
    Mutant(
        "lets in who does not know the token",
        "persistq/broker/server.py",
        "        if not secrets.compare_digest(",
        "        if not secrets and secrets.compare_digest(",
        (f"{QUEUE}test_deaths.py::test_client_without_the_token_gets_nothing",),
    ),
    Mutant(
        "says that something is journaled before it is",
        "persistq/broker/session.py",
        "        for items in self.ledger.commit():\n",
        "        for act in self._after_commit:\n"
        "            act()\n"
        "        self._after_commit = []\n"
        "        for items in self.ledger.commit():\n",
        (f"{GROUND}test_syscall_sweep.py::{KILLED}[pwrite64]",),
    ),
    Mutant(
        "acknowledges puts that a power cut takes",
        "persistq/broker/producing.py",
        "session.ledger.put(row, codecs, payloads, synced=True)",
        "session.ledger.put(row, codecs, payloads, synced=False)",
        (f"{GROUND}test_power_cut.py::test_what_was_acknowledged_survives_a_power_cut",),
    ),
    Mutant(
        "builds a new journal where a crash leaves half of it",
        "persistq/journal/creation.py",
        "        draft.rename(path)\n",
        "        path.write_bytes(b'SQLite')\n        draft.rename(path)\n",
        (f"{GROUND}test_syscall_sweep.py::{KILLED}[rename]",),
    ),
    Mutant(
        "wakes one of those who wait, and not the others",
        "persistq/broker/scheduler.py",
        "            for consumer_id in list(lane.waiting):\n",
        "            for consumer_id in list(lane.waiting)[:1]:\n",
        (
            f"{UNIT}test_scheduler_machine.py",
            f"{UNIT}test_scheduler.py::test_longest_wait_is_served_first",
        ),
    ),
    Mutant(
        "counts what a dead consumer held as in flight for ever",
        "persistq/broker/scheduler.py",
        "        lane.in_flight -= len(held)\n",
        "",
        (
            f"{UNIT}test_scheduler_machine.py",
            f"{UNIT}test_scheduler.py::test_items_of_a_lost_consumer_go_to_the_front",
        ),
    ),
    Mutant(
        "hands out twice what has killed a worker",
        "persistq/broker/scheduler.py",
        "        lane.ready.remove(item)\n",
        "",
        (
            f"{UNIT}test_scheduler_machine.py",
            f"{UNIT}test_scheduler.py::test_blamed_item_is_tried_alone_and_then_parked",
        ),
    ),
    Mutant(
        "does not forgive the failures of what is tried again",
        "persistq/journal/statements.py",
        '{"forgiven": 1}',
        '{"forgiven": 0}',
        (f"{JOURNAL}test_committing_batches.py::test_unpark_makes_items_outstanding_and_forgives",),
    ),
    Mutant(
        "records a dropped item as done",
        "persistq/journal/statements.py",
        "SELECT anon_1.value, 1\n",
        "SELECT anon_1.value, 0\n",
        (
            f"{JOURNAL}test_journal_machine.py",
            f"{JOURNAL}test_committing_batches.py::test_commit_records_everything_of_a_batch",
        ),
    ),
    Mutant(
        "waits for the exit status of a child that something else has collected",
        "persistq/pool/deaths.py",
        "        return Death(handle.pid, None, 0, out_of_memory=False)\n",
        "        handle.returncode = None\n        return None\n",
        (f"{PIPELINE}test_collected_children.py::test_an_end_that_nobody_knows_is_not_guessed",),
    ),
    Mutant(
        "lets messages that nobody reads end the run",
        "persistq/streams.py",
        "        _write_now(stream, text)\n    except (OSError, ValueError):\n",
        "        _write_now(stream, text)\n    except ValueError:\n",
        (f"{PIPELINE}test_nobody_listens.py::test_a_full_disk_under_the_messages",),
    ),
    Mutant(
        "lets sockets take the numbers of closed streams",
        "persistq/client/starting.py",
        "    fill_descriptors()\n",
        "",
        (f"{PIPELINE}test_nobody_listens.py::test_what_a_library_writes_to_closed_streams",),
    ),
    Mutant(
        "records arguments as the locale spells them",
        "persistq/origin.py",
        "[portable(word) for word in sys.orig_argv[1:]]",
        "list(sys.orig_argv[1:])",
        (f"{UNIT}test_ostext.py::test_arguments_are_noted_as_bytes_whatever_the_locale",),
    ),
]
