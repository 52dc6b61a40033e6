"""Folders on the page: what is shown of them, what can be ordered, and what nobody can reach."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from persistq import FolderQueue
from persistq.folder.names import WHY
from persistq.web import folders as folders_module
from persistq.web import live
from persistq.web.folderpage import folder_page, reference_to
from persistq.web.folders import Folders, key_of
from persistq.web.journals import Journals
from persistq.web.live import Live
from tests.cli.test_folder_verbs import die_in

from .asking import HERE, Begin, Site

HOSTILE = '"><img src=x onerror=alert(1)>\u202e\x1b[2J\udcff.csv'


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder: one file waits, one is in hand, two were put aside."""
    path = tmp_path / "in"
    path.mkdir()
    for name in ("a.csv", "b.csv", "c.csv", "d.csv"):
        (path / name).write_text("x" * 1500)
    queue: FolderQueue[Any] = FolderQueue(path, producer="north")
    queue.get()
    for _ in range(2):
        queue.task_failed(queue.get(), "no such day: sftp://me:secret@host/")
    yield path
    queue.release()


def order(site: Site, folder: Path, verb: str, **form: str) -> str:
    """Give an order to a folder as its page does; return what the next page says of it."""
    key = key_of(folder)
    answer = site.client.post(
        f"/f/{key}/{verb}",
        data={"order": site.order_token(), "back": f"/f/{key}", **form},
        headers={"Origin": HERE},
    )
    assert answer.status_code == 200, answer.text
    assert answer.url.path == f"/f/{key}"
    found = re.search(r'<p class="said[^"]*" role="status">([^<]*)</p>', answer.text)
    assert found, answer.text
    return found[1]


def aside(folder: Path) -> list[str]:
    """Return what was put aside."""
    return sorted(one.name for one in (folder / ".parked").iterdir() if WHY not in one.name)


# --- what is shown --------------------------------------------------------------------------------


def test_folders_are_shown_below_journals(begin: Begin, site: Site, folder: Path) -> None:
    """With what lies where, and what to type next."""
    begin().put(1)
    text = site.enter().text("/")
    assert text.index('data-name="sales"') < text.index(f'id="folder-{key_of(folder)}"')
    assert f'href="/f/{key_of(folder)}"' in text
    assert "1 working" in text
    assert f"persistq folder status {folder}" in text


def test_one_folder(site: Site, folder: Path) -> None:
    """What waits with its size, who has what, what was put aside and why, and who puts."""
    die_in(lambda: FolderQueue(folder).get())
    (folder / "e.csv").write_text("x" * 1500)
    text = site.enter().text(f"/f/{key_of(folder)}")
    assert "e.csv" in text
    assert "1.5 kB" in text
    assert f"process {os.getpid()} on " in text
    assert "alive" in text
    assert '<span class="failed">dead</span>' in text
    assert "TaskFailed: no such day: sftp://me:***@host/" in text
    assert "secret" not in text
    assert "north" in text
    assert f"persistq folder recover {folder}" in text


def test_only_the_first_of_many_are_shown(site: Site, folder: Path) -> None:
    """And how many there are."""
    for number in range(150):
        (folder / f"n{number:03}.csv").write_text("x")
    text = site.enter().text(f"/f/{key_of(folder)}")
    assert "151; the first 100 by name" in text
    assert "n098.csv" in text
    assert "n099.csv" not in text


def test_nothing_in_a_folder_can_say_more_than_it_is(site: Site, folder: Path) -> None:
    """Neither names of files and folders, nor what is in them."""
    other = folder.with_name(HOSTILE)
    queue: FolderQueue[Any] = FolderQueue(other, producer="n\x1b[2J<b>")
    (other / HOSTILE).write_text("x")
    queue.task_failed(queue.get(), HOSTILE)
    (other / HOSTILE).write_text("x")
    queue.get()
    (other / HOSTILE).write_text("x")
    (other / "link<b>\x1b").symlink_to("/etc/passwd")
    (other / "south.failed").write_text(f"<b>{HOSTILE.encode('utf-8', 'replace').decode()}")
    site.enter()
    for path in ("/", f"/f/{key_of(other)}"):
        text = site.text(path)
        assert "<img" not in text
        assert "<b>" not in text
        assert not {"\x1b", "\u202e"} & {*text}
    queue.release()


def test_a_strangers_folder_is_named_and_not_read(site: Site, folder: Path) -> None:
    """Nor can anything be ordered."""
    folder.chmod(0o777)
    text = site.enter().text("/")
    assert "everybody can write it" in text
    assert f'href="/f/{key_of(folder)}"' not in text
    answer = site.client.get(f"/f/{key_of(folder)}")
    assert answer.status_code == 503
    assert "d.csv" not in answer.text
    order_page = site.client.post(
        f"/f/{key_of(folder)}/pause",
        data={"order": site.order_token(), "back": "/"},
        headers={"Origin": HERE},
    )
    assert "everybody can write it" in order_page.text
    assert not (folder / "PAUSE").exists()


@pytest.mark.parametrize(
    "name", ["..%2f..%2fetc", "%2fetc", "in", "0" * 16, "%00", "0123/retry", ".."]
)
def test_only_listed_folders_are_shown(site: Site, folder: Path, name: str) -> None:
    """Whatever an address says, nothing else is looked at."""
    answer = site.enter().client.get(f"/f/{name}")
    assert answer.status_code in {404, 405} or answer.url.path == "/"
    assert "Traceback" not in answer.text
    unknown = folder.with_name("unknown")
    unknown.mkdir()
    assert site.client.get(f"/f/{key_of(unknown)}").status_code == 404


