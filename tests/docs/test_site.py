"""The site is made without a warning, and its references hold what is public."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import persistq
from persistq import sources

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def module(name: str) -> ModuleType:
    """Import a script of the documents."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the site as ``make docs`` does, and return its directory."""
    home = tmp_path_factory.mktemp("site")
    options = ("--fail-on-warning", "--keep-going", "--quiet", "--doctree-dir", home / "trees")
    made = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, DOCS, home / "html"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return home / "html"


def test_the_site_is_made_without_a_warning(site: Path) -> None:
    """Every page is in it, every link between them leads to a heading, every name is found."""
    pages = {page.stem for page in DOCS.glob("*.md")} - {"README"}
    assert pages <= {page.stem for page in site.glob("*.html")}


def test_the_list_of_all_pages_has_each() -> None:
    """It is what a forge shows of the directory, where the site has its bar of pages."""
    listed = set(re.findall(r"\]\(([\w-]+\.md)\)", (DOCS / "README.md").read_text("utf-8")))
    assert listed == {page.name for page in DOCS.glob("*.md")} - {"README.md"}


def test_the_links_of_the_readme_lead_to_files() -> None:
    """It is no page of the site, which looks after its own links."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / "README.md").read_text("utf-8"))
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_the_python_reference_has_every_public_name(site: Path) -> None:
    """With what its docstring says."""
    text = (site / "python.html").read_text(encoding="utf-8")
    names = [f"persistq.{name}" for name in [*persistq.__all__, "map"]]
    names += [f"persistq.sources.{name}" for name in sources.__all__]
    assert [name for name in names if f'id="{name}"' not in text] == []


def test_the_site_asks_no_other_host(site: Path) -> None:
    """It is read where there is no network, and tells nobody who reads it."""
    for page in site.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|link|img)\b[^>]*(?:src|href)="(https?:[^"]+)"', text)
        assert loaded == [], page.name


def test_the_page_of_verbs_is_up_to_date() -> None:
    """Write it anew with ``make pages`` if this fails."""
    assert (DOCS / "verbs.md").read_text(encoding="utf-8") == module("verbs_page").render()
