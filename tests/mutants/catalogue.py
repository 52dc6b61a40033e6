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

SENTENCES = f"{JOURNAL}test_soundness.py::test_each_rule_is_told_in_a_sentence"
BATCHES = "tests/pipeline/test_batches.py::"
PAUSES = "tests/pipeline/test_pauses.py::"
FLOW = "tests/pipeline/test_flow_control.py::"
FILLING = "tests/unit/test_filling.py::"
SINKS = "tests/sinks/test_stages.py::"
AGAIN = "test_what_is_stored_is_done_without_the_handler_and_its_outputs_go_on"
STORING = "tests/sinks/test_storing_once.py::"
BAD_ROWS = "tests/sinks/test_bad_rows.py::"
DEATHS = "tests/sinks/test_deaths.py::test_killed_at_any_instant_each_item_is_stored_once"

LATE = "test_a_report_that_names_what_its_sender_does_not_hold_changes_nothing"
HALVED = "test_a_blamed_attempt_is_halved_down_to_the_item_that_kills"
GIVEN_BACK = "test_what_is_given_back_belongs_to_no_attempt_any_more"
COMPANY = "test_what_has_died_in_company_in_an_earlier_run_goes_alone"
UNREAD = "test_what_is_unparked_in_a_range_that_is_still_to_be_read_is_not_read_twice"
BLOCKS = "test_blocks_of_one_put_have_consecutive_ids"
PARKED_AMONG = "test_a_parked_item_among_finished_ones_is_in_none_of_their_ranges"
LIVE_RETRY = "test_items_are_retried_by_hand_beside_a_live_run"

CURSORS = "tests/pipeline/test_cursors.py::"
SPOOLS = "tests/unit/test_spools_and_streams.py"
BIG = "tests/pipeline/test_big_outputs.py"
VOID = "test_what_is_spooled_of_an_attempt_that_ends_otherwise_is_void"
OF_EARLIER = "test_an_attempt_absorbs_what_those_before_have_streamed_and_nothing_of_its_own"
ABSORBED = "test_another_attempt_absorbs_what_the_first_has_streamed"
ONLY_STREAMS = "test_only_a_stage_that_streams_streams_and_it_does_nothing_else"

