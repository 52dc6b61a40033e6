"""The page for who comes from turbo-queue, played beside a directory that it has left."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from playing import play


def leave(path: Path, *rows: Any) -> None:
    """Write a batch as turbo-queue does."""
    with closing(sqlite3.connect(path)) as batch:
        batch.execute("CREATE TABLE logs (log_data json)")
        batch.executemany("INSERT INTO logs VALUES (?)", [(json.dumps(row),) for row in rows])
        batch.commit()


def test_everything_on_the_page_comes_out(tmp_path: Path) -> None:
    """With a batch that waits, and one that a crashed consumer had."""
    old = tmp_path / "dc_data/orders"
    old.mkdir(parents=True)
    name = "1e7b0c9c-55a1-4d0f-9f5b-3c1f1a2b3c4d.db"
    leave(old / f"ready_1669852800_{name}", {"order": 15}, {"order": 16})
    leave(old / f"unload_1669852801_{name.replace('1e', '2f')}_3", 17)
    play("from-turbo-queue.md", tmp_path)
