"""Migrations lead to the schema that the code knows, and an older journal loses nothing."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from persistq.blocks import items_of
from persistq.errors import JournalUnavailable
from persistq.journal import marks, migrate
from persistq.journal.sqlite import open_journal
from persistq.journal.sqlite_reader import SqliteReader

if TYPE_CHECKING:
    from persistq.testing.journals.feed import Feed

ROOT = Path(__file__).parents[2]

SECOND = '''"""Give a load a title."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("load", sa.Column("title", sa.Text()))
    BROKEN
'''


def shape(path: Path) -> dict[str, object]:
    """Return all that a database has been told to hold, in the words it was told in."""
    with closing(sqlite3.connect(path)) as connection:
        listing = connection.execute("SELECT name, sql FROM sqlite_master").fetchall()
        found: dict[str, object] = dict(listing)
        found["marks"] = (
            connection.execute("PRAGMA application_id").fetchone(),
            connection.execute("PRAGMA user_version").fetchone(),
            connection.execute("PRAGMA page_size").fetchone(),
            connection.execute("PRAGMA auto_vacuum").fetchone(),
            connection.execute("SELECT * FROM alembic_version").fetchall(),
        )
    return found


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pretend that a second schema version exists; return its migration."""
    scripts = tmp_path / "100% migrations"
    shutil.copytree(ROOT / "migrations", scripts, ignore=shutil.ignore_patterns("__pycache__"))
    second = scripts / "versions" / "0002_title.py"
    second.write_text(SECOND.replace("BROKEN", ""))
    monkeypatch.setattr(migrate, "migrations_directory", lambda path: scripts)
    monkeypatch.setattr(marks, "SCHEMA_VERSION", marks.SCHEMA_VERSION + 1)
    return second


def test_migrations_from_nothing_lead_to_the_schema_of_the_code(path: Path, tmp_path: Path) -> None:
    """A developer's ``alembic upgrade head`` and a new journal give the same file."""
    open_journal(path).close()
    migrated = tmp_path / "migrated.db"
    arguments = ["-c", str(ROOT / "alembic.ini"), "-x", f"journal={migrated}", "upgrade", "head"]
    subprocess.run([sys.executable, "-m", "alembic", *arguments], check=True, cwd=tmp_path)
    assert shape(migrated) == shape(path)


def test_head_is_the_version_that_the_code_knows() -> None:
    """The newest migration's number is the schema version."""
    newest = max((ROOT / "migrations" / "versions").glob("*.py"))
    assert newest.name.startswith(marks.revision_of(marks.SCHEMA_VERSION))


def test_older_journal_is_backed_up_and_upgraded(
    feed: Feed, path: Path, next_version: Path
) -> None:
    """Opening an older journal keeps its items, marks the new version and leaves the old file."""
    feed.put(3)
    feed.done(2)
    feed.journal._writer.close()
    old = shape(path)
    with closing(open_journal(path)) as journal:
        page = journal.outstanding_page(0, 1 << 62, 9, 1 << 20)
        ids = [item.item_id for item in items_of(page)]
    assert ids == [feed.id(1), feed.id(3)]
    found = shape(path)["marks"]
    assert found == ((marks.APPLICATION_ID,), (2,), (16_384,), (2,), [("0002",)])
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT title FROM load").fetchall() == [(None,)]
    backup = path.with_name("sales.db.v1-backup")
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert shape(backup) == old
    with closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("SELECT count(*) FROM put_block").fetchone() == (3,)


def test_failed_upgrade_changes_nothing(feed: Feed, path: Path, next_version: Path) -> None:
    """All migrations and the marks are one transaction."""
    feed.put(3)
    feed.journal.close()
    before = shape(path)
    next_version.write_text(SECOND.replace("BROKEN", "raise KeyError('broken')"))
    with pytest.raises(KeyError):
        open_journal(path)
    assert shape(path) == before


def test_upgraded_journal_can_be_read(feed: Feed, path: Path, next_version: Path) -> None:
    """The reader refuses the older file, and takes it once it was opened for writing."""
    feed.journal.close()
    with pytest.raises(JournalUnavailable, match="older"):
        SqliteReader(path)
    open_journal(path).close()
    with SqliteReader(path) as reader:
        assert reader.runs(feed.load.load_id)[0].run_id == feed.run_id


def test_migrations_are_found_in_the_checkout(path: Path) -> None:
    """Without an installed copy, those beside the package are used."""
    assert migrate.migrations_directory(path) == ROOT / "migrations"
