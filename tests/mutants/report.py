"""Bugs planted in the report of a load."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

VERB = "tests/cli/test_report.py::"
DRAWING = "tests/unit/test_report_drawing.py::"
LOOKUPS = "tests/journal/test_lookups.py::"
RENAME = '        failpoints.point("report.before_rename")\n        Path(name).rename(path)\n'
LAST_WORK = "test_what_a_killed_run_has_done_last_is_its_own"
DIES = "test_who_dies_while_writing_leaves_the_page_that_was_there[kill]"

MUTANTS = [
    Mutant(
        "writes a report over a program",
        "persistq/report/file.py",
        "    if not is_report:\n",
        "    if False:\n",
        (f"{VERB}test_nothing_else_is_overwritten[program]",),
    ),
    Mutant(
        "takes a link for the report that it leads to",
        "persistq/report/file.py",
        "path.lstat().st_mode",
        "path.stat().st_mode",
        (f"{VERB}test_nothing_else_is_overwritten[link]",),
    ),
    Mutant(
        "gives up the old report before the new one is there",
        "persistq/report/file.py",
        RENAME,
        f"        path.unlink(missing_ok=True)\n{RENAME}",
        (f"{VERB}{DIES}",),
    ),
    Mutant(
        "takes texts for HTML",
        "persistq/report/markup.py",
        "    return escape(child) if isinstance(child, str) else joined(*child)\n",
        "    return child if isinstance(child, str) else joined(*child)\n",
        (f"{DRAWING}test_no_text_becomes_an_element",),
    ),
    Mutant(
        "lets an item end the script that it is in",
        "persistq/report/page.py",
        'for char in "<>&\\u2028\\u2029"',
        'for char in "&\\u2028\\u2029"',
        (f"{VERB}test_texts_of_strangers_stay_texts",),
    ),
    Mutant(
        "allows any script in the page",
        "persistq/report/page.py",
        "script-src {_digest(script)}",
        "script-src 'unsafe-inline'",
        (f"{VERB}test_only_the_own_script_and_styles_are_allowed",),
    ),
    Mutant(
        "shows the passwords in the texts of errors",
        "persistq/report/safe.py",
        "printable(masked_text(text)), most",
        "printable(text), most",
        (f"{VERB}test_secrets_are_masked",),
    ),
    Mutant(
        "draws a night without work as long as it was",
        "persistq/report/axis.py",
        "_end_of(last) + min(gap, first - last.end)",
        "_end_of(last) + first - last.end",
        (f"{DRAWING}test_a_pause_between_runs_takes_little_of_the_axis",),
    ),
    Mutant(
        "gives each process a lane of its own",
        "persistq/report/lanes.py",
        "        while busy and busy[0][0] <= began:\n",
        "        while False:\n",
        (f"{DRAWING}test_who_replaces_a_worker_gets_its_lane",),
    ),
    Mutant(
        "loses what a killed run has done last",
        "persistq/report/runs.py",
        "        shares[record.run.run_id] = max(0, end - begin)\n",
        "        pass\n",
        (f"{DRAWING}{LAST_WORK}",),
    ),
    Mutant(
        "groups the failures of all queues",
        "persistq/journal/lookups.py",
        "    FROM failure WHERE item_id > ? AND item_id <= ?\n    GROUP BY",
        "    FROM failure WHERE ? < ?\n    GROUP BY",
        (f"{LOOKUPS}test_failed_attempts_are_grouped_by_what_went_wrong",),
    ),
    Mutant(
        "answers as of several moments",
        "persistq/journal/sqlite_reader.py",
        '        self._read("BEGIN")\n',
        "",
        (f"{LOOKUPS}test_a_snapshot_is_of_one_moment",),
    ),
]
