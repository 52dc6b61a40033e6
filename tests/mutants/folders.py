"""Bugs planted in directories that are queues."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

FILES = "tests/folder/test_folder_files.py::"
ROUNDS = "tests/folder/test_folder_rounds.py::"
OWNERS = "tests/folder/test_folder_owners.py::"
GROUPS = "tests/folder/test_folder_groups.py::"
ROWS = "tests/folder/test_folder_rows.py::"
PACKED = "tests/folder/test_compressed_rows.py::"
LINES = "tests/folder/test_folder_rowlines.py::"
DEATHS = "tests/folder/test_folder_deaths.py::"
ONCE = f"{DEATHS}test_who_dies_at_any_rename_loses_and_doubles_nothing"

MUTANTS = [
    Mutant(
        "renames over a file that waits",
        "persistq/folder/renames.py",
        "_NOREPLACE: Final = 1\n",
        "_NOREPLACE: Final = 0\n",
        (f"{FILES}test_put_moves_or_copies_and_never_replaces",),
    ),
    Mutant(
        "replaces where the file system cannot refuse",
        "persistq/folder/renames.py",
        "target = directory / unique(name)",
        "target = directory / name",
        (f"{FILES}test_files_are_kept_apart_where_renames_replace",),
    ),
    Mutant(
        "takes what a live process has",
        "persistq/folder/recovery.py",
        "return name != owner.name and watch.is_dead(name) is True",
        "return name != owner.name and watch.is_dead(name) is not None",
        (f"{OWNERS}test_what_a_live_process_has_is_not_touched",),
    ),
    Mutant(
        "does not notice that others were given what it had",
        "persistq/folder/claims.py",
        "        if self._owner is None or self._owner.taken.is_dir():\n            return\n",
        "        return\n",
        (f"{OWNERS}test_who_was_taken_for_dead_settles_nothing_and_goes_on",),
    ),
    Mutant(
        "blames a name for the deaths of another file",
        "persistq/folder/crashes.py",
        'if facts["file"] == identity else 0',
        "if facts else 0",
        (f"{OWNERS}test_another_file_of_that_name_is_not_blamed",),
    ),
    Mutant(
        "calls it done while a put is under way",
        "persistq/folder/over.py",
        "        return being_put or any(",
        "        return any(",
        (f"{ROUNDS}test_a_put_that_has_begun_is_waited_for",),
    ),
    Mutant(
        "takes a producer for dead that has closed a moment before its end",
        "persistq/folder/over.py",
        " and producer not in {*again.dones, *again.faults}",
        "",
        (f"{ROUNDS}test_the_last_word_of_a_producer_is_heard_though_it_is_dead",),
    ),
    Mutant(
        "believes one look",
        "persistq/folder/over.py",
        "return now - self._quiet[1] >= self._settle and stamp == stamp_of(self._place)",
        "return True",
        (f"{ROUNDS}test_what_is_given_back_meanwhile_is_not_overlooked",),
    ),
    Mutant(
        "is ended by control files of yesterday",
        "persistq/folder/controls.py",
        "if control.mark not in void and _counts(",
        "if _counts(",
        (f"{ROUNDS}test_a_reader_of_the_next_day_is_not_told_that_the_last_one_is_over",),
    ),
    Mutant(
        "listens to what an earlier start has said",
        "persistq/folder/controls.py",
        'return helo is None or control.token in ("", helo.token)',
        "return True",
        (f"{ROUNDS}test_a_producer_starts_again_with_one_rename",),
    ),
    Mutant(
        "goes on handing out after it has failed",
        "persistq/folder/reader.py",
        "            self._line.clear()\n            return Ended(Outcome.FAILED, self._failure)\n",
        "            return Ended(Outcome.FAILED, self._failure)\n",
        (f"{ROUNDS}test_failed_comes_before_what_waits",),
    ),
    Mutant(
        "follows links",
        "persistq/folder/listing.py",
        "fine = entry.is_file(follow_symlinks=False) and fits(entry.name)",
        "fine = entry.is_file() and fits(entry.name)",
        (f"{FILES}test_links_and_directories_are_left_alone_and_told",),
    ),
    Mutant(
        "keeps what it has taken of half a group",
        "persistq/folder/claims.py",
        "                give_back_all(part, self._place)\n",
        "",
        (f"{GROUPS}test_rivals_leave_no_group_in_pieces",),
    ),
    Mutant(
        "drops the rows of a dead producer",
        "persistq/folder/recovery.py",
        '    if rows:\n        failpoints.point("folder.before_rest")\n',
        '    if False:\n        failpoints.point("folder.before_rest")\n',
        (f"{ROWS}test_rows_of_a_killed_producer_are_there",),
    ),
    Mutant(
        "publishes the compressed file, and its rows once more",
        "persistq/folder/batchfile.py",
        "    rename_over(draft, path)\n",
        "    shutil.copy(draft, path.with_name(f'0{path.name}'))\n    rename_over(draft, path)\n",
        (
            f"{PACKED}test_who_dies_while_a_file_is_compressed_loses_and_doubles_no_row[after_packed]",
        ),
    ),
    Mutant(
        "takes what is compressed for half a file",
        "persistq/folder/batchfile.py",
        "    if is_compressed(path):\n        return check_batch(path)\n",
        "",
        (f"{PACKED}test_what_was_damaged_beside_its_dead_producer_is_parked",),
    ),
    Mutant(
        "reads lines of any length out of a small file",
        "persistq/folder/batchfile.py",
        "        elif len(last) * _BLOCK < _LINE_MAX:\n",
        "        elif True:\n",
        (f"{PACKED}test_what_is_no_whole_compressed_batch_is_parked",),
    ),
    Mutant(
        "writes rows behind the last line of a file",
        "persistq/folder/batchfile.py",
        "                self._cut()\n                raise\n            self._file.close()\n",
        "                raise\n            self._file.close()\n",
        (f"{ROWS}test_an_error_at_the_end_of_a_file_costs_no_row_that_is_put_then[fsync]",),
    ),
    Mutant(
        "puts rows into a file that is whole",
        "persistq/folder/batching.py",
        "if self._writer is not None and self._writer.is_finished:",
        "if False:",
        (f"{ROWS}test_an_error_at_the_end_of_a_file_costs_no_row_that_is_put_then[rename]",),
    ),
    Mutant(
        "counts half a row as one",
        "persistq/folder/batchfile.py",
        "        except OSError:\n            self._cut()\n            raise\n",
        "        except OSError:\n            raise\n",
        (f"{ROWS}test_a_full_disk_costs_no_row_that_was_put",),
    ),
    Mutant(
        "gives two rows one number",
        "persistq/folder/rows.py",
        "        with self._opening:\n",
        "        if True:\n",
        (f"{ROWS}test_threads_that_get_first_have_one_reader",),
    ),
    Mutant(
        "publishes rows that are not on disk",
        "persistq/folder/batchfile.py",
        "            if sync:\n",
        "            if not sync:\n",
        (f"{ROWS}test_nothing_waits_for_the_disk_where_it_need_not[True]",),
    ),
    Mutant(
        "stores another value than was put",
        "persistq/folder/rowlines.py",
        "        if _read(line) == row:\n",
        "        if True:\n",
        (
            f"{ROWS}test_what_is_no_row_is_refused",
            f"{LINES}test_what_is_nearly_a_row_is_treated_as_the_standard_library_does[nan]",
        ),
    ),
    Mutant(
        "miscounts rows where one block of a file ends with a line",
        "persistq/folder/batchfile.py",
        'bool(last) and last[-1].endswith(b"\\n")',
        "False",
        (f"{LINES}test_a_file_is_the_same_in_blocks_of_any_size",),
    ),
    Mutant(
        "loses a reason that was not beside its file yet",
        "persistq/folder/recovery.py",
        "        if not deliver_reason(place, entry):\n            entry.unlink(missing_ok=True)\n",
        "        entry.unlink(missing_ok=True)\n",
        (f"{ONCE}[files, parked-kill]", f"{ONCE}[files-kill]"),
    ),
]
