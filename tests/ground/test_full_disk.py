"""The disk is full, or a file may not grow: one sentence, and nothing lost."""

from __future__ import annotations

import hashlib
import resource
from pathlib import Path

import pytest

from persistq.testing import check_journal

from .loadsite import Site, require_one_sentence
from .mounts import NEEDS_ROOT, Mount

FULL = "the disk is full: free space and run the script again"
LIMIT = 1_000_000

FILL = "head -c 100M /dev/zero > {0} 2> /dev/null || true"


def on(disk: Mount, site: Site) -> Site:
    """Put the journals of a site on a disk."""
    site.journals = disk.place / "journals"
    return site


@NEEDS_ROOT
@pytest.mark.parametrize(
    ("kind", "when", "number"),
    [
        ("2", "PUT", 100),
        ("2", "WORK", 50),
        ("0", "WORK", 50),
        ("queue", "PUT", 100),
        ("queue", "WORK", 50),
    ],
)
def test_a_disk_that_fills_up_ends_the_run_and_loses_nothing(
    disk: Mount, site: Site, kind: str, when: str, number: int
) -> None:
    """Full while putting or while finishing, seen by all processes and told once."""
    on(disk, site)
    disaster = {f"{when}_AT": str(number), f"{when}_DO": FILL.format(disk.filler)}
    site.goes_wrong(kind, FULL, **disaster)
    assert check_journal(site.file) == []
    site.goes_wrong(kind, "free space")
    disk.free()
    site.is_carried_on(kind)


@NEEDS_ROOT
@pytest.mark.parametrize("kind", ["2", "queue"])
def test_a_full_disk_is_told_at_the_start(disk: Mount, site: Site, kind: str) -> None:
    """Before anything is begun, and the script can simply be started again."""
    on(disk, site)
    disk.fill()
    site.goes_wrong(kind, FULL)
    assert not site.file.exists()
    disk.free()
    site.is_carried_on(kind)


@NEEDS_ROOT
def test_the_command_tells_it_once_too(disk: Mount, site: Site) -> None:
    """``persistq run`` ends like the script, without a second sentence of its own."""
    on(disk, site)
    site.environment["PUT_AT"], site.environment["PUT_DO"] = "100", FILL.format(disk.filler)
    ended = site.command("run", str(Path(__file__).with_name("program.py")) + ":pipeline")
    require_one_sentence(ended, FULL)
    assert "carry on with: persistq resume load" in ended.stderr


@NEEDS_ROOT
def test_a_full_disk_can_be_looked_at(disk: Mount, site: Site) -> None:
    """All that only reads works, also where the log's index is gone and cannot be made again."""
    on(disk, site)
    site.goes_wrong("2", FULL, WORK_AT="50", WORK_DO=FILL.format(disk.filler))
    for _ in range(2):
        files = [path for path in site.journals.iterdir() if path.suffix != ".db-shm"]
        before = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
        for looking in ("status", "outstanding", "verify"):
            ended = site.command(looking, "load")
            assert ended.returncode == 0, ended.stderr
        assert "unfinished" in site.command("list").stdout
        assert {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in files} == before
        site.file.with_name("load.db-shm").unlink()
        disk.fill()
    disk.free()
    site.is_carried_on("2")


@NEEDS_ROOT
def test_a_settled_load_on_a_full_disk_can_be_looked_at(disk: Mount, site: Site) -> None:
    """A journal at rest needs no log, and looking at it twice is no different."""
    on(disk, site).is_carried_on("queue")
    disk.fill()
    for _ in range(2):
        ended = site.command("status", "load")
        assert "settled" in ended.stdout, ended.stderr


@pytest.mark.parametrize("kind", ["2", "queue"])
def test_a_limit_on_the_size_of_files_ends_the_run(site: Site, kind: str) -> None:
    """It comes as an I/O error (EFBIG); with a higher limit the load is carried on."""
    site.before = limit_files
    site.goes_wrong(kind, "check the disk and its free space")
    assert check_journal(site.file) == []
    site.before = None
    site.is_carried_on(kind)


def limit_files() -> None:
    """Let no file grow beyond a limit, in a child."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))
