"""Bugs planted in what takes over the files of other queues."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

PYMPX = "tests/cli/test_import_pympx.py::"
TURBO = "tests/cli/test_import_turbo.py::"
DIES = f"{TURBO}test_who_dies_while_importing_loses_and_doubles_nothing"

MUTANTS = [
    Mutant(
        "completes all equal messages by one completion",
        "persistq/imports/pympx.py",
        "        completed[line] -= found.done[-1]\n",
        "        pass\n",
        (f"{PYMPX}test_the_difference_is_outstanding",),
    ),
    Mutant(
        "takes half a line for a message",
        "persistq/imports/pympx.py",
        '        *whole, torn = path.read_bytes().split(b"\\n")\n',
        '        whole = path.read_bytes().split(b"\\n")\n        torn = b""\n',
        (f"{PYMPX}test_the_difference_is_outstanding",),
    ),
    Mutant(
        "records an imported load bit by bit",
        "persistq/broker/beginning.py",
        "        with journal.together():\n            return _record",
        "        if True:\n            return _record",
        (f"{PYMPX}test_nothing_is_recorded_if_it_is_killed",),
    ),
    Mutant(
        "publishes before it is recorded what is imported",
        "persistq/imports/imported.py",
        '        self._note(key, record())\n        failpoints.point("importing.after_record")\n'
        "        self._publish(staged)\n",
        "        self._publish(staged)\n        self._note(key, record())\n",
        (f"{DIES}[within_publish-kill]", f"{DIES}[within_publish@3-kill]"),
    ),
    Mutant(
        "forgets what is recorded and not published yet",
        "persistq/imports/imported.py",
        "                self._publish(path)\n",
        "                shutil.rmtree(path)\n",
        (f"{DIES}[after_record-kill]",),
    ),
    Mutant(
        "imports a batch again that has got another name",
        "persistq/imports/turbo.py",
        "records.get(batch.key) or _renamed(batch, records)",
        "records.get(batch.key)",
        (f"{TURBO}test_what_the_old_queue_has_recovered_meanwhile_is_known_again",),
    ),
    Mutant(
        "lets SQLite follow what a journal names",
        "persistq/imports/turborows.py",
        '    _require_alone(Path(f"{copy}-journal"))\n',
        "",
        (f"{TURBO}test_a_journal_that_names_another_file_is_refused",),
    ),
    Mutant(
        "repairs a batch where it lies",
        "persistq/imports/turborows.py",
        "            _copy(batch, copy)\n",
        "            copy = batch.path\n",
        (f"{TURBO}test_what_was_not_committed_is_rolled_back_elsewhere",),
    ),
    Mutant(
        "orders batches of one second by their names",
        "persistq/imports/turbofiles.py",
        "return self.began, max(self.found.st_mtime_ns, 0), self.path.name",
        "return self.began, 0, self.path.name",
        (f"{TURBO}test_what_is_left_is_imported_in_order",),
    ),
    Mutant(
        "sees no locks of other users' processes",
        "persistq/site/openers.py",
        "return int(_FLOCK.unpack(found)[0]) != fcntl.F_UNLCK",
        "return False",
        (f"{TURBO}test_a_lock_is_enough_to_be_seen",),
    ),
]
