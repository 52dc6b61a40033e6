"""Folders for tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from persistq import FolderQueue

sys.path.insert(0, str(Path(__file__).parent))

QUICK: dict[str, Any] = {"poll": 0.005}

Opener = Callable[..., FolderQueue[Any]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory that is to be a queue."""
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def open_folder(folder: Path) -> Iterator[Opener]:
    """Open the folder; it is released when the test is over."""
    opened: list[FolderQueue[Any]] = []

    def opening(**options: Any) -> FolderQueue[Any]:
        opened.append(FolderQueue(folder, **{**QUICK, **options}))
        return opened[-1]

    yield opening
    for one in opened:
        one.release()


@pytest.fixture
def open_rows(folder: Path) -> Iterator[Opener]:
    """Open the folder as one of batch files."""
    opened: list[FolderQueue[Any]] = []

    def opening(**options: Any) -> FolderQueue[Any]:
        opened.append(FolderQueue.rows(folder, **{**QUICK, **options}))
        return opened[-1]

    yield opening
    for one in opened:
        one.release()


@pytest.fixture
def write(folder: Path) -> Callable[..., None]:
    """Put files into the folder as a plain program does."""

    def writing(*names: str, text: str = "x") -> None:
        for name in names:
            (folder / name).write_text(text)

    return writing
