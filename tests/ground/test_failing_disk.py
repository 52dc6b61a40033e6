"""Reads, writes and syncs that fail; file systems that turn read-only; rights that are missing."""

from __future__ import annotations

import hashlib
import stat
import subprocess
from pathlib import Path

import pytest

from persistq.testing import check_journal

from .loadsite import Site, without_privilege
from .mounts import NEEDS_LOOP, NEEDS_ROOT, Mount
from .tracing import NEEDS_STRACE, Injection

READ_ONLY = "read-only"


@NEEDS_LOOP
@pytest.mark.parametrize("kind", ["2", "queue"])
def test_a_file_system_that_turns_read_only_ends_the_run(
    real_disk: Mount, site: Site, kind: str
) -> None:
    """As after an error of the disk (errors=remount-ro); mounted again, the load is carried on."""
    site.journals = real_disk.place / "journals"
    turn = f"mount -o remount,abort {real_disk.place}"
    site.goes_wrong(kind, str(site.file) + ": ", WORK_AT="50", WORK_DO=turn)
    real_disk.detach()
    real_disk.attach()
    site.is_carried_on(kind)


@NEEDS_ROOT
def test_a_read_only_file_system_is_told_at_the_start(site: Site, tmp_path: Path) -> None:
    """Nothing can be begun there; looking works."""
    site.is_carried_on("queue")
    mounted = Mount(site.journals, "--bind", str(site.journals))
    subprocess.run(["mount", "-o", "remount,bind,ro", str(site.journals)], check=True)
    try:
        site.goes_wrong("2", READ_ONLY)
        assert "settled" in site.command("status", "load").stdout
        assert site.command("verify", "load").returncode == 0
    finally:
        mounted.detach()


@pytest.mark.parametrize("what", ["directory", "file", "everything"])
def test_missing_rights_are_named_and_nothing_is_changed(site: Site, what: str) -> None:
    """The sentence says what to check; the journal's bytes are as they were."""
    site.run("0", WORK_AT="50", WORK_DO="kill -9 $PPID")
    before = hashlib.sha256(site.file.read_bytes()).hexdigest()
    place, mode = {
        "directory": (site.journals, 0o500),
        "file": (site.file, 0o400),
        "everything": (site.journals, 0o000),
    }[what]
    usual = stat.S_IMODE(place.stat().st_mode)
    site.before = without_privilege
    for name in ("load.lock", "load.workers"):
        if what == "directory":
            site.file.with_name(name).unlink()
    place.chmod(mode)
    try:
        site.goes_wrong("0", "check who may")
    finally:
        place.chmod(usual)
    assert hashlib.sha256(site.file.read_bytes()).hexdigest() == before
    site.before = None
    site.is_carried_on("0")


@NEEDS_STRACE
@pytest.mark.parametrize(
    ("kind", "call", "always"),
    [
        ("2", "pwrite64", True),
        ("2", "fdatasync", False),
        ("0", "pwrite64", False),
        ("queue", "fdatasync", True),
    ],
)
def test_an_io_error_in_the_log_ends_the_run(
    site: Site, kind: str, call: str, always: bool
) -> None:
    """Once or for ever, in writing or in syncing: never tried again on a disk that has failed."""
    # Some calls are let through, so that the load has begun.
    number = {"pwrite64": 12, "fdatasync": 3}[call]
    when = f"{number}+" if always else f"{number}"
    injection = Injection(call, f"error=EIO:when={when}", [Path(f"{site.file}-wal")])
    site.goes_wrong(kind, "check the disk", **injection.environment(site.home))
    assert check_journal(site.file) == []
    site.is_carried_on(kind)
