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
CONTRACT = "tests/journal/test_journal_contract.py::test_journal_contract"
LOADS = "tests/pipeline/test_loads.py"
GROUND = "tests/ground/"
STRANGERS = "tests/strangers/"
IN_THE_NEXT = "test_what_is_finished_during_a_report_is_in_the_next_one"
NOTICED_LATE = "test_a_death_that_is_noticed_when_all_is_over_is_kept_too"
TWO_NAMES = "test_loads_of_two_names_store_all_their_rows_in_one_table"
COLLECTOR = "test_suspect_goes_to_a_collector_if_nobody_else_can_come_for_it"
PROGRESS = "test_items_that_are_blamed_one_after_the_other_are_progress"
KILLED = "test_a_broker_killed_at_any_system_call_loses_nothing"
DELETED = "test_who_deletes_the_lock_still_gets_no_second_broker"
STRANGER = "test_what_a_stranger_owns_is_refused_by_programs_and_commands"

STORING = "tests/sinks/test_storing_once.py::"
BAD_ROWS = "tests/sinks/test_bad_rows.py::"
DEATHS = "tests/sinks/test_deaths.py::test_killed_at_any_instant_each_item_is_stored_once"

LATE = "test_a_report_that_names_what_its_sender_does_not_hold_changes_nothing"
HALVED = "test_a_blamed_attempt_is_halved_down_to_the_item_that_kills"
GIVEN_BACK = "test_what_is_given_back_belongs_to_no_attempt_any_more"
COMPANY = "test_what_has_died_in_company_in_an_earlier_run_goes_alone"
UNREAD = "test_what_is_unparked_in_a_range_that_is_still_to_be_read_is_not_read_twice"
LIVE_RETRY = "test_items_are_retried_by_hand_beside_a_live_run"

