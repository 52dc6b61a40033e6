"""The page on runs beside a program: what it shows can be typed, and does what it says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import persistq

PAGE = (Path(__file__).parents[2] / "docs" / "control.md").read_text(encoding="utf-8")
BLOCKS: list[str] = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)


def block_with(words: str) -> str:
    """Return the only example with these words."""
    [found] = [block for block in BLOCKS if words in block]
    return found


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> persistq.Pipeline:
    """Make a pipeline that is inline, and whose source sleeps between items for ever."""
    monkeypatch.setenv("PERSISTQ_JOURNAL", str(tmp_path))
    monkeypatch.setenv("PERSISTQ_PROGRESS", "none")
    pipeline = persistq.Pipeline("demo", workers=0)

    @pipeline.source(poll=True, interval=0.01)
    def nothing() -> None:
        return None

    pipeline.stage(abs)
    return pipeline


class App:
    """Stands for a web application.

    Args:
        lifespan: What goes on around it.
    """

    def __init__(self, lifespan: Callable[[App], Any]) -> None:
        self.lifespan = lifespan


def test_the_run_of_a_web_application_ends_with_it(pipeline: persistq.Pipeline) -> None:
    """It is alive while the server is, and is stopped in order."""
    names: dict[str, Any] = {
        "FastAPI": App,
        "asynccontextmanager": asynccontextmanager,
        "asyncio": asyncio,
        "pipeline": pipeline,
    }
    exec(block_with("lifespan=lifespan"), names)

    async def serve() -> None:
        async with names["app"].lifespan(names["app"]):
            with pytest.raises(persistq.JournalBusy):
                await pipeline.arun()

    asyncio.run(serve())


@pytest.mark.parametrize("block", BLOCKS)
def test_each_example_is_python(block: str) -> None:
    """What is indented wrongly, or cut off, cannot be typed."""
    compile(block, "docs/control.md", "exec")


def test_each_public_name_is_in_the_page() -> None:
    """What is on no page is not used."""
    for name in ("LiveRun", "run_all", "arun", "alive", "stop", "wait", "exception", "sample"):
        assert name in PAGE
