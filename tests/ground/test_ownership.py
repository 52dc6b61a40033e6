"""Journals that somebody else has made: refused before a word of them is believed."""

from __future__ import annotations

import multiprocessing
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from persistq import PersistentQueue
from persistq.cli.choosing import latest_unfinished
from persistq.errors import JournalUnavailable, UsageError
from persistq.journal.sqlite_reader import SqliteReader
from persistq.settings import load_settings
from persistq.site.ownership import VARIABLE, companions, open_own, trusted_owners
from persistq.testing import check_journal

from .loadsite import Site, require_one_sentence

FORK = multiprocessing.get_context("fork")
STRANGER, OTHER = 65534, 12345
NEEDS_ROOT = pytest.mark.skipif(
    os.geteuid() != 0, reason="giving files to another user, and being one, needs root"
)
BESIDE = ["load.db-wal", "load.db-shm", "load.db-journal", "load.lock", "load.workers"]
PLACES = ["", "load.db", *BESIDE]


def half_done(site: Site) -> None:
    """Leave an unfinished load, with all the files it has."""
    site.run("0", WORK_AT="50", WORK_DO="kill -9 $PPID")


def place_of(site: Site, name: str) -> Path:
    """Return the directory, or a file in it that exists."""
    place = site.journals / name
    if not place.exists():
        place.touch(mode=0o600)
    return place


def contents(site: Site) -> dict[str, tuple[bytes, int]]:
    """Return what every file holds, and when it was changed."""
    files = [path for path in site.journals.iterdir() if path.is_file()]
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@NEEDS_ROOT
@pytest.mark.parametrize("name", PLACES)
def test_what_a_stranger_owns_is_refused_by_programs_and_commands(site: Site, name: str) -> None:
    """One sentence, exit 4, and nothing is read, written or made."""
    half_done(site)
    place = place_of(site, name)
    os.chown(place, STRANGER, STRANGER)
    before = contents(site)
    for kind in ("2", "queue"):
        site.goes_wrong(kind, f"{VARIABLE}={STRANGER}")
    for looking in ("status", "outstanding", "verify", "resume"):
        require_one_sentence(site.command(looking, "load"), f"{VARIABLE}={STRANGER}")
    assert f"{VARIABLE}={STRANGER}" in site.command("list").stderr
    with pytest.raises(JournalUnavailable):
        check_journal(site.file)
    assert contents(site) == before


@NEEDS_ROOT
def test_a_commands_search_trusts_no_directory_of_a_stranger(site: Site) -> None:
    """Without a name, ``resume`` does not look for something to repeat there."""
    half_done(site)
    os.chown(site.journals, STRANGER, STRANGER)
    with pytest.raises(JournalUnavailable, match="belongs to user"):
        latest_unfinished(site.journals)
    for looking in ("status", "outstanding", "verify", "list", "resume"):
        require_one_sentence(site.command(looking), f"{VARIABLE}={STRANGER}")


@NEEDS_ROOT
def test_a_recorded_command_is_shown_and_repeated_for_who_is_trusted(site: Site) -> None:
    """Naming the owner is consent to all of it: his items can run code here as well."""
    half_done(site)
    for place in (site.journals, *site.journals.iterdir()):
        os.chown(place, STRANGER, STRANGER)
    done = len(site.effects)
    require_one_sentence(site.command("resume", "load"), "belongs to user")
    require_one_sentence(site.command("resume", "load", "--dry-run"), "belongs to user")
    assert len(site.effects) == done
    ended = site.command("resume", "load", **{VARIABLE: f"1,{STRANGER}"})
    assert ended.returncode == 0, ended.stderr
    assert "program.py 0" in ended.stderr
    assert len(site.effects) > done


@pytest.mark.parametrize("name", BESIDE)
def test_a_planted_symbolic_link_is_not_followed(site: Site, name: str, tmp_path: Path) -> None:
    """A file elsewhere, which is about to be emptied and written, stays as it is."""
    half_done(site)
    target = tmp_path / "precious"
    target.write_text("precious")
    (site.journals / name).unlink(missing_ok=True)
    (site.journals / name).symlink_to(target)
    site.goes_wrong("2", f"{name} beside it is not a regular file")
    require_one_sentence(site.command("status", "load"), "is not a regular file")
    assert target.read_text() == "precious"


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir])
def test_a_lock_that_is_no_file_blocks_nobody(site: Site, make: object) -> None:
    """A reader would wait for ever at a FIFO."""
    half_done(site)
    place = site.journals / "load.lock"
    place.unlink()
    assert callable(make)
    make(place)
    site.goes_wrong("2", "load.lock beside it is not a regular file")
    require_one_sentence(site.command("status", "load"), "is not a regular file")


