"""Bugs planted in what directories promise to several hosts, and to file systems of a network."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

HOSTS = "tests/folder/test_folder_hosts.py::"
TWICE = f"{HOSTS}test_what_is_put_by_a_link_is_never_there_twice"
SOAK = "tests/crash/test_hosts.py::test_two_hosts_finish_each_file_once_whoever_is_killed[plain]"

MUTANTS = [
    Mutant(
        "takes owners on another host for dead before their lease is over",
        "persistq/folder/recovery.py",
        "return name != owner.name and watch.is_dead(name) is True",
        "return name != owner.name and watch.is_dead(name) is not False",
        (SOAK,),
    ),
    Mutant(
        "closes a round for those only who were there first",
        "persistq/folder/controls.py",
        "if control.mark not in void and _counts(control, controls):",
        "if _counts(control, controls):",
        (SOAK,),
    ),
    Mutant(
        "puts again what others have, or have finished, for its second name",
        "persistq/folder/recovery.py",
        "linked and entry.name.endswith(SECOND)",
        "linked and entry.name.endswith(COPY)",
        (TWICE,),
    ),
    Mutant(
        "parks what nobody has seen",
        "persistq/folder/recovery.py",
        "    elif name.endswith(MOVED):\n",
        "    elif not name:\n",
        (TWICE,),
    ),
    Mutant(
        "puts again what was finished and deleted",
        "persistq/folder/claims.py",
        "            if one.st_nlink > 1:\n                remove_second_names(self._place, one)\n",
        "            pass\n",
        (f"{HOSTS}test_what_others_have_finished_and_deleted_is_not_put_again",),
    ),
    Mutant(
        "calls it done while what is to be put lies with a dead producer",
        "persistq/folder/over.py",
        "_BEING_PUT: Final = (PUTTING, COPY, MOVED, SUFFIX)",
        "_BEING_PUT: Final = (PUTTING, COPY, SUFFIX)",
        (f"{HOSTS}test_what_is_on_its_way_is_waited_for",),
    ),
    Mutant(
        "does not bring back what it could not put",
        "persistq/folder/putting.py",
        "            _move_back(moved, source)\n",
        "",
        (f"{HOSTS}test_a_name_that_is_taken_moves_nothing_where_renames_replace",),
    ),
    Mutant(
        "offers a file of which others have a name",
        "persistq/folder/putting.py",
        "if source.lstat().st_nlink > 1:",
        "if source.lstat().st_nlink > 2:",
        (f"{HOSTS}test_a_file_of_several_names_is_copied_where_renames_replace",),
    ),
    Mutant(
        "works where files have no numbers that hosts agree on",
        "persistq/folder/place.py",
        'frozenset({"fuse.sshfs"})',
        "frozenset()",
        (f"{HOSTS}test_a_file_system_without_numbers_of_files_is_refused",),
    ),
]
