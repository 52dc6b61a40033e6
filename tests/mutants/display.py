"""Bugs planted in what is shown of a run."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

COURSE = "tests/unit/test_course.py::"
DISPLAY = "tests/pipeline/test_display.py::"
PICTURE = "tests/unit/test_picture.py::"
WORKPLACE = "tests/unit/test_workplace.py::"
RESUMED = "test_right_after_a_resume_the_time_left_is_told_by_what_is_recorded"
WHOLE = "test_lines_stay_whole_above_the_picture_and_its_last_state_is_left[80]"

MUTANTS = [
    Mutant(
        "tells the time left by what is measured alone",
        "persistq/display/forecast.py",
        "    recorded = _recorded(queue, plan)\n",
        "    recorded = None\n",
        (f"{COURSE}{RESUMED}",),
    ),
    Mutant(
        "forgets what will still be made of the items before",
        "persistq/display/forecast.py",
        "Coming(there + made / by_now * wait, least)",
        "Coming(there, least)",
        (f"{COURSE}test_what_will_be_made_of_the_items_before_is_counted",),
    ),
    Mutant(
        "says a time while a source runs as if nothing more came",
        "persistq/display/forecast.py",
        "coming[queue.queue_id] = Coming(there, least=True)",
        "coming[queue.queue_id] = Coming(there, least=False)",
        (f"{COURSE}test_while_a_source_runs_it_is_the_least_that_it_can_be",),
    ),
    Mutant(
        "takes slow items for none",
        "persistq/display/speed.py",
        " and self.finished - finished >= LEAST",
        "",
        (f"{COURSE}test_slow_items_are_measured_over_more_than_ten_seconds",),
    ),
    Mutant(
        "counts what was done before as done now",
        "persistq/display/course.py",
        "queue.done + queue.dropped - queue.resumed)",
        "queue.done + queue.dropped)",
        (f"{COURSE}test_rates_do_not_count_what_was_done_before",),
    ),
    Mutant(
        "rounds a hundred percent up",
        "persistq/display/course.py",
        "return (total - self.outstanding) * 100 // total",
        "return round((total - self.outstanding) * 100 / total)",
        (f"{COURSE}test_percent_is_rounded_down_and_only_said_when_it_is_known",),
    ),
    Mutant(
        "names the item that was begun last",
        "persistq/display/working.py",
        "first = min(known",
        "first = max(known",
        (f"{PICTURE}test_the_longest_running_item_is_named",),
    ),
    Mutant(
        "takes the number of a batch for an item",
        "persistq/pool/workplace.py",
        "if it.item_id >> QUEUE_SHIFT == place.queue_id:",
        "if True:",
        (f"{WORKPLACE}test_items_are_named_and_attempts_of_several_are_batches",),
    ),
    Mutant(
        "hides the cursor of who may be killed",
        "persistq/display/live.py",
        '        """Change nothing."""\n        return False\n',
        '        """Change nothing."""\n        return super().show_cursor(show)\n',
        (f"{DISPLAY}test_who_resumes_sees_at_once_how_long_it_takes",),
    ),
    Mutant(
        "shows the program's standard output on a terminal where it does not go",
        "persistq/display/beside.py",
        "if stream is not None and stream.isatty():",
        "if stream is not None:",
        (f"{DISPLAY}test_standard_output_that_goes_elsewhere_goes_there",),
    ),
    Mutant(
        "leaves a picture behind wherever something was printed",
        "persistq/display/live.py",
        "            live.transient = not keep\n",
        "            live.transient = False\n",
        (f"{DISPLAY}{WHOLE}",),
    ),
    Mutant(
        "lets sources write into the picture",
        "persistq/pipeline/draining.py",
        "    capture = Capture(teller)\n    capture.take_records(task.log_levels)\n",
        "    import types\n    capture = types.SimpleNamespace(finish=int)\n",
        (
            f"{DISPLAY}test_a_program_gets_an_object_for_each_thing_that_comes_up",
            f"{DISPLAY}{WHOLE}",
        ),
    ),
    Mutant(
        "logs into the picture",
        "persistq/display/logged.py",
        "        with self._console.aside():\n            log(",
        "        if True:\n            log(",
        (f"{DISPLAY}{WHOLE}",),
    ),
    Mutant(
        "writes an object only when something changes",
        "persistq/display/jsonlines.py",
        "return None if self._shown is None else self._due",
        "return None",
        (f"{DISPLAY}test_a_program_hears_of_a_run_that_stands_still",),
    ),
    Mutant(
        "says that all is well to who wants it quiet",
        "persistq/display/silent.py",
        "        if not good:\n            super().conclude",
        "        if True:\n            super().conclude",
        (f"{DISPLAY}test_who_wants_it_quiet_hears_what_has_gone_wrong",),
    ),
]
