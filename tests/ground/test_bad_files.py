"""Journals that are damaged, replaced, of somebody else, or open to other people's hands."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from persistq import PersistentQueue
from persistq.client.openings import resume_command
from persistq.errors import (
    JournalCorrupt,
    JournalError,
    JournalForeign,
    JournalNewer,
    JournalUnavailable,
    UsageError,
)
from persistq.journal import marks
from persistq.journal.sqlite_reader import SqliteReader
from persistq.testing import check_journal

from .loadsite import ITEMS, Site, require_one_sentence
from .tracing import patched


def text(path: Path) -> None:
    """A text."""
    path.write_text("2026-01-01 just a text, no database at all\n" * 20)


def other_application(path: Path) -> None:
    """A database of another program."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
        connection.execute("INSERT INTO theirs VALUES (1)")
        connection.commit()


def newer(path: Path) -> None:
    """A journal of a later persistq."""
    other_application(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id = {marks.APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {marks.SCHEMA_VERSION + 98}")


def truncated(path: Path) -> None:
    """The first pages of a journal."""
    PersistentQueue[int]("load", journal=path.parent).release()
    os.truncate(path, 8192)


KILL_BROKER = "kill -9 $(pgrep -P $PPID -f '[p]ersistq.broker')"

MIGRATIONS = Path(marks.__file__).parents[2] / "migrations"

PAGE = 16 << 10
"""Bytes of a page of the file; behind half of them lie the items."""

SECOND = '''"""Give a load a title."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("load", sa.Column("title", sa.Text()))
'''

REFUSED: list[tuple[Callable[[Path], object], type[JournalError], str]] = [
    (text, JournalForeign, "this is not a database"),
    (other_application, JournalForeign, "a database of another program"),
    (newer, JournalNewer, "upgrade persistq"),
    (truncated, JournalCorrupt, "the file is damaged"),
    (Path.mkdir, JournalForeign, "not a regular file"),
    (os.mkfifo, JournalForeign, "not a regular file"),
]


def traces(directory: Path) -> dict[str, str]:
    """Return what is in a directory, by checksums."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "other"
        for path in directory.iterdir()
        if path.suffix not in {".lock", ".workers"}
    }


@pytest.mark.parametrize(("make", "error", "words"), REFUSED)
def test_what_is_no_sound_journal_is_refused_untouched(
    site: Site, make: Callable[[Path], object], error: type[JournalError], words: str
) -> None:
    """Not a byte is different, and no file is made beside it."""
    site.journals.mkdir(mode=0o700)
    make(site.file)
    before, names = traces(site.journals), sorted(site.journals.iterdir())
    with pytest.raises(error, match=words):
        PersistentQueue("load", journal=site.journals)
    assert traces(site.journals) == before
    assert sorted(site.journals.iterdir()) == names


def test_a_refused_journal_ends_program_and_command_with_one_sentence(site: Site) -> None:
    """Exit code 4, and no traceback."""
    site.journals.mkdir(mode=0o700)
    text(site.file)
    site.goes_wrong("2", "this is not a database")
    for looking in ("status", "outstanding", "verify"):
        require_one_sentence(site.command(looking, "load"), "this is not a database")


def test_an_empty_file_becomes_a_journal(site: Site) -> None:
    """It holds nothing that could be lost."""
    site.journals.mkdir(mode=0o700)
    site.file.touch()
    site.is_carried_on("0")


@pytest.mark.parametrize("left", [None, b""])
def test_a_log_without_its_journal_is_not_mixed_into_a_new_one(
    site: Site, left: bytes | None
) -> None:
    """The file was lost after a crash: what only its log holds must not get into another file."""
    site.run("0", WORK_AT="50", WORK_DO=KILL_BROKER)
    saved = site.file.with_name("saved")
    assert Path(f"{site.file}-wal").stat().st_size
    site.file.rename(saved)
    if left is not None:
        site.file.write_bytes(left)
    site.goes_wrong("0", "its log load.db-wal is still there")
    saved.replace(site.file)
    site.is_carried_on("0")


def test_a_damaged_page_is_found_and_not_repaired(site: Site) -> None:
    """The program ends when it meets the page; verify finds it without being a program."""
    queue: PersistentQueue[str] = PersistentQueue("load", journal=site.journals)
    queue.put_many("x" * 400 for _ in range(2000))
    queue.release()
    noise, place = os.urandom(4096), site.file.stat().st_size // PAGE * 3 // 4 * PAGE
    with site.file.open("r+b") as file:
        file.seek(place)
        file.write(noise)
    ended = site.command("verify", "load")
    assert ended.returncode in {4, 5}, ended.stderr
    assert "Traceback" not in ended.stderr
    site.goes_wrong("queue", "the file is damaged")
    assert site.file.read_bytes()[place : place + len(noise)] == noise


@pytest.mark.parametrize(
    ("kind", "replaced"), [("2", False), ("2", True), ("0", False), ("queue", True)]
)
def test_a_journal_that_is_taken_away_is_never_done(site: Site, kind: str, replaced: bool) -> None:
    """It is noticed before the load is called settled; put back, the load is carried on."""
    saved = site.home / "saved.db"
    away = f"mv {site.file} {saved}" + (f"; cp {saved} {site.file}" if replaced else "")
    site.goes_wrong(kind, "the file was deleted or replaced", WORK_AT="50", WORK_DO=away)
    log = Path(f"{site.file}-wal")
    if log.exists():
        log.replace(Path(f"{saved}-wal"))
    saved.replace(site.file)
    if Path(f"{saved}-wal").exists():
        Path(f"{saved}-wal").replace(log)
    assert check_journal(site.file) == []
    site.is_carried_on(kind)


def test_an_older_journal_is_backed_up_and_carried_on(site: Site) -> None:
    """A later persistq upgrades it before it touches the load."""
    site.run("0", WORK_AT="50", WORK_DO="kill -9 $PPID")
    scripts = site.home / "migrations"
    shutil.copytree(MIGRATIONS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "versions" / "0002_title.py").write_text(SECOND)
    later = (
        "import pathlib\n"
        "from persistq.journal import marks, migrate\n"
        "marks.SCHEMA_VERSION = 2\n"
        f"migrate.migrations_directory = lambda _: pathlib.Path({str(scripts)!r})"
    )
    ended = site.run("0", **patched(site.home, later))
    assert ended.returncode == 0, ended.stderr
    assert set(site.effects) == set(range(ITEMS))
    with closing(sqlite3.connect(site.file)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
        assert connection.execute("SELECT title, state FROM load").fetchall() == [(None, "settled")]
    # Here nobody knows what is sound in a later schema.
    with pytest.raises(JournalNewer):
        check_journal(site.file)
    assert check_journal(site.file.with_name("load.db.v1-backup")) == []
    site.goes_wrong("0", "upgrade persistq")


def test_a_network_file_system_is_refused(site: Site) -> None:
    """Nothing is made there, and the sentence names it."""
    mountinfo = site.home / "mountinfo"
    mountinfo.write_text("21 1 0:44 / / rw - nfs4 server:/ rw\n")
    change = (
        "import pathlib, persistq.journal.mounts as mounts\n"
        f"mounts._MOUNTINFO = pathlib.Path({str(mountinfo)!r})"
    )
    site.goes_wrong("2", "a network file system (nfs4)", **patched(site.home, change))
    assert not site.journals.exists()
    site.is_carried_on("2")


def test_a_symbolic_link_is_the_same_journal(site: Site, tmp_path: Path) -> None:
    """Two names of one file have one lock, so that two programs share it."""
    site.journals.mkdir(mode=0o700)
    (site.journals / "alias.db").symlink_to(site.file)
    first: PersistentQueue[int] = PersistentQueue("load", journal=site.journals)
    first.put_many(range(3))
    first.flush()
    second: PersistentQueue[int] = PersistentQueue("alias", journal=site.journals)
    assert second.journal == first.journal == str(site.file)
    assert sorted([*second.outstanding()]) == [0, 1, 2]
    second.release()
    first.release()


def test_the_hint_how_to_carry_on_finds_a_journal_behind_a_link(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name that was opened where it leads there, else the name and place of the file."""
    monkeypatch.setenv("PERSISTQ_JOURNAL", str(site.journals))
    site.journals.mkdir(mode=0o700)
    elsewhere = tmp_path / "elsewhere" / "real.db"
    (site.journals / "alias.db").symlink_to(elsewhere)
    assert resume_command("alias", str(elsewhere)) == "persistq resume alias"
    assert resume_command("other", str(elsewhere)) == (
        f"persistq resume real --journal {elsewhere.parent}"
    )


def test_a_hard_link_is_refused(site: Site) -> None:
    """Two names of that kind mean two logs, which damages the file."""
    site.run("0", WORK_AT="50", WORK_DO="kill -9 $PPID")
    second = site.file.with_name("second.db")
    os.link(site.file, second)
    site.goes_wrong("0", "has 2 names (hard links)")
    second.unlink()
    site.is_carried_on("0")


def test_files_are_private_whatever_the_umask(site: Site) -> None:
    """Others can read nothing of a load, also while it runs."""
    site.before = no_umask
    listing = site.home / "listing"
    site.run("2", WORK_AT="50", WORK_DO=f"stat -c '%a %n' {site.journals}/* > {listing}")
    modes = sorted(line.split()[0] for line in listing.read_text().splitlines())
    # Five files, and the directory of the broker's socket.
    assert modes == ["600"] * 5 + ["700"]
    assert stat.S_IMODE(site.journals.stat().st_mode) == 0o700


def no_umask() -> None:
    """Take every restriction off new files, in a child."""
    os.umask(0)


@pytest.mark.parametrize("what", ["directory", "file"])
@pytest.mark.parametrize("mode", [0o002, 0o020])
def test_a_journal_that_others_can_write_is_refused(site: Site, what: str, mode: int) -> None:
    """Whoever can plant a pickle runs code here; the sentence names the place and the remedy."""
    PersistentQueue[int]("load", journal=site.journals).release()
    place = site.journals if what == "directory" else site.file
    if mode == 0o020:
        if os.geteuid() != 0:
            pytest.skip("giving a file to another group needs root")
        os.chown(place, -1, 12345)
    place.chmod(place.stat().st_mode | mode)
    with pytest.raises(JournalUnavailable, match=f"chmod go-w {place}"):
        PersistentQueue("load", journal=site.journals)
    with pytest.raises(JournalUnavailable, match=f"chmod go-w {place}"):
        SqliteReader(site.file)
    place.chmod(place.stat().st_mode & ~0o022)
    PersistentQueue[int]("load", journal=site.journals).release()


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/etc/x", "a\0b", "-x", "x" * 101])
def test_a_name_that_is_no_plain_file_name_is_refused(site: Site, name: str) -> None:
    """Nothing is made anywhere."""
    with pytest.raises(UsageError, match="cannot name a journal"):
        PersistentQueue(name, journal=site.journals)
    assert not site.journals.exists()
    if "\0" not in name:
        ended = site.command("status", "--", name)
        assert ended.returncode == 2, ended.stderr
        assert "Traceback" not in ended.stderr


def test_the_longest_name_is_accepted(site: Site) -> None:
    """A hundred characters are the limit."""
    PersistentQueue[int]("x" * 100, journal=site.journals).release()
    assert (site.journals / f"{'x' * 100}.db").is_file()
