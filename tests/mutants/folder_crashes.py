"""Bugs planted where processes die over a directory that is a queue, and where strangers write."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

HOSTILE = "tests/folder/test_folder_hostile.py::"
TABLE = "tests/folder/test_crash_table.py::"
OWNERS = "tests/folder/test_folder_owners.py::"
MACHINE = "tests/folder/test_folder_machine.py"
LATER = f"{HOSTILE}test_who_cannot_finish_a_recovery_goes_on_with_it_later"
HELD = f"{HOSTILE}test_what_cannot_be_settled_is_held_still"
EXCHANGED = (
    f"{HOSTILE}test_a_directory_that_is_exchanged_for_a_link_while_it_is_read_is_refused[.done]"
)

MUTANTS = [
    Mutant(
        "calls it done while files are in somebody's hands",
        "persistq/folder/over.py",
        "return being_put or any(not load_of(owner) for owner, _ in owned(self._place.taken))",
        "return being_put",
        ("tests/folder/test_folder_rounds.py::test_what_is_in_somebodys_hands_is_waited_for",),
    ),
    Mutant(
        "tells no failure while something waits",
        "persistq/folder/reader.py",
        'if self._failure and self._options.failed == "first":',
        'if self._failure and not self._line and self._options.failed == "first":',
        (MACHINE,),
    ),
    Mutant(
        "recovers what a live process has",
        "persistq/folder/recovery.py",
        "return name != owner.name and watch.is_dead(name) is True",
        "return name != owner.name and watch.is_dead(name) is not None",
        (MACHINE,),
    ),
    Mutant(
        "hands out while the folder is paused",
        "persistq/folder/reader.py",
        "        if listing.paused:\n            self._line.clear()\n",
        "",
        (MACHINE,),
    ),
    Mutant(
        "leaves what was taken of half a group to nobody",
        "persistq/folder/recovery.py",
        "    give_back(entry, place, name)\n",
        '    if not entry.name.endswith(".part"):\n        give_back(entry, place, name)\n',
        (f"{TABLE}test_row[group: some of its files are taken, by renames]",),
    ),
    Mutant(
        "publishes a copy again that was put",
        "persistq/folder/recovery.py",
        "    linked = stat.S_ISREG(found.st_mode) and found.st_nlink > 1\n",
        "    linked = False\n",
        (f"{TABLE}test_row[put of a copy by link, before unlink of the copy, by links]",),
    ),
    Mutant(
        "drops rows that a backup has linked",
        "persistq/folder/recovery.py",
        "    return linked and entry.name.endswith(SECOND)\n",
        "    return linked\n",
        (f"{HOSTILE}test_links_that_a_backup_makes_cost_no_row",),
    ),
    Mutant(
        "forgets what it could not finish recovering",
        "persistq/folder/recovery.py",
        '        if name.startswith(f"{owner.name}{FROM}"):\n',
        "        if not name:\n",
        (f"{LATER}[folder.within_recovery]",),
    ),
    Mutant(
        "lets go of what it could not settle",
        "persistq/folder/claims.py",
        "            if os.path.lexists(claim.path):\n                settle()\n",
        "            if os.path.lexists(claim.path):\n"
        "                self._held.pop(claim.number)\n                settle()\n",
        (f"{HELD}[folder.before_done-task_done-ENOSPC]",),
    ),
    Mutant(
        "keeps all because the program has moved one",
        "persistq/folder/claims.py",
        "            with suppress(FileNotFoundError):\n                give_back(",
        "            with suppress(FileExistsError):\n                give_back(",
        (f"{HOSTILE}test_what_the_program_has_moved_does_not_keep_the_rest",),
    ),
    Mutant(
        "takes a reason for an item",
        "persistq/folder/names.py",
        " or name.endswith(WHY)\n    return not is_hidden and",
        "\n    return not is_hidden and",
        (f"{HOSTILE}test_a_reason_is_never_an_item",),
    ),
    Mutant(
        "gives a name of no length to a file called ~2",
        "persistq/folder/names.py",
        r're.compile(r"\A([^.]+)~',
        r're.compile(r"\A([^.]*)~',
        (f"{HOSTILE}test_any_name_goes_all_the_way[b'~2']",),
    ),
    Mutant(
        "overhears a failure that it may not read",
        "persistq/folder/controls.py",
        '        return b""\n',
        "        return None\n",
        (f"{HOSTILE}test_a_control_file_that_may_not_be_read_counts[failed]",),
    ),
    Mutant(
        "takes a row for the end of its file",
        "persistq/folder/batchfile.py",
        "    if last == _end_line(rows, crc):\n",
        "    if _end_in(last) == End(rows, crc):\n",
        (f"{HOSTILE}test_a_row_that_looks_like_an_end_is_a_row",),
    ),
    Mutant(
        "refuses a producer that begins while a round is being closed",
        "persistq/folder/producer.py",
        "        return not began and last_round(",
        "        return last_round(",
        (f"{HOSTILE}test_who_begins_while_a_round_is_being_closed_belongs_to_the_next",),
    ),
    Mutant(
        "goes on in a directory that was exchanged",
        "persistq/folder/reader.py",
        "        self._place.require_own()\n",
        "",
        (EXCHANGED,),
    ),
    Mutant(
        "writes on in a file that others have published",
        "persistq/folder/batching.py",
        "now - looked >= _LOOK_S and not writer.path.exists()",
        "now < looked",
        (f"{OWNERS}test_rows_of_who_was_taken_for_dead_go_into_another_file",),
    ),
]
