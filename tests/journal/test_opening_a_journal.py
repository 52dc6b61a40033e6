"""What may become a journal, what is refused, and that the refused is not touched."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path, PurePosixPath

import pytest

from persistq.errors import JournalForeign, JournalNewer, JournalUnavailable
from persistq.journal import ground, marks
from persistq.journal.connection import has_log, size_of
from persistq.journal.mounts import remote_filesystem
from persistq.journal.sqlite import SqliteJournal, open_journal

MOUNTINFO = r"""
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 21 0:44 / /home rw - nfs4 server:/home rw,vers=4.2
41 40 254:1 / /home/local rw - xfs /dev/vdb rw
42 21 0:45 / /mnt/with\040space rw master:2 - fuse.sshfs me@host: rw
43 21 8:1 / /media/stick rw - fuseblk /dev/sda1 rw
44 21 0:46 / /over rw - ext4 /dev/vdc rw
45 21 0:47 / /over rw - 9p share rw
""".strip()


def digests(directory: Path) -> dict[str, str]:
    """Return the checksum of every file of a directory."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in directory.iterdir()}


def foreign_database(path: Path, application_id: int, version: int, mode: str) -> None:
    """Make a database of another program."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("CREATE TABLE theirs (x)")
        connection.execute(f"PRAGMA application_id = {application_id}")
        connection.execute(f"PRAGMA user_version = {version}")


def test_new_journal_is_private_whatever_the_umask(path: Path) -> None:
    """Directory, file and log are for the owner only, under a umask of 0 and of 0777."""
    for umask in (0o000, 0o777):
        place = path.parent / f"{umask}" / "sales.db"
        path.parent.mkdir(exist_ok=True)
        before = os.umask(umask)
        try:
            journal = open_journal(place)
        finally:
            os.umask(before)
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in place.parent.iterdir()}
        journal.close()
        assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
        assert modes == {"sales.db": 0o600, "sales.db-wal": 0o600, "sales.db-shm": 0o600}


def test_new_journal_carries_its_marks(path: Path) -> None:
    """A new file has our application id, schema version and Alembic revision."""
    open_journal(path).close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone()[0] == 0x70737471
        assert connection.execute("PRAGMA user_version").fetchone()[0] == marks.SCHEMA_VERSION
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    assert revision == marks.revision_of(marks.SCHEMA_VERSION)


def test_empty_file_becomes_a_journal(path: Path) -> None:
    """A file of no bytes holds nothing that could be lost."""
    path.parent.mkdir()
    path.touch()
    with closing(open_journal(path)) as journal:
        assert journal.latest_load() is None


def test_a_journal_that_another_program_makes_meanwhile_is_no_lost_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of programs that start together one makes journal and log while others still look."""
    made: list[SqliteJournal] = []

    def look_and_be_overtaken(file: Path) -> int | None:
        monkeypatch.undo()
        size = size_of(file)
        made.append(open_journal(path))
        made[0].begin_load("queue")
        return size

    monkeypatch.setattr(ground, "size_of", look_and_be_overtaken)
    assert ground.examine(path) == (path, None)
    assert has_log(path)
    made[0].close()


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_foreign_database_is_refused_untouched(tmp_path: Path, mode: str) -> None:
    """Another program's database keeps its bytes, and gets no files beside it."""
    place = tmp_path / "theirs.db"
    foreign_database(place, 0, marks.SCHEMA_VERSION, mode)
    before = digests(tmp_path)
    with pytest.raises(JournalForeign, match="another program"):
        open_journal(place)
    assert digests(tmp_path) == before


def test_newer_journal_is_refused_untouched(tmp_path: Path) -> None:
    """A journal of a newer persistq keeps its bytes."""
    place = tmp_path / "newer.db"
    foreign_database(place, marks.APPLICATION_ID, marks.SCHEMA_VERSION + 1, "wal")
    before = digests(tmp_path)
    with pytest.raises(JournalNewer, match="upgrade persistq"):
        open_journal(place)
    assert digests(tmp_path) == before


@pytest.mark.parametrize("content", [b"hello", b"x" * 10_000])
def test_file_that_is_no_database_is_refused_untouched(tmp_path: Path, content: bytes) -> None:
    """A text file is told from a damaged journal, and keeps its bytes."""
    place = tmp_path / "notes.db"
    place.write_bytes(content)
    with pytest.raises(JournalForeign, match="not a database"):
        open_journal(place)
    assert place.read_bytes() == content


def test_directory_and_fifo_are_refused(tmp_path: Path) -> None:
    """What is not a regular file is refused before it is opened, so a FIFO cannot block us."""
    fifo = tmp_path / "fifo.db"
    os.mkfifo(fifo)
    for place in (tmp_path, fifo):
        with pytest.raises(JournalForeign, match="not a regular file"):
            open_journal(place)


def test_hard_link_is_refused(path: Path) -> None:
    """Two names would mean two logs for one file."""
    open_journal(path).close()
    os.link(path, path.with_name("second.db"))
    with pytest.raises(JournalUnavailable, match="hard links"):
        open_journal(path)


def test_symbolic_link_leads_to_the_one_file(path: Path, tmp_path: Path) -> None:
    """The log lies beside the real file, and the path that is told is the real one."""
    open_journal(path).close()
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with closing(open_journal(link)) as journal:
        assert journal.path == str(path)
    assert [p.name for p in tmp_path.iterdir() if "-" in p.name] == []


def test_circle_of_symbolic_links_is_unavailable(tmp_path: Path) -> None:
    """A link that leads nowhere is told as a journal error."""
    loop = tmp_path / "loop.db"
    loop.symlink_to(loop)
    with pytest.raises(JournalUnavailable):
        open_journal(loop)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/a.db", None),
        ("/home/me/a.db", "nfs4"),
        ("/home/local/a.db", None),
        ("/homework/a.db", None),
        ("/mnt/with space/a.db", "fuse.sshfs"),
        ("/media/stick/a.db", None),
        ("/over/a.db", "9p"),
    ],
)
def test_network_file_systems_are_recognised(path: str, kind: str | None) -> None:
    """The deepest and latest mount decides, its name unescaped and matched by whole parts."""
    assert remote_filesystem(MOUNTINFO, PurePosixPath(path)) == kind


def test_journal_on_a_network_file_system_is_refused(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is made where SQLite's log cannot work."""
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text("21 1 0:44 / / rw - nfs4 server:/ rw\n")
    monkeypatch.setattr("persistq.journal.mounts._MOUNTINFO", mountinfo)
    with pytest.raises(JournalUnavailable, match="nfs4"):
        open_journal(path)
    assert not path.parent.exists()


def test_opening_does_not_import_alembic() -> None:
    """Alembic is slow to import, and only an upgrade needs it."""
    code = (
        "import sys, persistq.journal.sqlite, persistq.journal.opening;"
        "sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_draft_of_a_dead_broker_is_cleared_away(path: Path) -> None:
    """What a kill between building and renaming has left does not stay for ever."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    drafts = [path.with_name(f".{path.name}.abc.new{end}") for end in ("", "-journal")]
    other = path.with_name(f".other-{path.name}.abc.new")
    for file in (*drafts, other):
        file.write_bytes(b"half")
    open_journal(path).close()
    assert [file.exists() for file in (*drafts, other)] == [False, False, True]
