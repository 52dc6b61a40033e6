"""Bugs planted in what starts and stops runs, and in what becomes of a source that raises."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

CONTROL = "tests/pipeline/test_control.py::"
STOPPING = "tests/pipeline/test_stopping.py::"
RAISING = "tests/pipeline/test_raising_sources.py::"
SAMPLES = "tests/pipeline/test_samples.py::"

MUTANTS = [
    Mutant(
        "waits for a source that sleeps",
        "persistq/pool/supervisor.py",
        "                    place.process.terminate()\n",
        "                    pass\n",
        (f"{CONTROL}test_stopping_ends_a_source_that_sleeps_at_once",),
    ),
    Mutant(
        "lets a fork forget a signal that comes early",
        "persistq/pool/crew.py",
        "            return held(signal.SIGTERM)\n",
        "            pass\n",
        ("tests/pipeline/test_stopping.py::test_a_child_that_has_just_been_forked_hears_a_signal",),
    ),
    Mutant(
        "leaves runs alone at the end of the program",
        "persistq/pipeline/live.py",
        "atexit.register(_stop_all)\n",
        "",
        (f"{CONTROL}test_an_exit_of_the_program_stops_what_is_alive",),
    ),
    Mutant(
        "lets a cancelled coroutine end before its run",
        "persistq/pipeline/live.py",
        "            await self._await_end()\n",
        "            pass\n",
        (f"{CONTROL}test_a_coroutine_that_is_cancelled_has_stopped_its_run",),
    ),
    Mutant(
        "keeps signals when the run is over",
        "persistq/pipeline/live.py",
        "            self._leave_signals()\n            signal.raise_signal(stop.signal)\n",
        "            pass\n",
        (f"{CONTROL}test_signals_stop_a_run_that_wants_them",),
    ),
    Mutant(
        "forgets what a source has raised",
        "persistq/pipeline/run.py",
        "        return replace(conclusion, exception=error)\n",
        "        return conclusion\n",
        (f"{RAISING}test_it_reaches_the_caller_as_the_object_that_it_was[2]",),
    ),
    Mutant(
        "fails at once when a source has raised",
        "persistq/broker/failing.py",
        "        if not fail.patience:\n",
        "        if True:\n",
        (f"{RAISING}test_what_it_had_yielded_is_worked_off",),
    ),
    Mutant(
        "waits for an item that is due when the grace is over",
        "persistq/broker/lane.py",
        "any(due <= time for due in dues)",
        "bool(dues)",
        (f"{RAISING}test_it_is_not_waited_for_what_cannot_be_done_in_time",),
    ),
    Mutant(
        "believes a source that died before the broker knew",
        "persistq/pool/supervisor.py",
        "        if place.raised and place.over:\n",
        "        if place.raised:\n",
        (f"{RAISING}test_who_dies_of_telling_it_loses_nothing[source.before_fail]",),
    ),
    Mutant(
        "commits what a sample has stored",
        "persistq/sinks/trying.py",
        "                raise _Undone\n",
        "                pass\n",
        (f"{SAMPLES}test_what_is_stored_in_a_database_is_rolled_back[None]",),
    ),
    Mutant(
        "tells hooks that a sample is settled",
        "persistq/pipeline/sample.py",
        " if not stage.hook]\n",
        "]\n",
        (f"{SAMPLES}test_the_first_items_go_through_all_stages[0]",),
    ),
]
