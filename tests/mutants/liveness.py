"""Bugs planted in heartbeats, leases, alarms, and in what asks for more time."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

LEASES = "tests/unit/test_leases.py::"
FOLDER = "tests/folder/test_folder_leases.py::"
OWNERS = "tests/folder/test_folder_owners.py::"
LIMITS = "tests/queue/test_time_limits.py::"
EXTENDING = "tests/pipeline/test_extending.py::"
VERBS = "tests/cli/test_folder_verbs.py::"

MUTANTS = [
    Mutant(
        "counts time in which nobody has looked",
        "persistq/leases.py",
        "seen.seconds += min(now - seen.at, lease / _LOOKS_MIN)",
        "seen.seconds += now - seen.at",
        (f"{LEASES}test_who_has_not_looked_for_long_judges_nobody_at_once",),
    ),
    Mutant(
        "does not hear a heartbeat that goes back in time",
        "persistq/leases.py",
        "seen.token != sign.token",
        "seen.token < sign.token",
        (f"{LEASES}test_a_heartbeat_begins_it_anew",),
    ),
    Mutant(
        "takes for dead who beats more slowly",
        "persistq/leases.py",
        "return max(lease, BEATS_MIN * sign.heartbeat, sign.extended)",
        "return max(lease, sign.extended)",
        (f"{LEASES}test_nobody_is_quicker_than_an_owner_beats",),
    ),
    Mutant(
        "takes for dead who has asked for more time",
        "persistq/leases.py",
        "return max(lease, BEATS_MIN * sign.heartbeat, sign.extended)",
        "return max(lease, BEATS_MIN * sign.heartbeat)",
        (f"{FOLDER}test_who_asks_for_time_is_waited_for_on_other_hosts",),
    ),
    Mutant(
        "takes a lease of one heartbeat",
        "persistq/leases.py",
        "    if lease < BEATS_MIN * heartbeat:\n",
        "    if lease < heartbeat:\n",
        (f"{LEASES}test_a_lease_of_less_than_three_heartbeats_is_refused",),
    ),
    Mutant(
        "waits for ever for who has asked once",
        "persistq/folder/heartbeat.py",
        "            self._write(self._until)\n            return\n",
        "            os.utime(self._card)\n            return\n",
        (f"{FOLDER}test_what_was_asked_for_shrinks_with_each_heartbeat_and_ends",),
    ),
    Mutant(
        "takes back what others were promised",
        "persistq/folder/heartbeat.py",
        "            if until > self._until and not self._ended:\n",
        "            if not self._ended:\n",
        (f"{FOLDER}test_asking_for_less_takes_nothing_away",),
    ),
    Mutant(
        "beats as seldom as the first of its owners",
        "persistq/folder/heartbeat.py",
        "        self._wake.set()\n\n    def remove",
        "        return\n\n    def remove",
        (f"{FOLDER}test_a_quicker_heartbeat_is_heard_beside_a_slow_one",),
    ),
    Mutant(
        "is never seen again once it was taken for dead",
        "persistq/folder/heartbeat.py",
        "            # It was taken for dead, and is not.\n            self._write()\n",
        "            return\n",
        (f"{FOLDER}test_who_was_taken_for_dead_and_lives_is_seen_again",),
    ),
    Mutant(
        "begins to watch anew at each look of a join",
        "persistq/folder/queue.py",
        "Over(self._place, self._options, self._watch).failure(controls)",
        "Over(self._place, self._options, Watch(self._place, 0.6)).failure(controls)",
        (f"{FOLDER}test_join_learns_of_a_dead_producer_elsewhere",),
    ),
    Mutant(
        "tells the same again at each look",
        "persistq/folder/alarms.py",
        "        self._told[owner] = life\n",
        "",
        (f"{FOLDER}test_who_waits_is_told_once_of_silence_death_and_return",),
    ),
    Mutant(
        "cries for who has nothing in hand",
        "persistq/folder/alarms.py",
        'elif stake := ", ".join(self._at_stake(owner)):',
        'elif (stake := ", ".join(self._at_stake(owner))) or True:',
        (f"{FOLDER}test_who_has_nothing_may_be_silent",),
    ),
    Mutant(
        "compares the time of a card with the clock of this host",
        "persistq/folder/cards.py",
        "            return os.fstat(file.fileno()).st_mtime\n",
        "            return time.time() + 3_600\n",
        (f"{VERBS}test_status_shows_how_long_others_have_been_silent",),
    ),
    Mutant(
        "gives a monitor no exit code",
        "persistq/cli/folder.py",
        "    return SILENT if complaints else 0\n",
        "    return 0\n",
        (f"{VERBS}test_monitors_learn_by_the_exit_code_who_is_silent",),
    ),
    Mutant(
        "cannot leave when others were given what it had",
        "persistq/folder/claims.py",
        "            with suppress(FileNotFoundError):\n                give_back(",
        "            if True:\n                give_back(",
        (f"{FOLDER}test_a_death_is_told_before_its_traces_are_gone",),
    ),
    Mutant(
        "gives the next attempt the time that was asked for the one before",
        "persistq/site/fence.py",
        "    asks = asked_for == since and until <= time.monotonic() + DAY_S\n",
        "    asks = until <= time.monotonic() + DAY_S\n",
        (f"{EXTENDING}test_the_next_attempt_has_the_plain_limit",),
    ),
    Mutant(
        "believes whatever time is asked for",
        "persistq/site/fence.py",
        "    asks = asked_for == since and until <= time.monotonic() + DAY_S\n",
        "    asks = asked_for == since\n",
        (f"{LIMITS}test_nonsense_that_is_asked_for_gives_no_time",),
    ),
    Mutant(
        "asks for time for whichever item is in its first slot",
        "persistq/client/concurrent.py",
        "                self._post.extend(until, seat)\n",
        "                self._post.extend(until, 1 - seat)\n",
        (f"{EXTENDING}test_who_asks_for_more_time_has_it[concurrently]",),
    ),
    Mutant(
        "asks for time for the item that was got first only",
        "persistq/queues/base.py",
        "            if (until := unfinished.extended.get(oldest)) is not None:\n",
        "            if len(unfinished) > 1 and (until := unfinished.extended.get(oldest)):\n",
        (f"{LIMITS}test_time_is_asked_for_each_item",),
    ),
    Mutant(
        "says the plain limit where more was asked for",
        "persistq/site/fence.py",
        "        return round(self.due(limit) - self.since, 3)\n",
        "        return limit\n",
        (f"{LIMITS}test_who_hangs_for_longer_than_it_has_asked_for_is_killed",),
    ),
    Mutant(
        "ends an attempt of a pipeline that has asked for time",
        "persistq/pool/deadlines.py",
        "if now >= (due := noted.due(limit)):",
        "if now >= (due := noted.since + limit):",
        (f"{EXTENDING}test_who_asks_for_more_time_has_it[one by one]",),
    ),
]
