"""Bugs planted in what is told to machines."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

EVENTS = "tests/journal/test_events.py::"
NOTICES = "tests/pipeline/test_notices.py::"
METRICS = "tests/cli/test_metrics.py::"
LOGGING = "tests/pipeline/test_logging.py::"

MUTANTS = [
    Mutant(
        "tells of a failure before the puts",
        "persistq/journal/eventlog.py",
        '        """Tell of each failure behind a number, but not of what was only put off."""\n'
        "        self.tell_puts()\n",
        '        """Tell of each failure behind a number, but not of what was only put off."""\n',
        (f"{EVENTS}test_puts_that_are_left_untold_are_told_together",),
    ),
    Mutant(
        "forgets what was told in a transaction that was rolled back",
        "persistq/journal/eventlog.py",
        "            self._untold = None\n\n    def note_puts",
        "            self._untold = set()\n\n    def note_puts",
        (f"{EVENTS}test_a_batch_is_told_whole_or_not_at_all",),
    ),
    Mutant(
        "forgets the puts of a dead broker",
        "persistq/journal/eventlog.py",
        "        self._untold: set[int] | None = None\n",
        "        self._untold: set[int] | None = set()\n",
        (f"{EVENTS}test_what_a_dead_broker_has_not_told_the_next_one_tells",),
    ),
    Mutant(
        "gives the number of a purged event once more",
        "persistq/journal/retention.py",
        "row[0] < last and (row[1]",
        "row[0] <= last and (row[1]",
        (f"{EVENTS}test_no_number_is_given_twice",),
    ),
    Mutant(
        "keeps all events",
        "persistq/journal/retention.py",
        "        yield from self._drop_events()\n",
        "",
        (f"{EVENTS}test_only_the_newest_events_are_kept",),
    ),
    Mutant(
        "reads on where events are missing",
        "persistq/following.py",
        "        if not page or page[0].number != cursor + 1:\n",
        "        if not page:\n",
        (f"{EVENTS}test_who_is_overtaken_is_told",),
    ),
    Mutant(
        "leaves puts untold while nothing comes",
        "persistq/broker/server.py",
        "        self._telling.tell_if_due()\n",
        "",
        ("tests/pipeline/test_events.py::test_puts_are_told_while_the_run_is_at_work",),
    ),
    Mutant(
        "takes any end of a command for a success",
        "persistq/pipeline/notices.py",
        "        if ended.returncode:\n",
        "        if ended.returncode < 0:\n",
        (f"{NOTICES}test_a_command_is_run_until_it_succeeds",),
    ),
    Mutant(
        "posts under another key each time",
        "persistq/pipeline/notices.py",
        '"Idempotency-Key": item.key}',
        '"Idempotency-Key": f"{item.key}{item.attempt}"}',
        (f"{NOTICES}test_a_url_is_posted_to_until_it_has_taken_it",),
    ),
    Mutant(
        "follows redirections",
        "persistq/pipeline/notices.py",
        "build_opener(_stays())",
        "build_opener()",
        (f"{NOTICES}test_a_redirection_is_not_followed",),
    ),
    Mutant(
        "writes the file of metrics in place",
        "persistq/metrics/exposition.py",
        '    part = path.with_name(f".{path.name}.part")\n',
        "    part = path\n",
        (f"{METRICS}test_a_file_is_replaced_at_one_stroke",),
    ),
    Mutant(
        "counts the items of the current load alone",
        "persistq/metrics/reading.py",
        "reader.queues(), ",
        "view.queues, ",
        (f"{METRICS}test_a_counter_goes_on_in_the_next_load",),
    ),
    Mutant(
        "leaves out the longest items",
        "persistq/metrics/families.py",
        "for bucket in range(len(BOUNDS) + 1))]",
        "for bucket in range(len(BOUNDS)))]",
        (f"{METRICS}test_durations_are_a_histogram",),
    ),
    Mutant(
        "logs each attempt as the first one",
        "persistq/client/window.py",
        "            self._note_failed(handed.attempts)\n",
        "            pass\n",
        (f"{LOGGING}test_all_records_have_the_same_fields",),
    ),
    Mutant(
        "counts an attempt that has failed for one more",
        "persistq/broker/verdicts.py",
        "made + (not cause.kind.counts)",
        "made + 1",
        (f"{LOGGING}test_all_records_have_the_same_fields",),
    ),
    Mutant(
        "says the end of a run where all is logged",
        "persistq/display/spoken.py",
        "        super().__init__(name, None, interval)\n",
        '        super().__init__(name, __import__("sys").stderr, interval)\n',
        (f"{LOGGING}test_a_run_may_leave_all_it_says_to_logging",),
    ),
]