def test_a_link_that_appears_after_the_look_is_not_followed(tmp_path: Path) -> None:
    """What is opened is looked at once more, as it is open."""
    (tmp_path / "target").write_text("precious")
    (tmp_path / "load.lock").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic links"):
        open_own(tmp_path / "load.lock", os.O_RDWR | os.O_CREAT)


@NEEDS_ROOT
def test_a_file_of_a_stranger_is_not_used_once_it_is_open(tmp_path: Path) -> None:
    """No descriptor is left, either."""
    place = tmp_path / "load.workers"
    place.touch(mode=0o600)
    os.chown(place, STRANGER, -1)
    before = len(list(Path("/dev/fd").iterdir()))
    with pytest.raises(JournalUnavailable, match="belongs to user"):
        open_own(place, os.O_RDWR)
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_a_sticky_directory_is_as_open_as_any_other(site: Site) -> None:
    """There files cannot be replaced, and can be planted."""
    site.journals.mkdir(mode=0o700)
    site.journals.chmod(0o1777)
    site.goes_wrong("2", f"chmod go-w {site.journals}")
    require_one_sentence(site.command("list"), f"chmod go-w {site.journals}")


def test_oneself_root_and_who_is_named_are_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several numbers may be named."""
    monkeypatch.delenv(VARIABLE, raising=False)
    assert trusted_owners() == {os.geteuid(), 0}
    monkeypatch.setenv(VARIABLE, "1000, 1001")
    assert trusted_owners() == {os.geteuid(), 0, 1000, 1001}


@pytest.mark.parametrize("file", [".env", "pyproject.toml"])
def test_a_file_in_the_directory_says_nothing_about_trust(site: Site, file: str) -> None:
    """It may be the stranger's, as the journal beside it."""
    text = f"{VARIABLE}=1" if file == ".env" else '[tool.persistq]\ntrust_owner = "1"'
    (site.home / file).write_text(text)
    ended = site.command("list")
    assert ended.returncode == 2, ended.stderr
    assert "trust_owner is not taken from" in ended.stderr


@pytest.mark.parametrize("value", ["me", "1000;1001", "-1", "1.5"])
def test_who_is_trusted_is_named_by_numbers(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name could mean somebody else in another container."""
    monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(UsageError, match="numbers of users"):
        load_settings()


def test_companions_are_all_that_is_opened_with_a_journal(site: Site) -> None:
    """A file that a run makes and nobody looks at would be missed here."""
    half_done(site)
    found = {path for path in site.journals.iterdir() if path.suffix != ".sock"}
    assert found <= {site.file, *companions(site.file)}


@pytest.fixture
def public(tmp_path: Path) -> Iterator[Path]:
    """A directory that every user of the machine can reach."""
    place = Path(tempfile.mkdtemp(dir="/tmp"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


def look_as_stranger(answers: Connection, file: Path) -> None:
    """Become an ordinary user, and look at a journal; every module is already there."""
    pwd.getpwuid(0)  # Its module may lie where an ordinary user cannot get.
    os.setgroups([])
    os.setgid(STRANGER)
    os.setuid(STRANGER)
    try:
        with SqliteReader(file) as reader:
            answers.send(str(reader.view().unfinished))
    except JournalUnavailable as error:
        answers.send(str(error))


def seen_by_stranger(file: Path) -> str:
    """Return what an ordinary user sees."""
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=look_as_stranger, args=(theirs, file))
    process.start()
    theirs.close()
    assert ours.poll(30)
    answer: str = ours.recv()
    process.join()
    return answer


@NEEDS_ROOT
def test_an_ordinary_user_refuses_another_ones_journal_and_uses_roots(public: Path) -> None:
    """What can be read is not yet believed; what is root's is."""
    journals, file = public / "journals", public / "journals" / "load.db"
    PersistentQueue[int]("load", journal=journals).release()
    for place in (journals, *journals.iterdir()):
        place.chmod(0o755 if place == journals else 0o644)
    assert seen_by_stranger(file) == "True"
    for place in (journals, *journals.iterdir()):
        os.chown(place, OTHER, -1)
    assert f"{VARIABLE}={OTHER}" in seen_by_stranger(file)
    for place in (journals, *journals.iterdir()):
        os.chown(place, STRANGER, -1)
    assert seen_by_stranger(file) == "True"
