"""Pages whose programs run as they stand there, and whose commands say what they say there."""

from __future__ import annotations

from pathlib import Path

import pytest
from playing import play


@pytest.mark.parametrize(
    "page",
    [
        "cookbook.md",
        "csv-to-sql.md",
        "failed.md",
        "folders.md",
        "from-pympx.md",
        "operating.md",
        "pipeline.md",
        "queue.md",
        "queue-failures.md",
        "report.md",
        "shape.md",
        "sinks.md",
        "sources.md",
        "start.md",
        "tutorial.md",
    ],
)
def test_everything_on_the_page_comes_out(tmp_path: Path, page: str) -> None:
    """In the order in which it is read."""
    play(page, tmp_path)
