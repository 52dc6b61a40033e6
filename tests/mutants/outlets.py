"""Bugs planted in folders as sources and outlets of stages."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

LOADS = "tests/folder/test_folder_loads.py::"
OUTLETS = "tests/folder/test_outlets.py::"
ENDS = f"{LOADS}test_a_file_is_moved_when_its_item_is_done_or_dropped_and_stays_while_it_is_parked"

MUTANTS = [
    Mutant(
        "deletes a group file by file where it is claimed",
        "persistq/pipeline/finishing.py",
        "        rename_over(claim, _deleted(claim, place))\n",
        "        shutil.rmtree(claim)\n",
        ("tests/folder/test_folder_loads.py::test_a_group_that_is_half_deleted_is_no_item_again",),
    ),
    Mutant(
        "waits for a round that its load was told is over",
        "persistq/folder/loadclaims.py",
        "        rounds = began if type(began) is int else rounds\n",
        "",
        (f"{LOADS}test_a_load_is_told_that_the_round_is_over_also_if_it_was_told_before",),
    ),
    Mutant(
        "finishes any path that it is given",
        "persistq/pipeline/finishing.py",
        '    if not is_one or ".." in path.parts:\n',
        "    if False:\n",
        (
            f"{LOADS}test_only_what_was_claimed_is_finished[/x/.taken/host-1-ab/1.a]",
            f"{LOADS}test_only_what_was_claimed_is_finished[a]",
        ),
    ),
    Mutant(
        "moves files before their ends are on disk",
        "persistq/pipeline/finishing.py",
        "        items[0].checkpoint(True)\n",
        "",
        (f"{LOADS}test_files_are_moved_once_the_journal_has_their_end_on_disk",),
    ),
    Mutant(
        "finishes what a person has dropped",
        "persistq/pipeline/finishing.py",
        "            if dropped:\n",
        "            if False:\n",
        (ENDS,),
    ),
    Mutant(
        "leaves a reason where a dead process has left it",
        "persistq/pipeline/finishing.py",
        "        deliver_reason(place, draft)\n",
        "        pass\n",
        (f"{LOADS}test_what_is_put_aside_twice_has_its_reason",),
    ),
    Mutant(
        "leaves a file claimed whose handler has dropped it",
        "persistq/broker/transitions.py",
        "            batch.reasons |= dict.fromkeys(ids_in(ranges), reason)\n"
        "        self.record.touch(row)\n"
        "        self.passing.pass_on(ranges)\n",
        "            batch.reasons |= dict.fromkeys(ids_in(ranges), reason)\n"
        "        self.record.touch(row)\n",
        (ENDS,),
    ),
    Mutant(
        "passes nothing on that is dropped while nobody runs",
        "persistq/broker/alone.py",
        "    transitions.passing.begin(passing_of(routes))\n",
        "",
        (ENDS,),
    ),
    Mutant(
        "gives what is made of files to who finishes files",
        "persistq/broker/intake.py",
        "if row.queue_id not in self.passed]",
        "if row]",
        (f"{LOADS}test_large_outputs_of_files_are_not_taken_for_files",),
    ),
    Mutant(
        "claims files for a sample",
        "persistq/pipeline/foldered.py",
        "    if sample:\n",
        "    if False:\n",
        (f"{LOADS}test_a_sample_claims_and_finishes_nothing",),
    ),
    Mutant(
        "publishes under a name that others may choose",
        "persistq/folder/outbox.py",
        "            name = another(name, key) if key else unique(name)\n",
        "            pass\n",
        (f"{OUTLETS}test_names_have_the_key_of_their_item_unless_they_are_ones_own",),
    ),
    Mutant(
        "replaces a file that somebody has put meanwhile",
        "persistq/folder/outbox.py",
        "                rename_free(draft, target.parent, target.name)\n",
        "                draft.rename(target)\n",
        (f"{OUTLETS}test_a_name_that_somebody_takes_meanwhile_is_not_replaced",),
    ),
    Mutant(
        "fails where a consumer was quicker",
        "persistq/folder/outbox.py",
        "        with suppress(FileNotFoundError):\n",
        "        with suppress(ZeroDivisionError):\n",
        (f"{OUTLETS}test_what_was_published_is_not_published_again[unique]",),
    ),
    Mutant(
        "takes a name of one's own where renames replace",
        "persistq/folder/outbox.py",
        "if self.names == MINE and not refuses(self._place.tmp):",
        "if False:",
        (f"{OUTLETS}test_one_s_own_names_are_refused_where_renames_replace",),
    ),
    Mutant(
        "publishes what a handler has written before it is stored",
        "persistq/sinks/files.py",
        "    if outputs is None:\n        (finish or _finish)([prepared])\n",
        "    if finish or outputs is None:\n        (finish or _finish)([prepared])\n",
        (f"{OUTLETS}test_a_file_of_an_item_that_fails_never_appears",),
    ),
]
