"""Bugs planted in how folders are found, counted, shown, and helped by hand."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

LIST = "tests/cli/test_folder_list.py::"
RETRIES = "tests/folder/test_folder_retries.py::"
DEATHS = f"{RETRIES}test_who_dies_while_it_puts_back_loses_nothing"

PAGES = "tests/web/test_folders.py::"

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
        'owner.taken / f"1.{path.name}{PART}"',
        'owner.taken / f"1.{path.name}.group"',
        (DEATHS,),
    ),
    Mutant(
        "loses the reason of what could not be put back",
        "persistq/folder/retrying.py",
        "            _return_reason(draft, path)\n",
        "",
        (f"{RETRIES}test_what_cannot_be_put_back_stays_with_its_reason",),
    ),
    Mutant(
        "takes what the dead have for work in progress",
        "persistq/folder/counting.py",
        "        sum(owner in dead for owner in hands),\n",
        "        0,\n",
        (f"{LIST}test_what_the_dead_have_is_told_with_what_to_type",),
    ),
    Mutant(
        "tells of folders that were not asked for",
        "persistq/cli/metrics.py",
        "    folders = [] if names else folders_of(directory)\n",
        "    folders = folders_of(directory)\n",
        ("tests/cli/test_metrics.py::test_folders_are_told_of_beside_journals",),
    ),
    Mutant(
        "tells that a stranger's folder is empty",
        "persistq/metrics/folders.py",
        "    readable = {path: counts is not None for path, counts in counted.items()}\n",
        "    readable = {path: True for path, counts in counted.items()}\n",
        ("tests/cli/test_metrics.py::test_folders_are_told_of_beside_journals",),
    ),
    Mutant(
        "shows what is in a stranger's folder on its page",
        "persistq/web/folders.py",
        "        place.require_own()\n",
        "",
        (f"{PAGES}test_a_strangers_folder_is_named_and_not_read",),
    ),
    Mutant(
        "shows secrets that are in reasons of folders",
        "persistq/web/folderpage.py",
        "    reason = shortened(masked_text(file.reason), _REASON_WIDTH)\n",
        "    reason = shortened(file.reason, _REASON_WIDTH)\n",
        (f"{PAGES}test_one_folder",),
    ),
    Mutant(
        "takes an empty form for all that was put aside",
        "persistq/web/folderorders.py",
        "    if not name:\n",
        "    if False:\n",
        (f"{PAGES}test_an_order_that_names_nothing_that_was_put_aside_changes_nothing",),
    ),
    Mutant(
        "takes names with any bytes for others",
        "persistq/web/folderpage.py",
        "    return os.fsencode(name).hex()\n",
        '    return name.encode("utf-8", "replace").hex()\n',
        (f"{PAGES}test_one_file_is_put_back",),
    ),
    Mutant(
        "never notices the death of who writes nothing",
        "persistq/web/folders.py",
        "        pause = max(AGED_S if is_settled else 0.0, self.cost / SHARE)\n",
        "        pause = max(1e9 if is_settled else 0.0, self.cost / SHARE)\n",
        (f"{PAGES}test_a_death_is_noticed_though_nothing_is_written",),
    ),
    Mutant(
        "lists a folder at rest at each look",
        "persistq/web/folders.py",
        "        is_settled = now - self.changed_at > SETTLED_S\n        pause",
        "        is_settled = False\n        pause",
        (f"{PAGES}test_a_death_is_noticed_though_nothing_is_written",),
    ),
    Mutant(
        "keeps showing a folder that is gone",
        "persistq/web/folders.py",
        "            for path in self._seen.keys() - {*paths}:\n",
        "            for path in ():\n",
        (f"{PAGES}test_a_folder_that_goes_is_gone_from_the_pages",),
    ),
]
