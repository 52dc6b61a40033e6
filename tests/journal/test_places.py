"""How far a journal is looked for, and what is believed of the register."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from persistq.site import register
from persistq.site.places import is_own, upwards

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as two users")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the register is in this test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "persistq" / "journals"


def test_the_search_ends_at_home(tmp_path: Path) -> None:
    """What is above it is shared with others."""
    start = tmp_path / "home" / "a" / "b"
    start.mkdir(parents=True)
    home = tmp_path / "home"
    assert list(upwards(start, home)) == [start, start.parent, home]
    assert list(upwards(home, home)) == [home]
    assert tmp_path in upwards(start, None)


def test_the_search_ends_at_a_mount() -> None:
    """A volume that is mounted is a world of its own."""
    mount = Path("/dev/shm")
    if not mount.is_mount():
        pytest.skip("no mount to look at here")
    assert list(upwards(mount, None)) == [mount]


@AS_ROOT
def test_the_search_ends_at_somebody_elses_directory(tmp_path: Path) -> None:
    """Whoever owns it could plant a journal."""
    start = tmp_path / "a" / "b" / "c"
    start.mkdir(parents=True)
    os.chown(tmp_path / "a", 65534, 65534)
    assert list(upwards(start, None)) == [start, start.parent]
    assert list(upwards(tmp_path / "a", None)) == []


@AS_ROOT
def test_a_link_is_as_foreign_as_its_owner(tmp_path: Path) -> None:
    """A stranger's link to one's own directory was not made for oneself."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    assert is_own(link)
    os.chown(link, 65534, 65534, follow_symlinks=False)
    assert not is_own(link)
    assert not is_own(tmp_path / "missing")


def test_what_is_remembered_is_known(place: Path, tmp_path: Path) -> None:
    """Once, however often it is noted, and whatever bytes its name has."""
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    for directory in (strange, tmp_path / "b", tmp_path / "a"):
        directory.mkdir()
        register.remember(directory)
        register.remember(directory)
    assert register.known() == sorted([tmp_path / "a", tmp_path / "b", strange])
    assert len(list(place.iterdir())) == 3
    assert place.stat().st_mode & 0o077 == 0


def test_what_is_gone_is_forgotten(place: Path, tmp_path: Path) -> None:
    """The register does not grow with everything that there ever was."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    register.remember(tmp_path / "a")
    (tmp_path / "a").rmdir()
    register.remember(tmp_path / "b")
    assert len(list(place.iterdir())) == 1
    assert register.known() == [tmp_path / "b"]


def test_nothing_else_in_the_register_is_believed(place: Path, tmp_path: Path) -> None:
    """Files, directories, relative links and links to files are passed over."""
    (tmp_path / "a").mkdir()
    register.remember(tmp_path / "a")
    (place / "text").write_text(str(tmp_path))
    (place / "directory").mkdir()
    (place / "relative").symlink_to("..")
    (place / "file").symlink_to(place / "text")
    (place / "loop").symlink_to(place / "loop")
    assert register.known() == [tmp_path / "a"]


def test_a_register_that_others_can_write_is_not_read(place: Path, tmp_path: Path) -> None:
    """Nor is it written."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    register.remember(tmp_path / "a")
    place.chmod(0o777)
    register.remember(tmp_path / "b")
    assert register.known() == []
    place.chmod(0o700)
    assert register.known() == [tmp_path / "a"]


@AS_ROOT
def test_what_belongs_to_others_is_not_known(place: Path, tmp_path: Path) -> None:
    """Neither another user's register nor another user's journals."""
    (tmp_path / "a").mkdir()
    register.remember(tmp_path / "a")
    os.chown(tmp_path / "a", 65534, 65534)
    assert register.known() == []
    os.chown(tmp_path / "a", 0, 0)
    os.chown(place, 65534, 65534)
    assert register.known() == []


def test_a_relative_state_directory_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So says the specification of XDG_STATE_HOME."""
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    register.remember(tmp_path / "a")
    assert register.known() == [tmp_path / "a"]
    assert not (tmp_path / "state").exists()
