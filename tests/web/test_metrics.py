"""What Prometheus is told by the page's server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from persistq import FolderQueue
from tests.cli.test_folder_verbs import die_in

from .asking import TOKEN, Begin, Site


def test_a_program_with_a_token_is_told_what_is_measured(begin: Begin, site: Site) -> None:
    """In the format that Prometheus reads."""
    begin().put(1, 2, 3)
    answer = site.client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'journal="sales"' in answer.text


def test_folders_are_told_of_too(begin: Begin, site: Site, tmp_path: Path) -> None:
    """Those that the page shows."""
    begin().put(1)
    FolderQueue(tmp_path / "in").release()
    text = site.enter().client.get("/metrics").text
    assert f'persistq_folder_waiting_files{{folder="{tmp_path / "in"}"}} 0.0' in text


def test_a_death_on_another_host_is_told_after_the_lease(
    begin: Begin, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks again and again watches for it."""
    monkeypatch.setenv("PERSISTQ_LEASE", "0.01")
    begin().put(1)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.csv").write_text("x")
    die_in(lambda: FolderQueue(tmp_path / "in").get())
    (card,) = (tmp_path / "in/.owners").iterdir()
    card.write_text(json.dumps(json.loads(card.read_text()) | {"host": "elsewhere/1"}))
    line = f'persistq_folder_lost_files{{folder="{tmp_path / "in"}"}} '
    client = site.enter().client
    assert f"{line}0.0" in client.get("/metrics").text
    while f"{line}1.0" not in client.get("/metrics").text:
        continue  # A lease takes several looks.


def test_a_browser_that_is_in_is_told_as_well(begin: Begin, site: Site) -> None:
    """By its session."""
    begin().put(1)
    assert 'journal="sales"' in site.enter().client.get("/metrics").text


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic eDp5", "Bearer"])
def test_nobody_else_is_told_anything(begin: Begin, site: Site, header: str | None) -> None:
    """Whatever he shows."""
    begin().put(1)
    headers = {} if header is None else {"Authorization": header}
    answer = site.client.get("/metrics", headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert "sales" not in answer.text


def test_tokens_cannot_be_tried_for_long(begin: Begin, site: Site) -> None:
    """Wrong ones are counted with those of browsers."""
    begin()
    for _ in range(10):
        site.client.get("/metrics", headers={"Authorization": "Bearer wrong"})
    answer = site.client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 429