def test_who_is_not_in_sees_no_folder(site: Site, folder: Path) -> None:
    """Nor orders anything."""
    answer = site.client.get(f"/f/{key_of(folder)}")
    assert answer.status_code == 401
    assert "d.csv" not in answer.text
    headers = {"Origin": HERE}
    answer = site.client.post(f"/f/{key_of(folder)}/pause", data={}, headers=headers)
    assert answer.status_code == 401
    assert not (folder / "PAUSE").exists()


# --- orders ---------------------------------------------------------------------------------------


def test_one_file_is_put_back(site: Site, folder: Path) -> None:
    """With whatever bytes in its name."""
    strange = os.fsdecode(b"caf\xe9\n.csv")
    (folder / ".parked" / strange).write_text("x")
    text = site.enter().text(f"/f/{key_of(folder)}")
    assert f'value="{reference_to(strange)}"' in text
    said = order(site, folder, "retry", file=reference_to(strange))
    assert said == "1 put back: it waits again"
    assert (folder / strange).exists()
    assert aside(folder) == ["b.csv", "c.csv"]


def test_all_is_put_back(site: Site, folder: Path) -> None:
    """And nothing twice."""
    said = order(site.enter(), folder, "retry", everything="1")
    assert said == "2 put back: they wait again"
    assert not [*(folder / ".parked").iterdir()]
    assert "nothing was put back" in order(site, folder, "retry", everything="1")


@pytest.mark.parametrize(
    "form", [{}, {"file": ""}, {"file": "zz"}, {"file": b"../..".hex()}, {"file": "00"}]
)
def test_an_order_that_names_nothing_that_was_put_aside_changes_nothing(
    site: Site, folder: Path, form: dict[str, str]
) -> None:
    """An empty form is not all files."""
    assert "nothing was changed" in order(site.enter(), folder, "retry", **form)
    assert aside(folder) == ["b.csv", "c.csv"]


def test_a_folder_is_paused_and_resumed(site: Site, folder: Path) -> None:
    """By the file that says so to all."""
    assert "paused" in order(site.enter(), folder, "pause")
    assert (folder / "PAUSE").exists()
    assert ">Resume it<" in site.text(f"/f/{key_of(folder)}")
    assert "open" in order(site, folder, "resume")
    assert not (folder / "PAUSE").exists()


def test_what_the_dead_had_is_given_back_and_nothing_of_the_living(
    site: Site, folder: Path
) -> None:
    """As by the verb."""
    die_in(lambda: FolderQueue(folder).get())
    assert order(site.enter(), folder, "recover") == "1 dead, 1 given back"
    assert (folder / "d.csv").exists()
    assert not (folder / "a.csv").exists()


def test_an_order_needs_the_token_of_the_session(site: Site, folder: Path) -> None:
    """As every other one."""
    site.enter().text("/")
    headers = {"Origin": HERE}
    for token in ("", "wrong"):
        data = {"order": token}
        answer = site.client.post(f"/f/{key_of(folder)}/pause", data=data, headers=headers)
        assert answer.status_code == 403
    assert not (folder / "PAUSE").exists()


# --- live -----------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    """Folders that are looked at often, so that no test waits."""
    monkeypatch.setattr(live, "INTERVAL_S", 0.01)
    monkeypatch.setattr(live, "SHARE", 1e6)
    monkeypatch.setattr(folders_module, "SETTLED_S", 0.0)
    monkeypatch.setattr(folders_module, "SHARE", 1e6)
    return Folders(tmp_path / ".persistq")


def test_a_page_follows_its_folder(folders: Folders, folder: Path, tmp_path: Path) -> None:
    """Who comes, who dies, and what is put aside."""
    key = key_of(folder)
    folders.refresh()

    async def look() -> None:
        watcher = Live(Journals(tmp_path / ".persistq"), folders)
        events = watcher.events(
            f"/f/{key}", lambda: folder_page(folders, key, ""), is_in=lambda: True
        )
        first = await anext(events)
        assert "TaskFailed" in first
        (folder / "new.csv").write_text("x")
        with anyio.fail_after(20):
            while "new.csv" not in await anext(events):
                pass
        watcher.end()

    anyio.run(look)


def test_a_death_is_noticed_though_nothing_is_written(
    folders: Folders, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while, as times go on; a folder at rest is not read until then."""
    folders.refresh()
    reads: list[Path] = []
    kept: Callable[..., Any] = folders_module.counted

    def counted(path: Path, *rest: Any) -> Any:
        reads.append(path)
        return kept(path, *rest)

    monkeypatch.setattr(folders_module, "counted", counted)
    for _ in range(3):
        folders.refresh()
    assert reads == []
    before = folders.version(key_of(folder))
    monkeypatch.setattr(folders_module, "AGED_S", 0.0)
    folders.refresh()
    assert reads == [folder]
    assert folders.version(key_of(folder)) > before


def test_a_folder_that_goes_is_gone_from_the_pages(folders: Folders, folder: Path) -> None:
    """And one that comes is there, at the next look."""
    folders.refresh()
    before = folders.version(None)
    other = folder.with_name("other")
    FolderQueue(other).release()
    folders.refresh()
    assert [look.path for look in folders.looks()] == [folder, other]
    shutil.rmtree(other)
    folders.refresh()
    assert [look.path for look in folders.looks()] == [folder]
    assert folders.version(None) > before
