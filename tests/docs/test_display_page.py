"""The page on the display: its picture is current, and each field of JSON is on it."""

from __future__ import annotations

import importlib.util
import io
import json
import re
from pathlib import Path
from typing import Any

from playing import DOCS, play

from persistq.display.course import Course
from persistq.display.jsonlines import JsonConsole, progress_object
from persistq.items import item_id_of
from persistq.outcome import Outcome
from persistq.pipeline.summary import Summary, facts_of
from persistq.wire.messages import FailureNews, Progress

PAGE = (DOCS / "display.md").read_text(encoding="utf-8")


def picture() -> Any:
    """Return the module that draws the picture."""
    spec = importlib.util.spec_from_file_location("display_picture", DOCS / "display_picture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def texts(svg: str) -> list[str]:
    """Return what stands in a picture; how it is painted is rich's business."""
    return re.findall(r"<text [^>]*>(.*?)</text>", svg)


def fields(heading: str) -> set[str]:
    """Return the fields that are described below a heading, or a line of its own."""
    part = PAGE[PAGE.index(heading) + len(heading) :]
    rows = re.search(r"\n\|---\|---\|\n((?:\|.*\n)+)", part)
    assert rows is not None
    return {
        name for row in rows[1].splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }


def test_what_the_page_shows_comes_out(tmp_path: Path) -> None:
    """In a log, for programs, and for who wants it quiet."""
    play("display.md", tmp_path)


def test_the_picture_is_current() -> None:
    """``python docs/display_picture.py > docs/figures/display.svg`` draws it anew."""
    kept = (DOCS / "figures" / "display.svg").read_text(encoding="utf-8")
    assert texts(picture().svg()) == texts(kept)
    assert "at&#160;least" in kept


def test_the_picture_takes_nothing_from_elsewhere() -> None:
    """No font that would have to be fetched."""
    kept = (DOCS / "figures" / "display.svg").read_text(encoding="utf-8")
    assert not re.search(r"url\((?!#)", kept)
    assert "@import" not in kept


def test_each_field_of_progress_is_described() -> None:
    """And no other one."""
    drawing = picture()
    course = Course(drawing.LoadPlan("sales", 3, drawing._sizes(0.0), drawing.PLANS), 0.0)
    written = progress_object(course, drawing._Workers(), drawing.NOW)
    assert fields("### `progress`") == written.keys()
    assert fields("\nA stage has\n") == written["stages"][0].keys()
    for inner in ("workers", "longest"):
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{inner}` "))
        assert {*re.findall(r"`(\w+)`", row)} == {inner, *written[inner]}
    json.dumps(written, allow_nan=False)


def test_each_field_of_the_end_is_described() -> None:
    """And no other one."""
    summary = Summary("sales", 3, Outcome.DONE, "", 1, 0, 0, 0, "sales.db", 0)
    assert fields("### `end`") == facts_of(summary).keys() | {"text"}


def test_each_field_of_a_failure_is_described() -> None:
    """And no other one."""
    news = FailureNews("clean", item_id_of(2, 6), "ValueError: bad (parked)", 1, 4711, parked=True)
    out = io.StringIO()
    JsonConsole("sales", out, 1.0).show(Progress([], [news]))
    everywhere = {"kind", "at", "name"}
    assert fields("### `failure`") == json.loads(out.getvalue()).keys() - everywhere
    assert fields("Every object has\n") == everywhere
