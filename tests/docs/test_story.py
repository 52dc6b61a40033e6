"""The story of a failed night load: what the page shows is what happens."""

from __future__ import annotations

import importlib.util
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_story_happens_as_it_is_told() -> None:
    """Write it anew with ``python docs/story_page.py > docs/story.md`` if this fails."""
    spec = importlib.util.spec_from_file_location("story_page", DOCS / "story_page.py")
    assert spec is not None
    assert spec.loader is not None
    story = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(story)
    told = (DOCS / "story.md").read_text(encoding="utf-8")
    assert story.lasting(story.page()) == story.lasting(told)
