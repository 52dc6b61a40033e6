"""A crawl of linked pages comes to each of them, and ends, whatever is killed meanwhile."""

from __future__ import annotations

import os
import random
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from .crawl import Crawl

SEED = int(os.environ.get("PERSISTQ_SOAK_SEED", "0")) or secrets.randbelow(1_000_000_000)


@pytest.mark.timeout(200)
def test_a_crawl_that_is_killed_at_random_comes_to_each_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a server that answers with errors, is away for a second, and has a page that hangs.

    The seed is printed, also on success; ``PERSISTQ_SOAK_SEED`` plays the same again.
    """
    with capsys.disabled():
        print(f"\nPERSISTQ_SOAK_SEED={SEED} ", end="")
    crawl = Crawl(
        tmp_path / "home",
        pages=100,
        hangs=60,
        kills=3,
        dice=random.Random(SEED),
        options=["error_every=17", "away_after=50", "away=1.0"],
        environment={"CRAWL_TIMEOUT": "2"},
    )
    crawl.play()
    assert crawl.problems() == []
    [journal] = (crawl.home / "journal").glob("*.db")
    with closing(sqlite3.connect(journal)) as connection:
        [parked] = connection.execute("SELECT count(*) FROM parked").fetchall()
        [unsealed] = connection.execute(
            "SELECT count(*) FROM queue WHERE sealed_total IS NULL"
        ).fetchall()
    assert (parked, unsealed) == ((1,), (0,))
