"""A place for a load, on ground that each test makes bad in its own way."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .loadsite import Site
from .mounts import Mount, ext4, tmpfs

Mounting = Callable[[int], Mount]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep settings from the outside away."""
    for name in [name for name in os.environ if name.startswith("PERSISTQ_")]:
        if "TEST" not in name:
            monkeypatch.delenv(name)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A place on good ground."""
    (tmp_path / "pyproject.toml").write_text("")
    return Site(tmp_path, tmp_path / "journals")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Mount]:
    """A disk of 8 MiB, in memory."""
    mounted = tmpfs(tmp_path / "disk", 8192)
    yield mounted
    mounted.detach()


@pytest.fixture
def real_disk(tmp_path: Path) -> Iterator[Mount]:
    """A disk with a file system that syncs, in an image."""
    mounted = ext4(tmp_path / "disk", tmp_path / "image")
    yield mounted
    mounted.detach()
