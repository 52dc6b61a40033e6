"""The page for machines: what it shows runs, and does what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import persistq
from persistq.event import EventKind

PAGE = (Path(__file__).parents[2] / "docs" / "machines.md").read_text(encoding="utf-8")
BLOCKS: list[str] = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)


def block_with(words: str) -> str:
    """Return the only example with these words."""
    [found] = [block for block in BLOCKS if words in block]
    return found


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for journals, in which nothing is shown."""
    monkeypatch.setenv("PERSISTQ_JOURNAL", str(tmp_path))
    monkeypatch.setenv("PERSISTQ_PROGRESS", "none")
    return tmp_path


def sales() -> persistq.Pipeline:
    """Return a pipeline of which one item fails."""
    pipeline = persistq.Pipeline("sales", workers=0)
    pipeline.source(lambda: iter([3, 1, 0]))

    @pipeline.stage(retries=0)
    def share(number: int) -> float:
        return 1 / number

    return pipeline


@pytest.mark.parametrize("block", BLOCKS)
def test_each_example_is_python(block: str) -> None:
    """What is indented wrongly, or cut off, cannot be typed."""
    compile(block, "docs/machines.md", "exec")


def test_who_stores_the_cursor_gets_each_event_once(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The example, which ends when nothing more comes."""
    sales().run(check=False)
    told: list[str] = []
    cursors: list[int] = [0]
    names: dict[str, Any] = {
        "load_cursor": lambda: cursors[-1],
        "tell_somebody": told.append,
        "save_cursor": cursors.append,
    }
    example = block_with("tell_somebody").replace("load_cursor()", "load_cursor(), follow=False")
    for _ in range(2):
        exec(example, names)
    assert told == ["1 items have failed for good, from share:3@1 on"]
    assert cursors == [*range(len(cursors))]


def test_each_kind_is_in_the_table() -> None:
    """And no other."""
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)[: len(EventKind)] == [*EventKind]


def test_a_pipeline_can_have_both_notices() -> None:
    """The example."""
    pipeline = sales()
    exec(block_with("pipeline.notify"), {"pipeline": pipeline, "token": "t"})
    assert [*pipeline._hooks] == ["notify_command", "notify_url_failed"]


def test_a_notice_says_what_the_page_says() -> None:
    """The same members, in the same order."""
    from persistq.pipeline.notices import notice_of

    class Anything:
        def __getattr__(self, name: str) -> str:
            return name

    anything: Any = Anything()
    shown = re.findall(r"```json\n(.+?)```", PAGE, re.DOTALL)[0]
    assert [*json.loads(shown)] == [*notice_of(anything, anything)]


def test_each_field_is_in_the_table() -> None:
    """And the example has all of them."""
    from persistq.logs import FIELDS

    section = PAGE.partition("\n## Logging\n")[2]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [*FIELDS]
    [shown] = re.findall(r"```json\n(.+?)```", section, re.DOTALL)
    assert [*json.loads(shown)] == ["time", "level", "logger", "message", *FIELDS]


def test_what_a_run_says_is_logged_as_json(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The example; where all is logged, nothing else is on standard error."""
    import logging

    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    monkeypatch.setenv("PERSISTQ_PROGRESS", "log")
    exec(block_with("JsonFormatter"))
    sales().run(check=False)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert lines[0]["message"].startswith("load 1 begins")
    assert lines[-1]["level"] == "ERROR"