MUTANTS = [
    Mutant(
        "reports an item before its handler has run",
        "persistq/pool/worker.py",
        "            made = self._work(got, channel)\n",
        "            channel.done(item_id, started, started, [])\n"
        "            channel.report()\n"
        "            made = self._work(got, channel)\n",
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
        "        lane.ready.put_back(held)\n",
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
        "        self._transitions.finish(link.number, done.ids, done.busy, done.outputs)\n",
        "        self._transitions.finish(link.number, done.ids, done.busy)\n"
        "        for made in done.outputs:\n"
        "            self._session.after_commit(\n"
        "                lambda made=made: self._transitions.put(\n"
        "                    made.queue_id, made.blocks, synced=False, origins=made.origins\n"
        "                )\n"
        "            )\n",
        (f"{PIPELINE}test_resuming.py::test_outputs_and_their_done_record_are_one_transaction",),
    ),
    Mutant(
        "accepts a report of an item that was taken away",
        "persistq/broker/hands.py",
        "        if not self.holds(ranges):\n            return None\n",
        "        ranges = [ids for ids in {*ranges} if self._cover(ids) is not None]\n",
        (f"{UNIT}test_transitions.py::{LATE}", f"{UNIT}test_scheduler_machine.py"),
    ),
    Mutant(
        "takes what is left of a late report",
        "persistq/broker/hands.py",
        "        if not self.holds(ranges):\n",
        "        ranges = [ids for ids in ranges if self._cover(ids) is not None]\n"
        "        if not ranges or not self.holds(ranges):\n",
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
        "        halves = divided(attempt, (count_of(attempt) + 1) // 2)\n",
        "        halves = divided(attempt, count_of(attempt))\n",
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
        "            alone = item_id in self.apart\n",
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
        "lets a range over a gap pass for held",
        "persistq/broker/hands.py",
        "            if not held.first <= wanted <= held.last:\n",
        "            if not held.first <= max(wanted, held.first) <= held.last:\n",
        (f"{UNIT}test_hands.py", f"{UNIT}test_scheduler_machine.py"),
    ),
    Mutant(
        "lets a range be named twice",
        "persistq/broker/hands.py",
        "return not twice and all(",
        "return all(",
        (f"{UNIT}test_transitions.py::{LATE}", f"{UNIT}test_hands.py"),
    ),
    Mutant(
        "hands a slice out twice when it is cut",
        "persistq/broker/line.py",
        "        head, rest = self._pop().split(count)\n",
        "        head, rest = first.split(count)\n",
        (f"{UNIT}test_lane.py", f"{UNIT}test_scheduler_machine.py"),
    ),
    Mutant(
        "forgets what is behind the cut of a slice",
        "persistq/broker/line.py",
        "        self._push(rest)\n",
        "",
        (f"{UNIT}test_lane.py", f"{UNIT}test_scheduler_machine.py"),
    ),
    Mutant(
        "takes a block apart and forgets its items",
        "persistq/broker/line.py",
        "            pieces = first.apart()\n",
        "            pieces = first.apart()[:1]\n",
        (f"{UNIT}test_lane.py", f"{UNIT}test_scheduler_machine.py"),
    ),
    Mutant(
        "keeps the first id of a block for its neighbour",
        "persistq/broker/transitions.py",
        "first = self._grow(row, block.count)\n",
        "first = self._grow(row, 1)\n",
        (f"{UNIT}test_transitions.py::{BLOCKS}",),
    ),
    Mutant(
        "leaves a gap between blocks",
        "persistq/broker/transitions.py",
        "first = self._grow(row, block.count)\n",
        "first = self._grow(row, block.count + 1)\n",
        (f"{UNIT}test_transitions.py::{BLOCKS}",),
    ),
    Mutant(
        "records a parked item as done when its neighbours are",
        "persistq/broker/transitions.py",
        "        self._batch.done += ranges\n",
        "        self._batch.done.append(IdRange(min(ranges).first, max(ranges).last))\n",
        (f"{UNIT}test_transitions.py::{PARKED_AMONG}",),
    ),
    Mutant(
        "tries at once in the next run what was to be tried later",
        "persistq/broker/retries.py",
        "        if not self.noted:\n",
        "        if True:\n",
        (
            f"{UNIT}test_transitions.py::test_the_next_run_waits_for_what_was_to_be_tried_later",
            f"{UNIT}test_scheduler_machine.py",
        ),
    ),
    Mutant(
        "takes 12 for 1 and something",
        "persistq/broker/body.py",
        "        if count >= self.left or not self.data.startswith(gap, start):\n",
        "        if count >= self.left:\n",
        (f"{UNIT}test_absorption.py",),
    ),
    Mutant(
        "believes a block that says it has more items than bytes",
        "persistq/broker/conduct.py",
        "1 < count <= ITEMS_MAX and count <= len(data) <= ARRAY_BYTES_MAX",
        "1 < count <= ITEMS_MAX",
        (f"{UNIT}test_conduct.py",),
    ),
    Mutant(
        "believes that outputs were made of what was not reported",
        "persistq/broker/conduct.py",
        "return all(_range_with(ordered, item_id) is not None for item_id in item_ids)",
        "return True",
        (f"{UNIT}test_conduct.py",),
    ),
    Mutant(
        "absorbs as a set, not as a multiset",
        "persistq/journal/digests.py",
        "SET n = n - 1",
        "SET n = n",
        (f"{JOURNAL}test_digests.py::test_digests_are_a_multiset",),
    ),
    Mutant(
        "lets an item be done twice",
        "persistq/journal/schema.py",
        "new.first_id <= (\n        SELECT last_id FROM done_range WHERE first_id <= new.last_id",
        "new.first_id = (\n        SELECT first_id FROM done_range WHERE first_id <= new.last_id",
        (f"{CONTRACT}[range_over_one_that_is_done_is_refused[within]]",),
    ),
    Mutant(
        "lets a parked item be done",
        "persistq/journal/schema.py",
        "item_id BETWEEN new.first_id AND new.last_id",
        "item_id BETWEEN new.first_id AND new.first_id",
        (f"{CONTRACT}[range_over_a_parked_item_is_refused]",),
    ),
    Mutant(
        "takes blocks with a gap between them",
        "persistq/journal/schema.py",
        "new.first_id & 1099511627775 > 1",
        "new.first_id & 1099511627775 < 1",
        (
            f"{CONTRACT}[gap_between_blocks_is_refused]",
            f"{CONTRACT}[block_over_another_is_refused]",
        ),
    ),
    Mutant(
        "forgets the rest of a block that it has begun to hand out",
        "persistq/journal/pages.py",
        "min(last + 1, behind) - start",
        "first + 1 - start",
        (f"{CONTRACT}[pages_go_around_what_has_ended]",),
    ),
    Mutant(
        "publishes a spool that is not whole",
        "persistq/journal/changes.py",
        "AND count IS NULL AND :count = (",
        "AND count IS NULL AND :count < 99 + (",
        (f"{CONTRACT}[spool_is_published_whole[7]]",),
    ),
    Mutant(
        "names a turn that was rolled back",
        "persistq/journal/turns.py",
        "        if kind is not None:\n",
        "        if False:\n",
        (
            f"{JOURNAL}test_committing_batches.py::test_turn_that_was_rolled_back_is_not_named_again",
        ),
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
        "persistq/journal/changes.py",
        "SET next_n = :next_n, done",
        "SET next_n = next_n, done",
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
        "session.transitions.put(put.queue_id, blocks, synced=True)",
        "session.transitions.put(put.queue_id, blocks, synced=False)",
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
        "        lane.in_flight -= hands.count\n",
        "",
        (
            f"{UNIT}test_scheduler_machine.py",
            f"{UNIT}test_scheduler.py::test_items_of_a_lost_consumer_go_to_the_front",
        ),
    ),
    Mutant(
        "hands out twice what has killed a worker",
        "persistq/broker/scheduler.py",
        "            self._lane_of(consumer_id).suspect(slices)\n",
        "            self._lane_of(consumer_id).suspect(slices)\n"
        "            self._lane_of(consumer_id).ready.put_back(slices)\n",
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
        "persistq/broker/retries.py",
        "        if self.ready:\n            return spans\n",
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
        "persistq/journal/changes.py",
        "SET forgiven = 1",
        "SET forgiven = 0",
        (f"{CONTRACT}[unparked_items_are_outstanding_and_forgiven]",),
    ),
    Mutant(
        "records a dropped item as done",
        "persistq/journal/sqlite.py",
        "merged(batch.dropped), DoneKind.DROPPED",
        "merged(batch.dropped), DoneKind.DONE",
        (
            f"{JOURNAL}test_journal_machine.py",
            f"{JOURNAL}test_committing_batches.py::test_outcomes_and_failures_are_rows",
        ),
    ),
    Mutant(
        "gives an item the id in its journal for a key",
        "persistq/pipeline/task.py",
        "self.name, channel.keys.of(item_id))",
        "self.name, str(item_id))",
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
        "persistq/journal/changes.py",
        "(queue_id, put_before) DO UPDATE SET run_id = excluded.run_id",
        "(queue_id, put_before) DO NOTHING",
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
        "persistq/journal/changes.py",
        "SET epoch = epoch + 1",
        "SET epoch = epoch + 0",
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
        "persistq/journal/changes.py",
        "SET state = 'reopened'",
        "SET state = 'open'",
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
        "hands on what lies in a damaged block",
        "persistq/codec.py",
        "    if not block.intact:\n",
        "    if False:\n",
        (f"{UNIT}test_codec.py::test_no_item_of_a_damaged_block_is_read",),
    ),
    Mutant(
        "lets one bad item keep its whole block from being read",
        "persistq/codec.py",
        "            pass  # one of them may be at fault alone\n",
        '            return _unreadable(block, "bad")\n',
        (f"{UNIT}test_codec.py::test_one_bad_item_keeps_no_other_from_being_read",),
    ),
    Mutant(
        "hands on the first items of a block for those of its slice",
        "persistq/client/window.py",
        "payloads[start:stop]",
        "payloads[: stop - start]",
        (f"{UNIT}test_window_and_report.py::test_slices_are_handed_on_item_by_item",),
    ),
    Mutant(
        "joins what was made of items that lie too far apart",
        "persistq/client/outputs.py",
        "if step > STEP_MAX]",
        "if step > STEP_MAX + 1]",
        (f"{UNIT}test_outputs.py::test_what_neighbours_made_shares_a_block",),
    ),
    Mutant(
        "says that all of a block was made of its first item",
        "persistq/client/outputs.py",
        "steps[:1] if alike else steps",
        'b"\\0"',
        (f"{UNIT}test_outputs.py::test_each_output_says_what_it_was_made_of",),
    ),
    Mutant(
        "does not compare the bytes of a block with their checksum",
        "persistq/journal/soundness/decoding.py",
        "    if crc32(data) != crc:\n",
        "    if not crc:\n",
        (f"{JOURNAL}test_soundness.py::test_every_flipped_bit_of_an_item_is_noticed",),
    ),
    Mutant(
        "takes outputs of items that have not ended for sound",
        "persistq/journal/soundness/origins.py",
        "(_STREAMED, (item_id, made)).fetchone() is not None\n",
        "(_STREAMED, (item_id, made)).fetchone() is not made\n",
        (SENTENCES,),
    ),
    Mutant(
        "trusts a file that has a trigger of its own",
        "persistq/journal/soundness/file.py",
        "        if name not in wanted:\n",
        '        if name not in wanted and kind != "trigger":\n',
        (SENTENCES,),
    ),
    Mutant(
        "gives up parked items with the block that they are in",
        "persistq/journal/retention.py",
        "        self._writer.many(changes.PUT, [_single(block, item) for item in saved])\n",
        "",
        (f"{CONTRACT}[purged_load_keeps_counters_failures_and_parked_items]",),
    ),
    Mutant(
        "purges the load of its own run",
        "persistq/journal/retention.py",
        '"of_load": load_id, "but_load": self.served',
        '"of_load": load_id, "but_load": 0',
        (f"{CONTRACT}[load_that_is_served_is_left_alone]",),
    ),
    Mutant(
        "keeps the space of what was given up",
        "persistq/journal/retention.py",
        "        yield from self._give_back()\n",
        "",
        ("tests/crash/test_giving_up.py::test_all_is_given_up_but_what_people_may_want",),
    ),
    Mutant(
        "gives up the ranges of blocks that stay",
        "persistq/journal/purges.py",
        "), 0) <= first_id",
        "), 0) <= first_id OR 1",
        (f"{CONTRACT}[what_a_parked_item_has_streamed_is_kept]",),
    ),
    Mutant(
        "removes a journal that has failures still",
        "persistq/journal/purges.py",
        "    AND NOT EXISTS (SELECT 1 FROM failure) AND NOT",
        "    AND NOT",
        (f"{JOURNAL}test_retention.py::test_a_journal_with_anything_left_is_not_removed",),
    ),
    Mutant(
        "purges by itself what was abandoned with outstanding items",
        "persistq/journal/keeping.py",
        "if not one[1].outstanding]",
        "if one]",
        (
            (
                f"{UNIT}test_tidying.py::"
                "test_what_was_abandoned_with_outstanding_items_is_neither_counted_nor_given_up"
            ),
        ),
    ),
    Mutant(
        "removes a journal that somebody reads",
        "persistq/journal/holding.py",
        "        except sqlite3.OperationalError:\n            return False\n",
        "        except sqlite3.OperationalError:\n            pass\n",
        (f"{JOURNAL}test_retention.py::test_a_journal_that_somebody_reads_is_not_removed",),
    ),
    Mutant(
        "takes a lock file that leads nowhere any more",
        "persistq/site/runlock.py",
        "if _is_at(self.path, file):",
        "if file:",
        (
            (
                f"{JOURNAL}test_retention.py::"
                "test_who_has_waited_for_a_lock_that_was_removed_gets_another"
            ),
        ),
    ),
    Mutant(
        "takes journals for siblings by their names alone",
        "persistq/journal/siblings.py",
        "if reader.template() != self._template:",
        "if not reader:",
        ("tests/cli/test_purge.py::test_journals_of_one_template_count_together",),
    ),
    Mutant(
        "takes puts on a purged load for new items",
        "persistq/broker/producing.py",
        "set(session.entries) if purged else set()",
        "set()",
        (f"{QUEUE}test_purged_loads.py::test_a_purged_load_takes_no_puts_and_gives_what_failed",),
    ),
    Mutant(
        "publishes what was spooled by an attempt that has failed",
        "persistq/broker/transitions.py",
        "        self.spools.end(consumer_id, ranges)\n        policy = ",
        "        for spool in self.spools.end(consumer_id, ranges):\n"
        "            self._publish(self._row_of(consumer_id), spool)\n"
        "        policy = ",
        (f"{SPOOLS}::{VOID}",),
    ),
    Mutant(
        "publishes what another attempt has spooled",
        "persistq/broker/transitions.py",
        "        self.spools.end(consumer_id, ranges)\n        policy = ",
        "        policy = ",
        (f"{SPOOLS}::{VOID}",),
    ),
    Mutant(
        "adds to the spool of whoever began one",
        "persistq/broker/spools.py",
        "self._held.setdefault(consumer_id, {})",
        "self._held.setdefault(0, {})",
        (f"{SPOOLS}::test_spools_are_of_one_consumer_each",),
    ),
    Mutant(
        "spools what is made of an item in other hands",
        "persistq/broker/transitions.py",
        "        if not self.is_held(consumer_id, item_id):\n            return False\n",
        "",
        (f"{SPOOLS}::test_a_late_report_publishes_nothing",),
    ),
    Mutant(
        "hands out what is put behind a spool before the spool",
        "persistq/broker/transitions.py",
        "            if queue_id not in self._unread:\n                arrivals",
        "            if True:\n                arrivals",
        (f"{SPOOLS}::test_what_is_published_waits_on_disk_and_so_does_what_is_put_behind_it",),
    ),
    Mutant(
        "publishes a spool a second time",
        "persistq/journal/changes.py",
        "item_id = :item_id AND count IS NULL AND :count",
        "item_id = :item_id AND :count",
        (f"{CONTRACT}[spool_is_published_once]",),
    ),
    Mutant(
        "publishes a part of a spool",
        "persistq/journal/changes.py",
        " AND count IS NULL AND :count = (",
        " AND count IS NULL AND :count <= (",
        (f"{CONTRACT}[spool_is_published_whole[5]]",),
    ),
    Mutant(
        "spools from a process that a handler has forked",
        "persistq/pipeline/task.py",
        "            channel.spool(item_id, blocks)\n",
        "            channel.spool(item_id, blocks)\n"
        "        else:\n"
        "            channel.spool(item_id, blocks)\n",
        (f"{BIG}::test_what_a_handler_forks_spools_nothing",),
    ),
    Mutant(
        "loses what was made after the last spooled block",
        "persistq/client/outputs.py",
        "        if self._blocks:\n            self._send(self._spool)\n        return ()",
        "        return ()",
        (f"{SPOOLS}::test_much_is_spooled_while_it_comes_and_the_rest_with_it",),
    ),
    Mutant(
        "forgets what was streamed",
        "persistq/broker/transitions.py",
        "        self._batch.streamed.append(Streamed(item_id, ids))\n",
        "",
        (f"{SPOOLS}::test_what_is_streamed_is_put_at_once_and_remembered",),
    ),
    Mutant(
        "puts again what an earlier attempt has streamed",
        "persistq/broker/streams.py",
        "absorber.admit(stream.blocks) if absorber else stream.blocks",
        "stream.blocks",
        (f"{SPOOLS}::{OF_EARLIER}", f"{BIG}::{ABSORBED}"),
    ),
    Mutant(
        "absorbs what an attempt has streamed itself",
        "persistq/broker/consuming.py",
        "        if stream.first:\n",
        "        if True:\n",
        (f"{BIG}::test_equal_rows_of_a_stream_are_rows_of_their_own",),
    ),
    Mutant(
        "keeps what was streamed of an item that is done",
        "persistq/journal/sqlite.py",
        "        if self._streams:\n",
        "        if not self._streams:\n",
        (f"{CONTRACT}[what_is_streamed_is_known_until_its_item_has_ended]",),
    ),
    Mutant(
        "takes a report with outputs from a stage that streams",
        "persistq/broker/conduct.py",
        " and source not in session.streaming\n",
        "\n",
        (f"{UNIT}test_conduct.py::{ONLY_STREAMS}",),
    ),
    Mutant(
        "carries on a stage that has streamed as one that does not",
        "persistq/broker/stages.py",
        "        if not stage.stream:\n",
        "        if stage.stream:\n",
        (f"{BIG}::test_a_stage_that_has_streamed_streams_until_its_items_are_done",),
    ),
    Mutant(
        "hands out batches that are not full",
        "persistq/broker/lane.py",
        "        if self._must_wait(now):\n",
        "        if False:\n",
        (f"{FILLING}test_a_batch_waits_until_it_is_full",),
    ),
    Mutant(
        "begins the wait of a batch anew with each item",
        "persistq/broker/filling.py",
        "self._came[0][1] + self._rule.linger",
        "self._came[-1][1] + self._rule.linger",
        (f"{FILLING}test_what_is_there_goes_out_when_its_first_item_has_waited",),
    ),
    Mutant(
        "lets the last items wait for others",
        "persistq/broker/lane.py",
        "return self.row.sealed_total is not None\n\n    def next_window",
        "return False\n\n    def next_window",
        (f"{FILLING}test_the_last_items_do_not_wait",),
    ),
    Mutant(
        "fails all items of a batch that raised",
        "persistq/pool/batches.py",
        "if len(batch) == 1 or isinstance(error, Drop | Retry):",
        "if True:",
        (f"{BATCHES}test_a_batch_that_raises_is_tried_item_by_item_once",),
    ),
    Mutant(
        "blames the first item of a batch for the death of its worker",
        "persistq/pool/batches.py",
        "        self._channel.hold(name, started)\n",
        "        self._channel.hold(batch[0].item_id, started)\n",
        (f"{BATCHES}test_a_batch_that_kills_its_worker_is_halved[fork]",),
    ),
    Mutant(
        "takes results that belong to no item for those of the first ones",
        "persistq/pipeline/batch.py",
        "len(entries) != count:",
        "len(entries) > count:",
        (f"{BATCHES}test_results_that_belong_to_no_item_fail_all",),
    ),
    Mutant(
        "acknowledges the first half of a batch twice",
        "persistq/broker/lane.py",
        "        self.suspects.extend(half for half in halves if half)\n",
        "        self.suspects.extend(half for half in (attempt, halves[0]) if half)\n",
        (f"{BATCHES}test_a_batch_that_kills_its_worker_is_halved[fork]",),
    ),
    Mutant(
        "commits what a handler has stored by itself without a receipt",
        "persistq/sinks/own.py",
        "            receipts.add(session, {name: Receipt(None)})\n",
        "            pass\n",
        ("tests/sinks/test_own_connection.py::test_an_item_is_stored_once[sqlite3]",),
    ),
    Mutant(
        "takes a refused password for a target that is away",
        "persistq/sinks/checking.py",
        "state.needs_password or state.used_password",
        "False",
        ("tests/sinks/test_opening.py::test_a_wrong_password_is_told_before_a_load_begins",),
    ),
    Mutant(
        "deletes by hand the receipts of parked items",
        "persistq/pipeline/clearing.py",
        "        yield parked.item_id\n",
        "        yield from ()\n",
        ("tests/cli/test_sink.py::test_receipts_that_an_ended_load_has_left_are_deleted",),
    ),
    Mutant(
        "deletes by hand the receipts of what is left of an abandoned load",
        "persistq/pipeline/clearing.py",
        "load.purged_at is None and not abandoned:",
        "False:",
        (
            "tests/cli/test_sink.py::test_receipts_of_an_abandoned_load_stay_while_it_can_be_carried_on",
        ),
    ),
    Mutant(
        "acknowledges items before they are stored",
        "persistq/pipeline/storing.py",
        "        try:\n            endings = loader.load(",
        "        self._consumer.done_together({item.item_id: () for item in batch}, 0.0, _now())\n"
        "        try:\n            endings = loader.load(",
        (f"{SINKS}test_a_stage_rests_while_its_target_is_away",),
    ),
    Mutant(
        "forgets what came of items that are stored",
        "persistq/pipeline/storing.py",
        "made[item_id] = _unpacked(ending.outputs)",
        "made[item_id] = ()",
        (f"{SINKS}{AGAIN}[sqlite by URL]",),
    ),
    Mutant(
        "deletes receipts before done records are on disk",
        "persistq/pipeline/storing.py",
        "        self._consumer.flush()\n",
        "",
        (f"{SINKS}test_receipts_are_deleted_when_done_records_are_on_disk",),
    ),
    Mutant(
        "deletes the receipts of items that are parked",
        "persistq/pipeline/settling.py",
        "    if queue.parked:\n",
        "    if False:\n",
        (f"{SINKS}test_an_item_that_is_stored_and_parked_is_not_stored_again",),
    ),
    Mutant(
        "tries again what the database has refused",
        "persistq/pipeline/storing.py",
        "ending.error, ending.fault is Fault.DATA\n",
        "ending.error, False\n",
        (f"{SINKS}test_bad_rows_are_parked_at_once_and_no_others[sqlite by URL]",),
    ),
    Mutant(
        "blames items for a target that is away",
        "persistq/pipeline/storing.py",
        "if ending.fault in {Fault.AWAY, Fault.CONFLICT}",
        "if ending.fault is Fault.CONFLICT",
        (f"{SINKS}test_a_stage_rests_while_its_target_is_away",),
    ),
    Mutant(
        "hands out items of a stage that rests",
        "persistq/broker/lane.py",
        "        if self.rest.holds or not room:\n",
        "        if not room:\n",
        (f"{UNIT}test_rest.py",),
    ),
    Mutant(
        "keeps a broker busy while a stage rests",
        "persistq/broker/lane.py",
        "return bool(more and not self.stands)",
        "return bool(more)",
        (f"{UNIT}test_rest.py",),
    ),
    Mutant(
        "hands out items although what they become has no room",
        "persistq/broker/lane.py",
        "        if self.rest.holds or not room:\n",
        "        if self.rest.holds:\n",
        (f"{UNIT}test_capacity.py",),
    ),
    Mutant(
        "tries whole windows after a rest",
        "persistq/broker/rest.py",
        "self._until, self.probing, self.in_hand = None, True, False",
        "self._until, self.probing, self.in_hand = None, False, False",
        (f"{UNIT}test_rest.py::test_after_a_rest_one_item_is_tried",),
    ),
    Mutant(
        "waits for ever for an item that was tried and came back",
        "persistq/broker/scheduler.py",
        "        lane.in_flight -= count_in(ranges)\n        lane.rest.in_hand = False\n",
        "        lane.in_flight -= count_in(ranges)\n",
        (f"{UNIT}test_rest.py::test_who_tries_and_fails_otherwise_is_followed_by_another",),
    ),
    Mutant(
        "tries the item that has met the pause again and again",
        "persistq/broker/scheduler.py",
        "        if lane.rest.until is None:\n",
        "        if True:\n",
        (f"{UNIT}test_rest.py::test_the_item_that_is_tried_is_another_one_each_time",),
    ),
    Mutant(
        "counts an attempt for a pause",
        "persistq/pool/worker.py",
        "        if (seconds := self._pause(error)) is not None:\n"
        "            self._rest_for([item_id], error, seconds)\n",
        "        if (seconds := self._pause(error)) is not None:\n"
        "            self._channel.failed(item_id, 'a', 'b', 'c')\n",
        (f"{PAUSES}test_a_stage_whose_server_is_away_stops_and_goes_on[one by one]",),
    ),
    Mutant(
        "forgets what is about to come into a queue",
        "persistq/broker/capacity.py",
        "left = self._items_max - self._row.outstanding - coming",
        "left = self._items_max - self._row.outstanding",
        (f"{UNIT}test_capacity.py::test_items_in_hand_count_as_about_to_come",),
    ),
    Mutant(
        "has a stage wait for its own queue, which nobody else empties",
        "persistq/broker/opening.py",
        "        for capacity in (lanes[target].capacity for target in targets):\n",
        "        for capacity in (lanes[name].capacity for target in targets):\n",
        (f"{FLOW}test_a_stage_waits_while_the_next_one_is_full",),
    ),
    Mutant(
        "never tells a source that there is room again",
        "persistq/broker/server.py",
        "        self._producing.crediting.grant()\n",
        "",
        (f"{FLOW}test_a_source_waits_while_so_many_of_its_items_are_outstanding[fork]",),
    ),
    Mutant(
        "lets a source go on whatever there is room for",
        "persistq/client/producer.py",
        "return self._closed or (self._sent < items and self._sent_bytes < size)",
        "return True",
        (f"{FLOW}test_a_source_waits_while_so_many_of_its_items_are_outstanding[fork]",),
    ),
    Mutant(
        "looks at a disk that is short no more",
        "persistq/broker/space.py",
        "return self._looked_at + LOOK_S if self.short and self._looked_at is not None else None",
        "return None",
        (f"{UNIT}test_capacity.py::test_a_short_disk_holds_up_what_feeds_and_not_what_ends",),
    ),
    Mutant(
        "rests as long after the last success as before it",
        "persistq/broker/scheduler.py",
        "        lane.rest.end()\n",
        "",
        (f"{UNIT}test_rest.py",),
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
    Mutant(
        "a monitor is not told that a load is overdue",
        "persistq/cli/check.py",
        "    if max_age is not None and age > max_age:\n",
        "    if max_age is not None and age > 2 * max_age:\n",
        ("tests/cli/test_monitoring.py::test_a_load_that_is_overdue_is_3",),
    ),
    Mutant(
        "a backup is written in its place",
        "persistq/journal/backup.py",
        "        draft_of(copy) as draft,\n",
        "        draft_of(copy) as draft, copy.open('wb'),\n",
        ("tests/cli/test_monitoring.py::test_a_backup_that_is_killed_leaves_nothing_half_done",),
    ),
    Mutant(
        "an export leaves out the item at a page's end",
        "persistq/journal/sqlite_reader.py",
        "            first_id = page[-1].item_id + 1\n",
        "            first_id = page[-1].item_id + 2\n",
        ("tests/cli/test_monitoring.py::test_export_reads_page_by_page",),
    ),
    Mutant(
        "passwords in the URLs of errors are shown",
        "persistq/cli/show.py",
        '    text = f"{failure.type}: {failure.message}" if failure.message else failure.type\n'
        "    return masked_text(text)\n",
        '    return f"{failure.type}: {failure.message}" if failure.message else failure.type\n',
        ("tests/cli/test_failed.py::test_passwords_of_urls_in_errors_are_masked",),
    ),
    Mutant(
        "gives up the turns of what was done by hand in other loads",
        "persistq/journal/purges.py",
        " AND turn_id <= :last_id AND run_id IS NOT NULL\n",
        " AND turn_id <= :last_id\n",
        (
            (
                f"{JOURNAL}test_retention.py::"
                "test_what_was_changed_by_hand_is_kept_until_its_load_has_ended_again"
            ),
        ),
    ),
    Mutant(
        "takes what was put by hand for a put of a program",
        "persistq/broker/opening.py",
        "        absorber.expect(after, by_hand - 1)\n",
        "        absorber.expect(after, by_hand)\n",
        ("tests/cli/test_amending.py::test_an_edited_item_stands_for_no_other_put",),
    ),
    Mutant(
        "leaves a stage without workers when its items are retried",
        "persistq/pool/supervisor.py",
        "if queue.waiting})\n",
        "if queue.waiting < 0})\n",
        (("tests/crash/test_by_hand.py::test_a_stage_whose_workers_have_left_gets_new_ones"),),
    ),
    Mutant(
        "takes an order while the run is coming to its end",
        "persistq/broker/controlling.py",
        "        if session.transitions.settled or session.scheduler.over:\n",
        "        if session.transitions.settled:\n",
        ("tests/cli/test_amending.py::test_a_run_that_ends_takes_no_orders",),
    ),
    Mutant(
        "takes what was dropped by hand for begun again",
        "persistq/journal/repeats.py",
        "(ended AND NOT EXISTS (",
        "(ended OR EXISTS (",
        ("tests/cli/test_duplicates.py::test_what_was_dropped_by_hand_has_not_run_again",),
    ),
    Mutant(
        "takes workers at work for killed",
        "persistq/cli/duplicates.py",
        "        killed = run.ended_at is None and run.run_id != at_work\n",
        "        killed = run.ended_at is None\n",
        ("tests/cli/test_duplicates.py::test_a_run_at_work_was_not_killed",),
    ),
    Mutant(
        "retries the rest although the sample failed again",
        "persistq/cli/retry.py",
        "        return not bad\n",
        "        return True\n",
        ("tests/cli/test_sampling.py::test_what_fails_again_leaves_the_rest_parked",),
    ),
    Mutant(
        "lets the run of a sample go on",
        "persistq/cli/sampling.py",
        '            end_run(choice, f"a sample of {count} was tried")\n',
        "",
        ("tests/cli/test_sampling.py::test_a_sample_leaves_the_rest_of_the_load_alone",),
    ),
    Mutant(
        "an edit that changes nothing drops the item",
        "persistq/cli/edit.py",
        "        same = block.data == block_with(old).data\n",
        "        same = False\n",
        ("tests/cli/test_editing.py::test_nothing_is_done_if_nothing_is_changed",),
    ),
    Mutant(
        "throws away what was typed and is no JSON",
        "persistq/cli/editor.py",
        "        if kind is not None and",
        "        if kind is None and",
        ("tests/cli/test_editing.py::test_what_is_no_item_is_kept",),
    ),
    Mutant(
        "forgives the failures of what is dropped by hand",
        "persistq/broker/transitions.py",
        "        self._batch.discarded += item_ids\n",
        "        self._batch.unparked += item_ids\n",
        ("tests/unit/test_transitions.py::test_dropped_by_hand_is_not_forgiven",),
    ),
    Mutant(
        "what is retried by hand leaves no trace",
        "persistq/broker/transitions.py",
        "        self._batch.by_hand += [ByHand(item_id, Deed.RETRIED) for item_id in parked]\n",
        "",
        ("tests/unit/test_transitions.py::test_what_is_done_by_hand_leaves_its_trace",),
    ),
    Mutant(
        "an edited stage stays open for ever",
        "persistq/broker/transitions.py",
        "        row.sealed_total = row.put if sealed else None\n",
        "        row.sealed_total = None\n",
        ("tests/unit/test_transitions.py::test_what_is_done_by_hand_leaves_its_trace",),
    ),
    Mutant(
        "the broker believes that items by hand are of its load",
        "persistq/broker/conduct.py",
        "    return known and _are_ranges(order.ids)\n",
        "    return known or _are_ranges(order.ids)\n",
        ("tests/unit/test_conduct.py::test_only_items_of_this_load_are_changed_by_hand",),
    ),
    Mutant(
        "a cursor goes past what is still to be repeated",
        "persistq/broker/producing.py",
        "        if put.cursor is not None and not self._repeats(link, put.queue_id):\n",
        "        if put.cursor is not None:\n",
        (f"{CURSORS}test_a_cursor_waits_for_what_is_still_to_be_repeated",),
    ),
    Mutant(
        "absorbs what comes behind the cursor",
        "persistq/broker/opening.py",
        "absorber_of(journal, row, transitions.put_at_cursor(row.queue_id))",
        "absorber_of(journal, row, 0)",
        (f"{CURSORS}test_a_source_goes_on_behind_its_cursor[fork]",),
    ),
    Mutant(
        "takes what was put behind the cursor for new",
        "persistq/broker/opening.py",
        "absorber_of(journal, row, transitions.put_at_cursor(row.queue_id))",
        "absorber_of(journal, row, row.put)",
        (f"{CURSORS}test_what_was_put_behind_the_last_cursor_is_absorbed",),
    ),
    Mutant(
        "a cursor counts for what waits behind it too",
        "persistq/client/outbox.py",
        "        taken, rest = self.waiting[:count], self.waiting[count:]\n",
        "        taken, rest = self.waiting, []\n",
        (f"{UNIT}test_outbox.py::test_a_cursor_is_sent_with_what_was_put_up_to_it",),
    ),
    Mutant(
        "goes on behind a cursor that the source does not take",
        "persistq/broker/opening.py",
        "    if opening.cursor:\n",
        "    if True:\n",
        (f"{CURSORS}test_a_source_that_takes_no_cursor_any_more_begins_anew",),
    ),
    Mutant(
        "goes on with a file that has changed",
        "persistq/sources/lines.py",
        "        unchanged(self._found)\n        self._file = _opened(path)\n",
        "        self._file = _opened(path)\n",
        (f"{UNIT}test_sources.py::test_a_file_that_has_changed_is_told_and_not_guessed",),
    ),
    Mutant(
        "counts characters where bytes are to be skipped",
        "persistq/sources/lines.py",
        "        self.offset += len(line)\n",
        "        self.offset += len(text)\n",
        (f"{UNIT}test_sources.py::test_csv_goes_on_behind_each_of_its_rows",),
    ),
    Mutant(
        "is silent of rows that share a key",
        "persistq/sources/tables.py",
        "    if row[key] == before:\n",
        "    if row[key] is None:\n",
        (f"{UNIT}test_sources.py::test_a_query_that_may_miss_rows_is_told",),
    ),
]