MUTANTS = [
    Mutant(
        "reports an item before its handler has run",
        "persistq/pool/worker.py",
        "            outputs = self._work(delivery, self._channel.keys)\n",
        "            self._channel.done(delivery.item_id, started, started, [])\n"
        "            self._channel.report()\n"
        "            outputs = self._work(delivery, self._channel.keys)\n",
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
        (
            f"{QUEUE}test_queue_contract.py::test_queue_contract[done_waits_for_an_item_in_other_hands]",
        ),
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
        "persistq/site/fence.py",
        "        while not self._try_exclusive():\n",
        "        while False:\n",
        (f"{UNIT}test_fence.py::test_living_consumer_keeps_the_fence_closed",),
    ),
    Mutant(
        "commits outputs after the record that their item is done",
        "persistq/broker/consuming.py",
        "        self._transitions.finish(link.number, done.item_ids, done.busy, done.outputs)\n",
        "        self._transitions.finish(link.number, done.item_ids, done.busy)\n"
        "        for made in done.outputs:\n"
        "            self._session.after_commit(\n"
        "                lambda made=made: self._transitions.put(\n"
        "                    made.queue_id, made.codecs, made.payloads, synced=False\n"
        "                )\n"
        "            )\n",
        (f"{PIPELINE}test_resuming.py::test_outputs_and_their_done_record_are_one_transaction",),
    ),
    Mutant(
        "accepts a report of an item that was taken away",
        "persistq/broker/scheduler.py",
        "        if not held.keys() >= named or len(named) < len(item_ids):\n"
        "            return None\n",
        "        item_ids = [item_id for item_id in named if item_id in held]\n",
        (f"{UNIT}test_transitions.py::{LATE}", f"{UNIT}test_scheduler_machine.py"),
    ),
    Mutant(
        "takes what is left of a late report",
        "persistq/broker/scheduler.py",
        "        if not held.keys() >= named or len(named) < len(item_ids):\n",
        "        item_ids = [item_id for item_id in item_ids if item_id in held]\n"
        "        if not item_ids or len(set(item_ids)) < len(item_ids):\n",
        (f"{UNIT}test_transitions.py::{LATE}", f"{UNIT}test_scheduler_machine.py"),
    ),
    Mutant(
        "counts against an item that its worker died with others in hand",
        "persistq/broker/transitions.py",
        "        if len(item_ids) > 1:\n",
        "        for item_id in item_ids[1:]:\n"
        "            self.failures.add(item_id, cause.kind)\n"
        "        if len(item_ids) > 1:\n",
        (f"{UNIT}test_transitions.py::{HALVED}",),
    ),
    Mutant(
        "hands a suspect attempt out whole again",
        "persistq/broker/lane.py",
        "        half = (len(items) + 1) // 2\n",
        "        half = len(items)\n",
        (f"{UNIT}test_transitions.py::{HALVED}", f"{UNIT}test_scheduler_machine.py"),
    ),
    Mutant(
        "blames an attempt for an item that was given back",
        "persistq/broker/scheduler.py",
        "        if consumer.attempts:\n",
        "        if False:\n",
        (
            f"{UNIT}test_transitions.py::{GIVEN_BACK}",
            f"{UNIT}test_scheduler_machine.py",
        ),
    ),
    Mutant(
        "begins what has died in company together with others again",
        "persistq/broker/lane.py",
        "            alone = item.item_id in self.apart\n",
        "            alone = False\n",
        (f"{UNIT}test_transitions.py::{COMPANY}", f"{UNIT}test_scheduler_machine.py"),
    ),
    Mutant(
        "puts an item back to work and leaves the seals behind it",
        "persistq/broker/transitions.py",
        "            self._named[name].sealed_total = None\n",
        "            pass\n",
        (f"{UNIT}test_broker_turns.py::{LIVE_RETRY}",),
    ),
    Mutant(
        "reads twice what is put back to work",
        "persistq/broker/lane.py",
        " if not any(span.after < n <= span.last for span in unread)\n",
        "\n",
        (f"{UNIT}test_transitions.py::{UNREAD}",),
    ),
    Mutant(
        "blames nothing for the death of a worker",
        "persistq/broker/consuming.py",
        "if in_hand and not link.farewell and not self._dismissed(link):",
        "if False:",
        (f"{QUEUE}test_deaths.py::test_item_that_kills_twice_is_parked",),
    ),
    Mutant(
        "forgets between runs how often an item has killed",
        "persistq/broker/opening.py",
        "        transitions.remember(attempts)\n",
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
        (f"{CONTRACT}[digests_are_a_multiset]",),
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
        (f"{CONTRACT}[item_done_twice_takes_the_whole_batch_back]",),
    ),
    Mutant(
        "numbers items without moving the counter on",
        "persistq/journal/statements.py",
        "SET next_n=?, done=?",
        "SET next_n=next_n + ? * 0, done=?",
        (f"{CONTRACT}[batch_is_recorded_with_everything_in_it]",),
    ),
    Mutant(
        "reports an item whose results were lost on another queue",
        "persistq/client/consumer.py",
        "                settle_puts()\n",
        "",
        (f"{QUEUE}test_deaths.py::test_source_of_a_lost_result_is_not_done",),
    ),
    Mutant(
        "forgets what another thread finishes while a report is made up",
        "persistq/client/report.py",
        "        del self._item_ids[: len(item_ids)]\n",
        "        self._item_ids = []\n",
        (f"{UNIT}test_window_and_report.py::{IN_THE_NEXT}",),
    ),
    Mutant(
        "lets the children of a killed program go on",
        "persistq/broker/membership.py",
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
        "        if links or any(dead.link.owner == owner for dead in self._survived):\n",
        "        if not links:\n",
        (f"{UNIT}test_broker_turns.py::test_news_of_a_death_may_overtake_the_end_of_the_stream",),
    ),
    Mutant(
        "takes exit code 0 for a leave when all is over",
        "persistq/pool/supervisor.py",
        "(ending.code or not place.left)",
        "(ending.code or not place.over)",
        (f"{PIPELINE}test_worker_endings.py::{NOTICED_LATE}",),
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
        "persistq/site/runlock.py",
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
        "persistq/wire/handshake.py",
        '        _require(proof, _proof(b"client", self._token, self._client, self._greeting))\n',
        "",
        (f"{STRANGERS}test_getting_in.py::test_client_without_the_token_gets_nothing",),
    ),
    Mutant(
        "believes a broker that does not know the token",
        "persistq/wire/handshake.py",
        '        _require(proof, _proof(b"broker", self._token, self.greeting, greeting))\n',
        "",
        (f"{STRANGERS}test_getting_in.py::test_impostor_is_told_nothing",),
    ),
    Mutant(
        "makes the same proof for both sides",
        "persistq/wire/handshake.py",
        "side + client + broker",
        "client + broker",
        (f"{STRANGERS}test_getting_in.py::test_proof_cannot_be_sent_back",),
    ),
    Mutant(
        "talks to whoever listens",
        "persistq/site/endpoint.py",
        "    if not is_trusted(uid := uid_of_peer(sock)):\n",
        "    if (uid := uid_of_peer(sock)) == -1:\n",
        (f"{STRANGERS}test_getting_in.py::test_listener_of_another_user_is_refused",),
    ),
    Mutant(
        "takes a live broker's socket for a leftover",
        "persistq/site/endpoint.py",
        "        except (ConnectionRefusedError, FileNotFoundError):\n            remove(place)\n",
        "        finally:\n            remove(place)\n",
        (f"{STRANGERS}test_getting_in.py::test_what_is_left_is_told_from_what_is_alive",),
    ),
    Mutant(
        "lets a process of another user in",
        "persistq/broker/arrivals.py",
        "            known = is_trusted(uid_of_peer(sock))\n",
        "            known = uid_of_peer(sock) >= 0\n",
        (f"{STRANGERS}test_getting_in.py::test_client_of_another_user_is_turned_away",),
    ),
    Mutant(
        "enters a directory that others can enter",
        "persistq/site/endpoint.py",
        "    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):\n",
        "    if found.st_mode & stat.S_IFSOCK == stat.S_IFSOCK:\n",
        (f"{STRANGERS}test_getting_in.py::test_directory_that_others_can_enter_is_refused",),
    ),
    Mutant(
        "waits for a silent connection when all clients have left",
        "persistq/broker/server.py",
        "        return bool(self._arrivals) and self._session.clock() < self._ends_at\n",
        "        return bool(self._arrivals)\n",
        (f"{STRANGERS}test_silence.py::test_silent_connection_does_not_hold_a_load_up[silent]",),
    ),
    Mutant(
        "ends when it may open no more files",
        "persistq/broker/arrivals.py",
        "            except OSError as error:\n                self._not_accepted(error)\n",
        "            except ConnectionError as error:\n                self._not_accepted(error)\n",
        (f"{STRANGERS}test_silence.py::test_broker_without_a_free_descriptor_goes_on",),
    ),
    Mutant(
        "decodes arrays in arrays in arrays until it ends",
        "persistq/wire/framing.py",
        "UnicodeDecodeError, RecursionError)",
        "UnicodeDecodeError)",
        (f"{STRANGERS}test_nonsense.py::test_bad_introduction_ends_its_connection_only[nested]",),
    ),
    Mutant(
        "believes any number",
        "persistq/broker/conduct.py",
        "    return 0.0 <= seconds <= SECONDS_MAX\n",
        "    return True\n",
        (f"{STRANGERS}test_nonsense.py::test_report_that_cannot_be_true_records_nothing",),
    ),
    Mutant(
        "believes that any queue exists",
        "persistq/broker/conduct.py",
        "    return message.queue_id in session.scheduler.lanes\n",
        "    return True\n",
        (f"{STRANGERS}test_nonsense.py::test_valid_messages_at_the_wrong_time",),
    ),
    Mutant(
        "waits for ever for a broker's first word",
        "persistq/client/stream.py",
        "        while len(received) < count:\n            self.wait(deadline)\n",
        "        while len(received) < count:\n",
        (f"{STRANGERS}test_getting_in.py::test_silent_broker_is_not_waited_for_without_limit",),
    ),
    Mutant(
        "says that something is journaled before it is",
        "persistq/broker/server.py",
        "        self._session.transitions.commit()\n        self._flush_if_due()\n",
        "        self._session.tell()\n"
        "        self._session.transitions.commit()\n"
        "        self._flush_if_due()\n",
        (f"{GROUND}test_syscall_sweep.py::{KILLED}[pwrite64]",),
    ),
    Mutant(
        "acknowledges puts that a power cut takes",
        "persistq/broker/producing.py",
        "session.transitions.put(put.queue_id, codecs, payloads, synced=True)",
        "session.transitions.put(put.queue_id, codecs, payloads, synced=False)",
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
        "            self._lane_of(consumer_id).suspect(items)\n",
        "            self._lane_of(consumer_id).suspect(items)\n"
        "            self._lane_of(consumer_id).put_back(items)\n",
        (
            f"{UNIT}test_scheduler_machine.py",
            f"{UNIT}test_transitions.py::test_blamed_item_is_tried_alone_and_then_parked",
        ),
    ),
    Mutant(
        "keeps a suspect from consumers that collect, though nobody else can come for it",
        "persistq/broker/lane.py",
        "(idle or (self.stuck and not self.ready and self.deadlocked))",
        "idle",
        (
            f"{UNIT}test_lane.py::{COLLECTOR}",
            f"{UNIT}test_scheduler_machine.py",
        ),
    ),
    Mutant(
        "reads all retries that are due into memory",
        "persistq/broker/lane.py",
        "        if self.recalled_ready:\n            return spans\n",
        "",
        (f"{UNIT}test_lane.py::test_waiting_retries_keep_no_payload_and_are_read_in_runs",),
    ),
    Mutant(
        "wakes for a retry that is not handed out any more",
        "persistq/broker/scheduler.py",
        "        if self.over:\n            return None\n",
        "",
        (f"{UNIT}test_transitions.py::test_halted_run_wakes_for_no_retry",),
    ),
    Mutant(
        "looks for a program by the number that it has for itself",
        "persistq/broker/roster.py",
        "has_ended(member.seen)",
        "has_ended(member.peer)",
        (f"{UNIT}test_roster.py::test_program_is_looked_for_where_it_can_be_seen",),
    ),
    Mutant(
        "takes a number of another host for a process of this one",
        "persistq/site/processes.py",
        "    if peer.host != this_host():\n",
        "    if False:\n",
        (f"{UNIT}test_peer.py::test_nothing_is_known_of_a_process_on_another_host",),
    ),
    Mutant(
        "takes who was given the number of a dead process for that one",
        "persistq/site/processes.py",
        "    return 0 not in (peer.started, now := _start_of(peer.pid)) and now != peer.started\n",
        "    return False\n",
        (f"{UNIT}test_peer.py::test_a_number_that_was_given_again_is_another_process",),
    ),
    Mutant(
        "looks for the items of another host's consumers in its own workers",
        "persistq/site/fence.py",
        "            if item_id and host == self._here\n",
        "            if item_id\n",
        (f"{UNIT}test_fence.py::test_a_consumer_of_another_host_is_no_process_of_this_one",),
    ),
    Mutant(
        "hands an item on while what its dead worker has forked is at work on it",
        "persistq/site/fence.py",
        "        return int(_FLOCK.unpack(found)[0]) != fcntl.F_UNLCK\n",
        "        return False\n",
        (f"{PIPELINE}test_forking.py::test_an_item_waits_for_what_its_dead_worker_has_forked",),
    ),
    Mutant(
        "takes items that are parked one after the other for no progress",
        "persistq/pool/supervisor.py",
        "queue.done + queue.dropped + queue.parked + queue.blamed",
        "queue.done + queue.dropped",
        (f"{PIPELINE}test_deaths.py::{PROGRESS}[2-6]",),
    ),
    Mutant(
        "does not forgive the failures of what is tried again",
        "persistq/journal/statements.py",
        '{"forgiven": 1}',
        '{"forgiven": 0}',
        (f"{CONTRACT}[unparked_items_are_outstanding_and_forgiven]",),
    ),
    Mutant(
        "records a dropped item as done",
        "persistq/journal/statements.py",
        "SELECT anon_1.value, 1\n",
        "SELECT anon_1.value, 0\n",
        (
            f"{JOURNAL}test_journal_machine.py",
            f"{JOURNAL}test_committing_batches.py::test_outcomes_and_failures_are_rows",
        ),
    ),
    Mutant(
        "gives an item the id in its journal for a key",
        "persistq/pipeline/task.py",
        "            key = keys.of(item_id)\n",
        "            key = str(item_id)\n",
        (f"{PIPELINE}test_keys.py::{TWO_NAMES}",),
    ),
    Mutant(
        "names an item by the run that works on it",
        "persistq/keys.py",
        "self._runs[position - 1]",
        "self._runs[-1]",
        (f"{QUEUE}test_item_keys.py::test_what_a_program_puts_again_keeps_its_first_key",),
    ),
    Mutant(
        "lets a run that put nothing keep what the next one puts",
        "persistq/journal/statements.py",
        "WHERE run.run_id = ? ON CONFLICT (queue_id, put_before) DO UPDATE SET run_id = "
        "excluded.run_id",
        "WHERE run.run_id = ? ON CONFLICT (queue_id, put_before) DO NOTHING",
        (f"{JOURNAL}test_key_machine.py",),
    ),
    Mutant(
        "ends a script that catches nothing like any failing program",
        "persistq/ending.py",
        "sys.exit(error.exit_code)",
        "sys.exit(1)",
        ("tests/test_ending.py::test_what_the_world_has_done_is_one_sentence_and_its_exit_code",),
    ),
    Mutant(
        "takes an end of a queue for an item",
        "persistq/codec.py",
        "        if isinstance(value, Sentinel):\n",
        "        if False:\n",
        (f"{QUEUE}test_sentinels_and_closing.py::test_an_end_is_refused_where_it_is_put",),
    ),
    Mutant(
        "says nothing of parked items at the end of a program",
        "persistq/client/leaving.py",
        "        if outstanding or parked:\n",
        "        if outstanding:\n",
        (f"{QUEUE}test_leaving.py::test_the_end_of_a_program_says_what_is_parked",),
    ),
    Mutant(
        "begins a load while one of its name is unfinished beside the script",
        "persistq/broker/elsewhere.py",
        "    if _begins(opening.path):\n",
        "    if False:\n",
        ("tests/cli/test_places.py::test_a_journal_beside_the_script_counts",),
    ),
    Mutant(
        "believes a register that others can write",
        "persistq/site/register.py",
        "private = not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)",
        "private = True",
        (f"{JOURNAL}test_places.py::test_a_register_that_others_can_write_is_not_read",),
    ),
    Mutant(
        "looks for journals in directories of others",
        "persistq/site/places.py",
        "return {path.lstat().st_uid, path.stat().st_uid} <= trusted_owners()",
        "return True",
        (f"{JOURNAL}test_places.py::test_a_link_is_as_foreign_as_its_owner",),
    ),
    Mutant(
        "goes on recording when another broker has opened the journal",
        "persistq/journal/writer.py",
        "        if self._recorded_epoch() != self._epoch:\n",
        "        if False:\n",
        (f"{CONTRACT}[who_was_overtaken_records_nothing_more[puts]]",),
    ),
    Mutant(
        "forgets to raise the epoch",
        "persistq/journal/statements.py",
        "SET epoch = (writer.epoch + 1)",
        "SET epoch = (writer.epoch + 0)",
        (f"{CONTRACT}[who_was_overtaken_records_nothing_more[puts]]",),
    ),
    Mutant(
        "takes the lock file for the whole lock",
        "persistq/site/runlock.py",
        "        while not try_lock(file, Byte.BROKER, exclusive=True):\n",
        "        while False:\n",
        (f"{GROUND}test_second_brokers.py::{DELETED}[2-lock]",),
    ),
    Mutant(
        "believes the files of another user",
        "persistq/site/ownership.py",
        "    if found.st_uid not in trusted_owners():\n",
        "    if False:\n",
        (f"{GROUND}test_ownership.py::{STRANGER}[load.db]",),
    ),
    Mutant(
        "starts the broker in an environment that its program ignores",
        "persistq/client/starting.py",
        "*interpreter.options()",
        '"-P"',
        (f"{QUEUE}test_interpreter_options.py",),
    ),
    Mutant(
        "puts failed items back to work before it knows that it may",
        "persistq/broker/opening.py",
        "    choice = choose(journal, opening)\n",
        "    from persistq.journal.base import Batch\n"
        "    latest = journal.latest_load()\n"
        "    if latest is not None and opening.retry_failed:\n"
        "        for row in journal.queues(latest.load_id):\n"
        "            ids, row.parked = journal.parked_ids(row.queue_id), 0\n"
        "            journal.commit(Batch(unparked=ids, queues={row.queue_id: row}))\n"
        "    choice = choose(journal, opening)\n",
        (f"{LOADS}::test_failed_items_stay_parked_when_the_start_is_refused",),
    ),
    Mutant(
        "begins a load in several transactions",
        "persistq/journal/writer.py",
        "            yield\n            return\n",
        "            yield\n"
        "            self._connection.execute('COMMIT')\n"
        "            self._connection.execute('BEGIN IMMEDIATE')\n"
        "            return\n",
        (f"{LOADS}::test_the_beginning_is_one_transaction",),
    ),
    Mutant(
        "takes a stage that is new for one that was always there",
        "persistq/broker/stages.py",
        "rows and rows[-1].done)",
        "rows and False)",
        (f"{LOADS}::test_other_stages_are_refused_in_one_sentence",),
    ),
    Mutant(
        "carries a load on with other parameters",
        "persistq/broker/parameters.py",
        "        if parameter.given and not _same(",
        "        if False and not _same(",
        (f"{LOADS}::test_parameters_belong_to_the_load",),
    ),
    Mutant(
        "lets the retry of an old load capture the next start",
        "persistq/journal/statements.py",
        '{"state": "reopened", "ended_at": None}',
        '{"state": "open", "ended_at": None}',
        (f"{LOADS}::test_a_load_that_is_retried_does_not_capture_the_next_start",),
    ),
    Mutant(
        "waits for the exit status of a child that something else has collected",
        "persistq/pool/endings.py",
        "        return Ending(handle.pid, None, 0, out_of_memory=False)\n",
        "        handle.returncode = None\n        return None\n",
        (f"{PIPELINE}test_collected_children.py::test_an_end_that_nobody_knows_is_not_guessed",),
    ),
    Mutant(
        "lets messages that nobody reads end the run",
        "persistq/text/streams.py",
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
    Mutant(
        "stores items without looking for their receipts",
        "persistq/sinks/loading.py",
        "rest = [position for position in positions if keys[position] not in found]",
        "rest = [position for position in positions]",
        (f"{STORING}test_what_is_stored_is_not_given_to_the_handler_again[sqlite3]",),
    ),
    Mutant(
        "writes receipts after the commit",
        "persistq/sinks/late.py",
        'session.end("COMMIT")',
        'session.end("ROLLBACK")',
        ("tests/sinks/test_files.py::test_a_file_takes_its_name_when_the_item_is_stored",),
    ),
    Mutant(
        "keeps no outputs in receipts",
        "persistq/sinks/loading.py",
        "Receipt(outputs[0], files.as_text(written.prepared))",
        "Receipt(None, files.as_text(written.prepared))",
        (f"{STORING}test_outputs_of_a_stored_item_are_kept[sqlite by URL]",),
    ),
    Mutant(
        "keeps what a failed part has stored",
        "persistq/sinks/savepoints.py",
        'run(f"ROLLBACK TO SAVEPOINT {_NAME}")',
        "pass",
        (f"{BAD_ROWS}test_the_bad_rows_of_a_batch_are_left_with_the_databases_message[sqlite3]",),
    ),
    Mutant(
        "blames rows when the target is away",
        "persistq/sinks/faults.py",
        '"57P": (Fault.AWAY',
        '"57P": (Fault.OTHER',
        ("tests/sinks/test_faults.py::test_an_sqlstate_means_one_thing[sqlstate-57P01-away]",),
    ),
    Mutant(
        "finishes files before the receipt is committed",
        "persistq/sinks/loading.py",
        'failpoints.point("sink.before_commit")',
        'files.finish(self._written); failpoints.point("sink.before_commit")',
        (f"{DEATHS}[files-sink.before_commit-1]",),
    ),
    Mutant(
        "does not cut back what a dead process has appended",
        "persistq/sinks/files.py",
        "    file.truncate(start)\n    file.seek(start)\n",
        "    file.seek(0, 2)\n",
        (f"{DEATHS}[files-sink.within_append-1]",),
    ),
    Mutant(
        "purges the receipts of other runs",
        "persistq/sinks/statements.py",
        'WHERE run = {run}"  # noqa: S608',
        'WHERE {run} = {run}"  # noqa: S608',
        ("tests/sinks/test_purging.py::test_receipts_are_purged_by_run_and_range[sqlite3]",),
    ),
]
