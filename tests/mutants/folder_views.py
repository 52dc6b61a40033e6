"""Bugs planted in how folders are found, counted, shown, and helped by hand."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

LIST = "tests/cli/test_folder_list.py::"
RETRIES = "tests/folder/test_folder_retries.py::"
DEATHS = f"{RETRIES}test_who_dies_while_it_puts_back_loses_nothing"

MUTANTS = [
    Mutant(
        "reads a stranger's folder",
        "persistq/folder/counting.py",
        "        place.require_own()\n",
        "",
        (f"{LIST}test_a_strangers_folder_is_named_and_not_read",),
    ),
    Mutant(
        "lists folders that strangers have planted",
        "persistq/folder/finding.py",
        "        require_own_directory(directory)\n",
        "",
        (f"{LIST}test_where_strangers_can_plant_folders_none_is_found",),
    ),
    Mutant(
        "finds folders behind links",
        "persistq/folder/finding.py",
        "    if not entry.is_dir(follow_symlinks=False):\n",
        "    if not entry.is_dir():\n",
        (f"{LIST}test_a_folder_is_known_wherever_it_is_once_it_was_opened",),
    ),
    Mutant(
        "opens a folder that nobody will find again",
        "persistq/folder/place.py",
        "        register.remember(self.path, register.FOLDERS)\n",
        "",
        (f"{LIST}test_a_folder_is_known_wherever_it_is_once_it_was_opened",),
    ),
    Mutant(
        "asks for the time of each of many files",
        "persistq/folder/counting.py",
        "islice(names, AGES_OF)",
        "islice(names, None)",
        (f"{LIST}test_no_more_times_are_looked_at_than_is_said",),
    ),
    Mutant(
        "puts back what is named by a path",
        "persistq/folder/retrying.py",
        "        if name not in parked:\n",
        "        if not parked:\n",
        (f"{RETRIES}test_a_name_that_was_not_put_aside_changes_nothing",),
    ),
    Mutant(
        "puts back what nobody would claim",
        "persistq/folder/retrying.py",
        "        if fault := fault_of(place.parked / name):\n",
        "        if False and (fault := fault_of(place.parked / name)):\n",
        (f"{RETRIES}test_a_name_that_was_not_put_aside_changes_nothing",),
    ),
    Mutant(
        "leaves the reason of what was put back",
        "persistq/folder/retrying.py",
        "        path.with_name(path.name + WHY).rename(draft)\n",
        "        path.with_name(path.name + WHY).lstat()\n",
        (f"{RETRIES}test_a_file_waits_again_and_its_reason_is_gone",),
    ),
    Mutant(
        "blames a file for the death of who puts it back",
        "persistq/folder/retrying.py",
        'owner.taken.with_name(f"{owner.name}{FROM}{os.urandom(4).hex()}")',
        "owner.taken / os.urandom(4).hex()",
        (DEATHS,),
    ),
    Mutant(
        "loses the reason of what could not be put back",
        "persistq/folder/retrying.py",
        "            _return_reason(draft, path)\n",
        "",
        (f"{RETRIES}test_what_cannot_be_put_back_stays_with_its_reason",),
    ),
]
