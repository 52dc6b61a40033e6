"""Names of journals, and which one to carry on with."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from persistq.cli.choosing import latest_unfinished
from persistq.errors import UsageError
from persistq.journal.sqlite import open_journal
from persistq.site.files import FileCatalogue, FileSite
from persistq.site.naming import journal_path
from persistq.testing.journals.feed import COMMAND, Feed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["sales", "a", "2024-01.v2_x", "Z" * 100, "_x"])
def test_good_names_have_a_path(tmp_path: Path, name: str) -> None:
    """Letters, digits, dots, underscores and hyphens make a file name."""
    assert journal_path(tmp_path, name) == tmp_path / f"{name}.db"


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".x", "-x", "a/b", "../a", "a\0", "a\n", "a b", "é", "a" * 101]
)
def test_bad_names_are_refused_with_the_rule(tmp_path: Path, name: str) -> None:
    """No name leads out of the directory, hides, or looks like an option."""
    with pytest.raises(UsageError, match="1 to 100 letters"):
        journal_path(tmp_path, name)


def test_journals_lists_files_that_may_be_journals(tmp_path: Path) -> None:
    """Drafts, backups, logs and directories are not listed; a missing directory is empty."""
    for name in ("b.db", "a.db", ".a.db", "a.db-wal", "a.db.v1-backup", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "dir.db").mkdir()
    paths = [str(tmp_path / name) for name in ("a.db", "b.db")]
    assert FileCatalogue(tmp_path).sites() == list(map(FileSite, paths))
    assert FileCatalogue(tmp_path / "missing").sites() == []


def test_latest_unfinished_is_where_a_run_started_last(tmp_path: Path) -> None:
    """The order of the runs decides; settled loads and other files are passed over."""
    (tmp_path / "other.db").write_bytes(b"no journal")
    assert latest_unfinished(tmp_path) is None
    with (
        closing(open_journal(tmp_path / "a.db")) as a,
        closing(open_journal(tmp_path / "b.db")) as b,
        closing(open_journal(tmp_path / "c.db")) as c,
    ):
        feed = Feed(a)
        Feed(b)
        a.begin_run(feed.load.load_id, COMMAND)
        Feed(c).settle()
    view = latest_unfinished(tmp_path)
    assert view is not None
    assert view.name == "a"
