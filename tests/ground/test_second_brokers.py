"""One journal has one broker, by whatever way a second one comes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from persistq import PersistentQueue
from persistq.errors import JournalUnavailable
from persistq.journal.outstanding import JournalReader
from persistq.site.runlock import lock_path
from persistq.testing import check_journal

from .loadsite import ITEMS, PROGRAM, Site, require_one_sentence
from .mounts import NEEDS_ROOT, Mount
from .tracing import patched

WITHOUT_LOCKS = "import persistq.site.rangelock as locks; locks._set = lambda *_: True"
OVERTAKEN = "has opened it while this run was at work"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for nothing for long."""
    monkeypatch.setenv("PERSISTQ_FENCE_TIMEOUT", "20")


def second_start(site: Site, kind: str, deleted: str) -> str:
    """Return a command that deletes files of a run, and starts its program once more."""
    files = " ".join(str(site.journals / f"load.{ending}") for ending in deleted.split())
    ending = site.home / "ending"
    os.mkfifo(ending)
    program = f"{sys.executable} {PROGRAM} {kind} > {site.home}/out 2>&1; echo $? > {ending}"
    return f"rm {files}; setsid sh -c '{program}' < /dev/null > /dev/null 2>&1 &"


@pytest.mark.parametrize("deleted", ["lock", "lock workers"])
@pytest.mark.parametrize("kind", ["2", "queue"])
def test_who_deletes_the_lock_still_gets_no_second_broker(
    site: Site, kind: str, deleted: str
) -> None:
    """The second start is refused and names the first broker, which is not disturbed."""
    ending = site.home / "ending"
    act = f"{second_start(site, kind, deleted)} cat {ending} > {ending}.code"
    ended = site.run(kind, WORK_AT="50", WORK_DO=act)
    assert ended.returncode == 0, ended.stderr
    words = (site.home / "out").read_text()
    assert words.count("is working on it by another path, or without its lock file") == 1, words
    assert (site.home / "ending.code").read_text() == "4\n"
    assert sorted(site.effects) == list(range(ITEMS))
    assert check_journal(site.file) == []


@pytest.mark.parametrize("kind", ["2", "queue"])
def test_where_no_lock_holds_the_first_broker_stops_at_its_next_commit(
    site: Site, kind: str
) -> None:
    """As on a file system of two machines: what it has acknowledged is there for the second."""
    # The item is at work until the second broker listens.
    published = f"until [ -s {site.journals}/load.lock ]; do sleep 0.02; done"
    act = f"{second_start(site, kind, 'lock workers')} {published}"
    site.goes_wrong(kind, OVERTAKEN, WORK_AT="50", WORK_DO=act, **patched(site.home, WITHOUT_LOCKS))
    assert (site.home / "ending").read_text() == "0\n", (site.home / "out").read_text()
    assert set(site.effects) == set(range(ITEMS))
    assert check_journal(site.file) == []
    with JournalReader(site.file) as reader:
        assert not reader.view().unfinished


def test_puts_are_acknowledged_by_who_may_write_only(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two programs on a journal without locks: the flush of the first one fails."""
    python = patched(site.home, WITHOUT_LOCKS)["BROKER_PYTHON"]
    monkeypatch.setattr("persistq.client.starting.sys.executable", python)
    first: PersistentQueue[int] = PersistentQueue("load", journal=site.journals)
    first.put_many(range(10))
    first.flush()
    lock_path(first.journal).unlink()
    second: PersistentQueue[int] = PersistentQueue("load", journal=site.journals)
    first.put(10)
    with pytest.raises(JournalUnavailable, match=OVERTAKEN):
        first.flush()
    with pytest.raises(JournalUnavailable, match=OVERTAKEN):
        first.release()
    second.close()
    assert sorted(second.outstanding()) == list(range(10))
    second.release()


def test_a_journal_that_was_renamed_under_a_live_run_is_the_same(site: Site) -> None:
    """Another name means another lock file, and no second broker."""
    first: PersistentQueue[int] = PersistentQueue("load", journal=site.journals)
    first.put(1)
    first.flush()
    for ending in (".db", ".db-wal", ".db-shm"):
        place = site.journals / f"load{ending}"
        place.rename(place.with_name(f"other{ending}"))
    with pytest.raises(JournalUnavailable, match=f"process {os.getpid()}|by another path"):
        PersistentQueue("other", journal=site.journals)
    first.put(2)
    with pytest.raises(JournalUnavailable, match="deleted or replaced"):
        first.flush()
    with pytest.raises(JournalUnavailable):
        first.release()


@pytest.fixture
def elsewhere(site: Site) -> Iterator[Path]:
    """The directory of journals, by a second path."""
    site.journals.mkdir(mode=0o700)
    mounted = Mount(site.home / "elsewhere", "--bind", str(site.journals))
    yield mounted.place
    mounted.detach()


@NEEDS_ROOT
def test_a_bind_mount_shows_the_same_journal_with_the_same_broker(
    site: Site, elsewhere: Path
) -> None:
    """Programs that come by different paths share one load."""
    first: PersistentQueue[int] = PersistentQueue("load", journal=site.journals)
    second: PersistentQueue[int] = PersistentQueue("load", journal=elsewhere)
    first.put(1)
    second.put(2)
    for queue in (first, second):
        queue.flush()
    assert sorted(second.outstanding()) == sorted(first.outstanding()) == [1, 2]
    assert second.get() == 1
    second.task_done()
    second.release()
    first.release()
    assert check_journal(elsewhere / "load.db") == []


@NEEDS_ROOT
def test_a_pipeline_is_not_started_twice_by_two_paths(site: Site, elsewhere: Path) -> None:
    """The second start ends with 4 and names the process."""
    ending = site.home / "ending"
    site.environment["ELSEWHERE"] = str(elsewhere)
    act = (
        f"PERSISTQ_JOURNAL=$ELSEWHERE {sys.executable} {PROGRAM} 2 > {site.home}/out 2>&1; "
        f"echo $? > {ending}"
    )
    ended = site.run("2", WORK_AT="50", WORK_DO=act, PERSISTQ_BROKER_TIMEOUT="3")
    assert ended.returncode == 0, ended.stderr
    assert ending.read_text() == "4\n", (site.home / "out").read_text()
    assert "is working on it" in (site.home / "out").read_text()
    assert sorted(site.effects) == list(range(ITEMS))


@NEEDS_ROOT
def test_a_file_that_is_mounted_without_its_log_is_refused(site: Site) -> None:
    """As ``docker run -v`` does it: what is committed may be in the log, which is not there."""
    site.run("0", WORK_AT="50", WORK_DO="kill -9 $PPID")
    second = site.home / "second"
    second.mkdir(mode=0o700)
    (second / "load.db").touch()
    mounted = Mount.__new__(Mount)
    mounted.place, mounted._options = second / "load.db", ("--bind", str(site.file))
    mounted.attach()
    try:
        original, site.journals = site.journals, second
        site.goes_wrong("2", "the file is mounted by itself")
        for looking in ("status", "outstanding", "verify", "resume"):
            require_one_sentence(site.command(looking, "load"), "the file is mounted by itself")
        assert [path.name for path in second.iterdir()] == ["load.db"]
    finally:
        mounted.detach()
    site.journals = original
    site.is_carried_on("0")
