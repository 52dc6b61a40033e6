"""What pages show in passing is Python that persistq takes: each name, option and import of it.

Whole programs are played (`test_pages.py`, and a test for each of some pages). Here are the short
blocks between them: stages, sources and options are declared as they say, and nothing is run.
"""

from __future__ import annotations

import ast
import asyncio
import builtins
import logging
import re
import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

import persistq
from persistq import FolderQueue, Pipeline, sources
from persistq.pipeline import together

ROOT = Path(__file__).parents[2]
SHOWN_BY_TESTS_OF_THEIR_OWN = {
    "contracts.md",
    "from-pympx.md",
    "from-turbo-queue.md",
    "quasiqueue.md",
    "story.md",
}
BLOCK = re.compile(r"^```python\n(?!# \w+\.py\n)(.*?)^```", re.DOTALL | re.MULTILINE)
FRAGMENTS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    if page.name not in SHOWN_BY_TESTS_OF_THEIR_OWN
    for number, block in enumerate(BLOCK.findall(page.read_text(encoding="utf-8")), 1)
]
# What readers have to think of: a client's library, and their own functions and values.
THEIR_MODULES = ("confluent_kafka", "fastapi", "httpx")
THEIR_TYPES = {"Decimal": Decimal, "Path": Path, "date": date, "datetime": datetime}


def names_for(block: str) -> dict[str, Any]:
    """Return what a block takes for granted; what it does not tell may be anything."""
    told = {name: getattr(persistq, name) for name in [*persistq.__all__, "map"]}
    told |= {"persistq": persistq, "sources": sources, "pipeline": Pipeline("example")}
    told["asyncio"] = asyncio
    told |= THEIR_TYPES | {"__name__": "example"}
    used = {node.id for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Name)}
    unknown = used - {*told, *dir(builtins)}
    return told | {name: MagicMock(name=name) for name in unknown}


@pytest.mark.parametrize("block", FRAGMENTS)
def test_persistq_takes_what_pages_show(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its declarations are accepted; what would run a load does nothing."""
    monkeypatch.chdir(tmp_path)
    for method in ("run", "start", "results"):
        monkeypatch.setattr(Pipeline, method, MagicMock())
    monkeypatch.setattr(together, "run_all", MagicMock())
    monkeypatch.setattr(FolderQueue, "__iter__", lambda _: iter(()))
    for function in ("events", "map"):
        monkeypatch.setattr(persistq, function, MagicMock(), raising=False)
    monkeypatch.setattr(asyncio, "run", lambda coroutine: coroutine.close())
    monkeypatch.setenv("SHOP", "shop.example")
    for module in (*THEIR_MODULES, "example"):
        monkeypatch.setitem(sys.modules, module, MagicMock())
    names = names_for(block)
    exec(compile(block, "page", "exec", dont_inherit=True), names)
    for handler in names.values():
        if isinstance(handler, logging.Handler):
            handler.close()


def test_there_are_fragments() -> None:
    """An empty list would prove nothing."""
    assert len(FRAGMENTS) > 40
